//! Feeds the inputs that fuzzing kept to the functions that were fuzzed.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::fs;
use std::path::Path;

use sync::fuzzing;

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut inputs: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    inputs.sort();
    assert!(inputs.len() >= 10, "only {} inputs were kept", inputs.len());
    for input in inputs {
        // Told when it panics, and only then.
        println!("{}", input.display());
        check(&fs::read(&input).unwrap());
    }
}

#[test]
fn pages_that_were_kept_hold() {
    replay("page", fuzzing::page);
}

#[test]
fn answers_that_were_kept_hold() {
    replay("answer", fuzzing::answer);
}

#[test]
fn dialects_that_were_kept_hold() {
    replay("dialect", fuzzing::dialect);
}

#[test]
fn headers_that_were_kept_hold() {
    replay("headers", fuzzing::headers);
}

#[test]
fn rows_that_were_kept_hold() {
    replay("row", fuzzing::row);
}
