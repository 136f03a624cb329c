//! Counts are right, however the file was left.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use super::{Fixture, NOTE, note, open, queued, run};
use crate::record::{EntityName, Record, RecordRef};
use crate::storage::{Counts, SqliteStorage, StorageError, Transaction};

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
    connection.query_row("SELECT count(*) FROM sync_counts", [], |row| row.get(0)).expect("it can be read")
}

#[tokio::test]
async fn counts_are_saved_when_the_file_is_closed() {
    let fixture = three().await;
    let path = fixture.folder.path().join("app.db");
    assert_eq!(saved(&path), 0, "while the file is open, they are in memory");
    drop(fixture.storage);
    assert_eq!(saved(&path), 1);
    assert_eq!(counts(&open(&path)).await, (expected(), 3));
    assert_eq!(saved(&path), 1, "they are saved again");
    let reader = SqliteStorage::builder(&path).read_only(true).open().expect("it can be read");
    assert_eq!(counts(&reader).await, (expected(), 3));
    drop(reader);
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
async fn counts_follow_what_a_savepoint_of_the_user_undoes() {
    let fixture = three().await;
    let work = fixture.with_connection(|tx| {
        tx.put(&note("5"), &queued(5))?;
        tx.connection().execute_batch("SAVEPOINT mine").expect("the SQL is right");
        tx.put(&note("6"), &queued(6))?;
        tx.put(&note("1"), &Record::default())?;
        tx.connection().execute_batch("ROLLBACK TO mine; RELEASE mine").expect("the SQL is right");
        Ok(())
    });
    work.await.expect("the transaction succeeds");
    assert_eq!(counts(&fixture.storage).await.0, [(NOTE, Counts { waiting: 4, parked: 0 })]);
}

#[tokio::test]
async fn what_a_savepoint_of_the_user_undid_can_be_done_again() {
    let fixture = Fixture::new();
    let work = fixture.with_connection(|tx| {
        tx.connection().execute_batch("SAVEPOINT mine").expect("the SQL is right");
        tx.put(&note("1"), &queued(1))?;
        tx.connection().execute_batch("ROLLBACK TO mine").expect("the SQL is right");
        tx.put(&note("1"), &queued(1))
    });
    work.await.expect("the transaction succeeds");
    let work = fixture.with_connection(|tx| {
        tx.connection().execute_batch("SAVEPOINT mine").expect("the SQL is right");
        tx.put(&note("1"), &Record::default())?;
        tx.connection().execute_batch("ROLLBACK TO mine").expect("the SQL is right");
        tx.put(&note("1"), &queued(2))
    });
    work.await.expect("the transaction succeeds");
    assert_eq!(counts(&fixture.storage).await.0, [(NOTE, Counts { waiting: 1, parked: 0 })]);
    let found = run(&fixture.storage, |tx| tx.pending(None, None, 10, &HashSet::new()))
        .await
        .expect("they can be read");
    assert_eq!(found, [(note("1"), queued(2))]);
}

#[tokio::test]
async fn a_queue_whose_making_was_undone_leaves_its_number_to_another() {
    const TASK: EntityName = EntityName::new("Task");
    fn task(key: &str) -> RecordRef {
        RecordRef::new(TASK, note(key).key)
    }
    for again in [false, true] {
        let fixture = Fixture::new();
        let work = fixture.with_connection(move |tx| {
            tx.connection().execute_batch("SAVEPOINT mine").expect("the SQL is right");
            tx.put(&note("1"), &queued(1))?;
            tx.connection().execute_batch("ROLLBACK TO mine; RELEASE mine").expect("the SQL is right");
            tx.put(&task("1"), &queued(2))?;
            if again { tx.put(&note("1"), &queued(3)) } else { Ok(()) }
        });
        work.await.expect("the transaction succeeds");
        let one = Counts { waiting: 1, parked: 0 };
        let expected = if again { vec![(NOTE, one), (TASK, one)] } else { vec![(TASK, one)] };
        assert_eq!(counts(&fixture.storage).await.0, expected);
        let found = fixture.run(|tx| Ok((tx.record(&note("1"))?, tx.record(&task("1"))?))).await;
        assert_eq!(found.expect("they can be read"), (again.then(|| queued(3)), Some(queued(2))));
    }
}

#[tokio::test]
async fn counts_are_those_of_the_file_when_the_user_ended_the_transaction() {
    for (ending, waiting) in [("COMMIT", 4), ("COMMIT; BEGIN", 4), ("ROLLBACK", 3), ("ROLLBACK; BEGIN", 3)] {
        let fixture = three().await;
        let work = fixture.with_connection(move |tx| {
            tx.put(&note("5"), &queued(5))?;
            tx.connection().execute_batch(ending).expect("the SQL is right");
            Ok(())
        });
        work.await.expect_err("the transaction was not the user's to end");
        assert_eq!(counts(&fixture.storage).await.0, [(NOTE, Counts { waiting, parked: 0 })], "{ending}");
    }
}

#[tokio::test]
async fn counts_forget_what_work_that_fails_did() {
    let fixture = three().await;
    let works = (0..20_u64).map(|number| {
        fixture.run(move |tx| {
            tx.put(&note(&format!("more {number}")), &queued(10 + number))?;
            tx.put(&note("1"), &Record::default())?;
            if number % 2 == 0 { Err(StorageError::Closed) } else { tx.put(&note("1"), &queued(1)) }
        })
    });
    futures::future::join_all(works).await;
    assert_eq!(counts(&fixture.storage).await.0, [(NOTE, Counts { waiting: 13, parked: 0 })]);
}
