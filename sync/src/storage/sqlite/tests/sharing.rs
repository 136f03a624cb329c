//! Transactions that wait for the thread share a commit.

use std::collections::HashSet;
use std::sync::mpsc;

use futures::FutureExt;
use futures::future::{join, join_all};

use super::{Fixture, note, queued};
use crate::storage::StorageError;

/// As many bytes as one page takes in the log (SQLite's file format, section 4.1), for the pages that these files have.
const FRAME: u64 = 24 + 2048;

fn frames(fixture: &Fixture) -> u64 {
    let log = fixture.folder.path().join("app.db-wal");
    log.metadata().expect("the log is there").len() / FRAME
}

/// Asks for transactions while the thread has something else to do; answers how they went, and how many pages were written.
async fn ask_for_many<T>(
    fixture: &Fixture,
    work: impl Fn(u64) -> Result<T, StorageError> + Copy + Send + 'static,
) -> (Vec<bool>, u64) {
    let (release, held) = mpsc::channel::<()>();
    let mut busy = Box::pin(fixture.run(move |_| {
        let _ = held.recv();
        Ok(())
    }));
    assert!((&mut busy).now_or_never().is_none());
    let mut asked = Box::pin(join_all((1..=100).map(|number| {
        fixture.run(move |tx| {
            tx.put(&note(&number.to_string()), &queued(number))?;
            work(number).map(drop)
        })
    })));
    assert!((&mut asked).now_or_never().is_none());
    let before = frames(fixture);
    drop(release);
    let (busy, asked) = join(busy, asked).await;
    busy.expect("it wrote nothing");
    (asked.iter().map(Result::is_ok).collect(), frames(fixture) - before)
}

async fn written(fixture: &Fixture) -> usize {
    fixture.run(|tx| tx.pending(None, None, 1000, &HashSet::new())).await.expect("it can be read").len()
}

#[tokio::test]
async fn a_hundred_that_wait_write_fewer_pages_than_a_hundred_commits_would() {
    let fixture = Fixture::new();
    let (went_well, pages) = ask_for_many(&fixture, |_| Ok(())).await;
    assert_eq!(went_well, [true; 100]);
    assert!(pages < 50, "{pages} pages");
    assert_eq!(written(&fixture).await, 100);
}

#[tokio::test]
async fn one_that_fails_or_panics_costs_the_others_nothing() {
    let fixture = Fixture::new();
    let (went_well, pages) = ask_for_many(&fixture, |number| match number {
        20 => Err(StorageError::Aborted),
        30 => panic!("this one panics"),
        _ => Ok(()),
    })
    .await;
    let expected: Vec<_> = (1..=100).map(|number| number != 20 && number != 30).collect();
    assert_eq!(went_well, expected);
    assert!(pages < 50, "{pages} pages");
    assert_eq!(written(&fixture).await, 98);
}
