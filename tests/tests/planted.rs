//! The proof can fail: mistakes are planted into the framework, one at a time, and the simulator has to find each.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sync::planted::{Mistake, plant};
use sync_tests::simulation::{Keep, Plan, play};

/// After so many histories at most.
const ENOUGH: u64 = 6_000;

/// How many histories it takes to find a mistake, and which rule it breaks.
fn find(mistake: Mistake) -> Option<(u64, &'static str)> {
    plant(Some(mistake));
    let found = (1..=ENOUGH).find_map(|seed| Some((seed, play(&Plan::of(seed), Keep::Nothing).defect?.rule)));
    plant(None);
    found
}

/// `cargo test -p sync-tests --test planted -- --nocapture` prints the table.
#[test]
fn every_planted_mistake_is_found() {
    let next = AtomicUsize::new(0);
    let search = || {
        let mut found = Vec::new();
        while let Some(mistake) = Mistake::ALL.get(next.fetch_add(1, Ordering::Relaxed)) {
            found.push((*mistake, find(*mistake)));
        }
        found
    };
    let mut all = thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, Into::into);
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(search)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect::<Vec<_>>()
    });
    all.sort_by_key(|(mistake, _)| Mistake::ALL.iter().position(|other| other == mistake));
    println!("| planted mistake | found after histories | broken rule |\n| --- | ---: | --- |");
    for (mistake, found) in &all {
        match found {
            Some((histories, rule)) => println!("| {mistake:?} | {histories} | {rule} |"),
            None => println!("| {mistake:?} | never | |"),
        }
    }
    let missed: Vec<_> = all.iter().filter(|(_, found)| found.is_none()).collect();
    assert!(missed.is_empty(), "not found in {ENOUGH} histories: {missed:?}");
}
