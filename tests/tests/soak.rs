//! The soak in small; `cargo run --release --bin soak -- queue` and `-- crowd` are the long runs.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::path::Path;
use std::time::Duration;

use sync_tests::device::{Device, Folder, server};
use sync_tests::soak::{crowd, queue};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_queue_arrives_whole_and_once_though_one_request_in_twenty_fails() {
    // 150 MB, which nobody is to hold at once.
    let load = queue::Load { operations: 3_000, text_bytes: 50_000, seed: 7, failing_percent: 5 };
    let program = Path::new(env!("CARGO_BIN_EXE_soak"));
    let outcome = queue::run(&load, program, &Folder::new().file("soak.db")).await.unwrap();
    assert_eq!((outcome.tally.arrived, outcome.tally.doubled, outcome.left), (3_000, 0, 0), "{outcome:?}");
    assert!(outcome.tally.failed_before > 0 && outcome.tally.failed_after > 0, "{outcome:?}");
    assert_eq!(outcome.tally.replayed, outcome.tally.failed_after, "each lost answer is asked for again");
    let above = outcome.above_idle().unwrap_or(0);
    // Most of it is what is out: sixteen requests, and the pages of the log that have not been copied into the file.
    assert!(above < 56 * 1024, "{above} KiB above the idle process");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_tasks_that_edit_during_flushes_and_pulls_lose_no_edit_and_end() {
    let (folder, server) = (Folder::new(), server());
    let device = Device::open(&folder.file("crowd.db"), &server.base_url()).await;
    let crowd = crowd::Crowd { tasks: 16, edits: 60, seed: 7, watchdog: Duration::from_secs(120) };
    let outcome = crowd::run(&crowd, &server, &device).await.unwrap();
    assert_eq!(outcome.left, 0);
    assert_eq!(
        outcome.lost(),
        Vec::<&str>::new(),
        "the server has each record as it was left, and the application too"
    );
    assert!(outcome.looks > 0);
}
