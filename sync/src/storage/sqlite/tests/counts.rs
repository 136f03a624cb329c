//! Counts are right, however the file was left.

use std::fs;
use std::path::Path;

use super::{Fixture, NOTE, note, open, queued, run};
use crate::record::{EntityName, Record};
use crate::storage::{Counts, SqliteStorage};

async fn counts(storage: &SqliteStorage) -> (Vec<(EntityName, Counts)>, u64) {
    let counts = run(storage, |tx| Ok((tx.counts()?, tx.last_seq()?)));
    counts.await.expect("they can be read")
}

async fn three() -> Fixture {
    let fixture = Fixture::new();
    let work = fixture.run(|tx| {
        for number in 1..=4 {
            tx.put(&note(&number.to_string()), &queued(number))?;
        }
        tx.put(&note("4"), &Record::default())
    });
    work.await.expect("the records are written");
    fixture
}

fn expected() -> Vec<(EntityName, Counts)> {
    vec![(NOTE, Counts { waiting: 3, parked: 0 })]
}

fn saved(path: &Path) -> i64 {
    let connection = rusqlite::Connection::open(path).expect("the file is SQLite");
    connection.query_row("SELECT count(*) FROM sync_queues", [], |row| row.get(0)).expect("it can be read")
}

#[tokio::test]
async fn counts_are_saved_when_the_file_is_closed() {
    let fixture = three().await;
    let path = fixture.folder.path().join("app.db");
    assert_eq!(saved(&path), 0, "while the file is open, they are in memory");
    drop(fixture.storage);
    assert_eq!(saved(&path), 1);
    assert_eq!(counts(&open(&path)).await, (expected(), 4));
    assert_eq!(saved(&path), 1, "what was only read stays saved");
}

#[tokio::test]
async fn counts_are_right_after_a_crash() {
    let fixture = three().await;
    let path = fixture.folder.path().join("app.db");
    let crashed = fixture.folder.path().join("crashed.db");
    for ending in ["", "-wal"] {
        let name = |base: &Path| format!("{}{ending}", base.display());
        fs::copy(name(&path), name(&crashed)).expect("it can be copied");
    }
    let storage = open(&crashed);
    assert_eq!(counts(&storage).await, (expected(), 3));
    let reader = SqliteStorage::builder(&crashed).read_only(true).open().expect("it can be read");
    assert_eq!(counts(&reader).await, (expected(), 3));
}

#[tokio::test]
async fn counts_are_right_after_an_edit_by_hand() {
    let fixture = three().await;
    let path = fixture.folder.path().join("app.db");
    drop(fixture.storage);
    let shell = rusqlite::Connection::open(&path).expect("the file is SQLite");
    shell.execute("DELETE FROM records WHERE key = '2'", []).expect("the SQL is right");
    drop(shell);
    assert_eq!(counts(&open(&path)).await.0, [(NOTE, Counts { waiting: 2, parked: 0 })]);
}
