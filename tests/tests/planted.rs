//! The proof can fail: mistakes are planted into the framework, one at a time, and the simulator has to find each.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use sync::planted::{Mistake, plant};
use sync_tests::simulation::{Keep, Plan, play};

/// After so many histories at most.
const ENOUGH: u64 = 6_000;

/// The rule that a mistake breaks, as the table in the documents says: a history in which something else goes wrong does not count,
/// since that may be the simulator's own mistake.
fn told(mistake: Mistake) -> &'static str {
    let table = include_str!("../../docs/proofs.md").lines();
    let name = format!("| {mistake:?} |");
    let row = table.filter_map(|line| line.strip_prefix(&name)).next_back();
    row.and_then(|row| row.trim_end_matches(" |").split("| ").nth(1)).unwrap_or_default()
}

/// How many histories it takes to find a mistake by the rule that it breaks; and, where that does not happen, by which other one.
fn find(mistake: Mistake) -> Result<u64, Option<&'static str>> {
    let (rule, mut other) = (told(mistake), None);
    plant(Some(mistake));
    let found = (1..=ENOUGH).find(|seed| {
        let broken = play(&Plan::of(*seed), Keep::Nothing).defect.map(|defect| defect.rule);
        other = other.or(broken);
        broken == Some(rule)
    });
    plant(None);
    found.ok_or(other)
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
            Ok(histories) => println!("| {mistake:?} | {histories} | {} |", told(*mistake)),
            Err(other) => println!("| {mistake:?} | never | {} |", other.unwrap_or_default()),
        }
    }
    let missed: Vec<_> = all.iter().filter(|(_, found)| found.is_err()).collect();
    assert!(
        missed.is_empty(),
        "not found in {ENOUGH} histories by the rule that docs/proofs.md names: {missed:?}"
    );
}
