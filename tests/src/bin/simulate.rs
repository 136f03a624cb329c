//! Simulates.

use sync_tests::simulation::{Keep, Plan, play};

fn main() {
    let seed: u64 = std::env::args().nth(1).and_then(|s| s.parse().ok()).unwrap_or(1);
    let n: u64 = std::env::args().nth(2).and_then(|s| s.parse().ok()).unwrap_or(1);
    let mut bad = 0;
    let mut rules = std::collections::BTreeMap::<_, (u32, Vec<u64>)>::new();
    let start = std::time::Instant::now();
    for seed in seed..seed + n {
        let keep = if n == 1 { Keep::Lines } else { Keep::Nothing };
        let outcome = play(&Plan::of(seed), keep);
        for line in &outcome.trace {
            println!("{line}");
        }
        if let Some(d) = outcome.defect {
            bad += 1;
            let e = rules.entry(d.rule).or_default();
            e.0 += 1;
            if e.1.len() < 12 {
                e.1.push(seed);
            }
            if bad < 6 {
                println!("seed {seed}: {d:?}");
            }
        }
    }
    println!("{bad} of {n}: {rules:?} in {:?}", start.elapsed());
}
