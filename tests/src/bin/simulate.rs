//! Plays histories of devices, a server and everything that goes wrong between them, and says whether a rule was broken.
//!
//! ```text
//! simulate --histories 100000              # many, from seed 1 on, as a table
//! simulate --histories 2000 --fresh        # seeds that nobody has seen
//! simulate --seed 42 --trace               # one, line by line
//! simulate --seed 42 --shrink              # the shortest history that breaks the same rule, line by line
//! ```

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use sync_tests::simulation::{Campaign, Defect, Keep, Plan, play, shrink};

/// Plays histories, and says whether a rule was broken.
#[derive(Debug, Parser)]
#[expect(clippy::struct_excessive_bools, reason = "switches of the command line")]
struct Options {
    /// How many histories.
    #[arg(long, default_value_t = 1)]
    histories: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Begin with a seed that nobody has seen; it is printed.
    #[arg(long)]
    fresh: bool,
    /// Print every line of a single history.
    #[arg(long)]
    trace: bool,
    /// Shorten a single history that breaks a rule, and print that.
    #[arg(long)]
    shrink: bool,
    /// Print a number that stands for every line of every history.
    #[arg(long)]
    hash: bool,
    /// On how many threads; all cores when left out.
    #[arg(long)]
    threads: Option<usize>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let first = if options.fresh { fresh_seed() } else { options.seed };
    if options.trace || options.shrink {
        return show(first, options.shrink);
    }
    if options.fresh {
        println!("from seed {first} on:\n");
    }
    let keep = if options.hash { Keep::Hash } else { Keep::Nothing };
    let cores = std::thread::available_parallelism().map_or(1, Into::into);
    let campaign = Campaign::run(first, options.histories, options.threads.unwrap_or(cores), keep);
    if options.hash {
        println!("{:016x}", campaign.hash);
        return ExitCode::SUCCESS;
    }
    print!("{campaign}");
    let Some((seed, defect)) = campaign.defects.first() else { return ExitCode::SUCCESS };
    for (seed, defect) in &campaign.defects {
        println!("\nseed {seed}, step {}: {}\n  {}", defect.step, defect.rule, defect.text);
    }
    println!("\nThe first, made short:\n");
    show(*seed, true);
    again(*seed, defect);
    ExitCode::FAILURE
}

/// Prints a single history.
fn show(seed: u64, shrunk: bool) -> ExitCode {
    let plan = Plan::of(seed);
    let plan = if shrunk { shrink(&plan) } else { plan };
    println!("{}", plan.script());
    let outcome = play(&plan, Keep::Lines);
    for line in &outcome.trace {
        println!("{line}");
    }
    match outcome.defect {
        Some(defect) => {
            again(seed, &defect);
            ExitCode::FAILURE
        }
        None => ExitCode::SUCCESS,
    }
}

fn again(seed: u64, defect: &Defect) {
    println!("\nseed {seed} breaks the rule `{}` at step {}: {}", defect.rule, defect.step, defect.text);
    println!("again: cargo run --bin simulate -- --seed {seed} --trace");
}

/// A seed out of the time of day.
fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_nanos() & u128::from(u64::MAX)).unwrap_or(0)
}
