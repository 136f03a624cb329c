//! What other programs may do with an open file.

use std::time::Duration;

use super::super::connection::PATIENCE;
use super::{Fixture, note, queued};

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
