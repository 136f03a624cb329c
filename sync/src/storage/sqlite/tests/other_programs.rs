//! What other programs may do with an open file.

use std::time::Duration;

use futures::FutureExt;

use super::super::connection::PATIENCE;
use super::{Fixture, note, queued};
use crate::storage::StorageError;

#[tokio::test]
async fn another_program_can_write_when_nothing_is_asked_of_the_storage() {
    let fixture = Fixture::new();
    // So many that the storage takes more for likely, and is ready for them.
    for number in 1..=300 {
        let work = fixture.run(move |tx| tx.put(&note(&number.to_string()), &queued(number)));
        work.await.expect("the record is written");
    }
    let other = rusqlite::Connection::open(fixture.folder.path().join("app.db")).expect("the file is SQLite");
    other.busy_timeout(PATIENCE).expect("it can be set");
    other.execute_batch("CREATE TABLE mine (number INTEGER)").expect("nobody else is writing");
    // As long as the other one writes, nothing is lost, and work waits for its end.
    other.busy_timeout(Duration::ZERO).expect("it can be set");
    other.execute_batch("BEGIN IMMEDIATE; INSERT INTO mine VALUES (1)").expect("nobody else is writing");
    let work = fixture.run(|tx| tx.put(&note("later"), &queued(1000)));
    let ended = async { other.execute_batch("COMMIT").expect("it can be committed") };
    let (written, ()) = tokio::join!(work, ended);
    written.expect("the record is written");
}

#[tokio::test]
async fn while_another_program_writes_nobody_waits_for_those_before() {
    let fixture = Fixture::new();
    let other = rusqlite::Connection::open(fixture.folder.path().join("app.db")).expect("the file is SQLite");
    other.execute_batch("BEGIN IMMEDIATE").expect("nobody else is writing");
    let put =
        |number: u64| Box::pin(fixture.run(move |tx| tx.put(&note(&number.to_string()), &queued(number))));
    // While the first waits for the other program, these come together.
    let (first, mut together) = (put(1), [put(2), put(3), put(4)]);
    let mut first = first;
    for asked in std::iter::once(&mut first).chain(&mut together) {
        assert!(asked.now_or_never().is_none(), "the other one writes");
    }
    assert!(matches!(first.await, Err(StorageError::Busy { .. })));
    for asked in together {
        assert!(matches!(asked.await, Err(StorageError::Busy { .. })));
        // The next one would find the file free, if it waited for itself.
        let _ = other.execute_batch("ROLLBACK");
    }
    put(5).await.expect("nobody else is writing any more");
}
