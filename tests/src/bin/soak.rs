//! Loads the engine and says what came of it: `soak queue` and `soak crowd`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use sync::BoxError;
use sync_tests::device::{Device, Folder, server};
use sync_tests::soak::{crowd, queue, server as counting};

/// Loads the engine and says what came of it.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    soak: Soak,
}

#[derive(Subcommand)]
enum Soak {
    /// Queues operations on disk and flushes them to a server that fails now and then.
    Queue {
        /// How many operations are queued.
        #[arg(long, default_value_t = 1_000_000)]
        operations: u64,
        /// How long the text of each is, in bytes.
        #[arg(long, default_value_t = 14)]
        text_bytes: u64,
        /// What the server's dice start from.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// How many requests of a hundred fail.
        #[arg(long, default_value_t = 5)]
        failing_percent: u32,
        /// How many MiB above the idle process are too much.
        #[arg(long, default_value_t = 100)]
        memory: u64,
    },
    /// Lets many tasks push, edit and delete while the engine flushes, pulls and is watched.
    Crowd {
        /// How many tasks edit.
        #[arg(long, default_value_t = 16)]
        tasks: u32,
        /// How many edits each of them makes.
        #[arg(long, default_value_t = 2_000)]
        edits: u32,
        /// What the dice start from.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// After how many seconds it counts as a standstill.
        #[arg(long, default_value_t = 900)]
        watchdog: u64,
    },
    /// The server of `queue`.
    #[command(hide = true)]
    Serve {
        #[arg(long)]
        seed: u64,
        #[arg(long)]
        failing_percent: u32,
    },
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), BoxError> {
    match Arguments::parse().soak {
        Soak::Serve { seed, failing_percent } => Ok(counting::serve(seed, failing_percent).await?),
        Soak::Queue { operations, text_bytes, seed, failing_percent, memory } => {
            let load = queue::Load { operations, text_bytes, seed, failing_percent };
            let program: PathBuf = std::env::current_exe()?;
            let outcome = queue::run(&load, &program, &Folder::new().file("soak.db")).await?;
            report(&load, &outcome);
            let tally = outcome.tally;
            if (tally.arrived, tally.doubled, outcome.left) != (operations, 0, 0) {
                return Err(format!("not everything arrived once: {outcome:?}").into());
            }
            match outcome.above_idle() {
                Some(above) if above > memory * 1024 => Err(format!("{above} KiB are too much").into()),
                _ => Ok(()),
            }
        }
        Soak::Crowd { tasks, edits, seed, watchdog } => {
            let crowd = crowd::Crowd { tasks, edits, seed, watchdog: Duration::from_secs(watchdog) };
            let (folder, server) = (Folder::new(), server());
            let device = Device::open(&folder.file("crowd.db"), &server.base_url()).await;
            let outcome = crowd::run(&crowd, &server, &device).await?;
            println!("edits         {}", u64::from(tasks) * u64::from(edits));
            println!("records left  {}", outcome.intended.len());
            println!("status looks  {}", outcome.looks);
            if outcome.left != 0 || !outcome.lost().is_empty() {
                return Err(format!("{} are left, lost: {:?}", outcome.left, outcome.lost()).into());
            }
            println!("lost          0");
            Ok(())
        }
    }
}

fn report(load: &queue::Load, outcome: &queue::Outcome) {
    let tally = outcome.tally;
    let mebibytes =
        |kibibytes: Option<u64>| kibibytes.map_or("unknown".to_owned(), |k| format!("{} MiB", k / 1024));
    println!("queued         {} in {:.1?}", load.operations, outcome.filled_in);
    println!("flushed in     {:.1?}", outcome.flushed_in);
    println!("requests       {}", tally.requests);
    println!(
        "failed         {} before and {} after they took effect",
        tally.failed_before, tally.failed_after
    );
    println!("arrived        {} once, {} twice", tally.arrived, tally.doubled);
    println!("left           {}", outcome.left);
    println!("memory         {} idle, {} at most", mebibytes(outcome.idle), mebibytes(outcome.peak));
}
