//! What is under way is remembered, and never otherwise than the file has it.

use super::super::place::Place;
use super::super::under_way::{MOST, UnderWay};
use super::fresh::{based, crashed, get, path, sent};
use super::{Fixture, note, open, queued, run};
use crate::record::{Base, Record, RecordKey, Version};
use crate::storage::{SqliteStorage, StorageError, Transaction};

/// Reads a record and writes it, as the engine does.
async fn put(storage: &SqliteStorage, key: &str, record: Record) {
    let name = note(key);
    let written = run(storage, move |tx| {
        tx.record(&name)?;
        tx.put(&name, &record)
    });
    written.await.expect("the record is written");
}

/// Sent, and edited meanwhile.
fn edited(seq: u64) -> Record {
    Record { queued: queued(seq + 1).queued, ..sent(seq, None) }
}

#[tokio::test]
async fn what_is_under_way_is_not_read_again() {
    let fixture = Fixture::new();
    put(&fixture.storage, "a", sent(1, None)).await;
    let other = rusqlite::Connection::open(path(&fixture)).expect("the file is SQLite");
    other.execute("UPDATE sync_outbox SET flight = 'no JSON'", []).expect("nobody else is writing");
    assert_eq!(get(&fixture.storage, "a").await, Some(sent(1, None)));
    drop(fixture.storage);
    let reopened = open(&fixture.folder.path().join("app.db"));
    let read = run(&reopened, |tx| tx.record(&note("a"))).await;
    assert!(matches!(read, Err(StorageError::Row { .. })), "nothing is remembered of a file that was closed");
}

#[tokio::test]
async fn it_is_remembered_as_it_was_written_last() {
    let fixture = Fixture::new();
    let blocked = Record { blocked_on: Some(note("b")), ..sent(1, None) };
    let records =
        [sent(1, None), edited(1), blocked, based(edited(1)), based(sent(1, None)), queued(2), sent(2, None)];
    for record in records {
        put(&fixture.storage, "a", record.clone()).await;
        assert_eq!(get(&fixture.storage, "a").await, Some(record.clone()));
        let in_the_file = get(&open(&crashed(&fixture)), "a").await;
        assert_eq!(in_the_file, Some(record));
    }
    put(&fixture.storage, "a", Record::default()).await;
    assert_eq!(get(&fixture.storage, "a").await, None);
}

#[tokio::test]
async fn what_was_undone_is_not_remembered() {
    let fixture = Fixture::new();
    put(&fixture.storage, "a", sent(1, None)).await;
    for record in [edited(1), Record::default()] {
        let undone = fixture.run(move |tx| {
            tx.put(&note("a"), &record)?;
            Err::<(), _>(StorageError::Closed)
        });
        undone.await.expect_err("it fails on purpose");
        assert_eq!(get(&fixture.storage, "a").await, Some(sent(1, None)));
    }
}

#[tokio::test]
async fn what_the_user_undid_is_not_remembered() {
    let fixture = Fixture::new();
    put(&fixture.storage, "a", sent(1, None)).await;
    let partly = fixture.with_connection(|tx| {
        let execute = |tx: &super::SqliteTransaction<'_>, sql: &str| tx.connection().execute_batch(sql);
        execute(tx, "SAVEPOINT own").expect("it can be made");
        tx.put(&note("a"), &edited(1))?;
        assert_eq!(tx.record(&note("a"))?, Some(edited(1)));
        execute(tx, "ROLLBACK TO own; RELEASE own").expect("it can be undone");
        tx.record(&note("a"))
    });
    assert_eq!(partly.await.expect("it is committed"), Some(sent(1, None)));
    assert_eq!(get(&fixture.storage, "a").await, Some(sent(1, None)));
}

#[tokio::test]
async fn however_many_are_under_way_each_is_found() {
    let fixture = Fixture::new();
    for number in 1..=1100 {
        put(&fixture.storage, &format!("n{number}"), sent(number, None)).await;
    }
    for number in 1..=1100 {
        assert_eq!(get(&fixture.storage, &format!("n{number}")).await, Some(sent(number, None)));
    }
}

#[tokio::test]
async fn a_put_that_failed_half_way_is_not_remembered() {
    let fixture = Fixture::new();
    put(&fixture.storage, "a", based(sent(1, None))).await;
    let hidden = fixture.run(|tx| {
        let name = note("a");
        // No place for such a number.
        let newer = Base { version: Some(Version::new("9")), value: None };
        let failed = tx.put(&name, &Record { base: Some(newer), ..sent(1 << 41, None) });
        assert!(matches!(failed, Err(StorageError::Row { .. })), "{failed:?}");
        Ok(())
    });
    hidden.await.expect("the work hides it");
    let remembered = get(&fixture.storage, "a").await;
    let in_the_file = get(&open(&crashed(&fixture)), "a").await;
    assert_eq!(remembered, in_the_file);
}

/// Tells the memory alone of a record of the first queue.
fn wrote(memory: &mut UnderWay, record: &Record) -> RecordKey {
    let key = RecordKey::new(record.greatest_number().unwrap_or(0).to_string()).expect("a valid key");
    memory.wrote(1, &key, Place::of(1, record.lane()).expect("it fits").expect("it waits"), record);
    key
}

#[test]
fn what_is_remembered_is_bounded() {
    let mut memory = UnderWay::default();
    let sent: Vec<_> = (1..=3 * MOST as u64).map(|seq| wrote(&mut memory, &sent(seq, None))).collect();
    let remembered = sent.iter().filter(|key| memory.find(1, key).is_some()).count();
    assert!((1..=MOST).contains(&remembered), "{remembered}");
}

#[test]
fn one_that_failed_and_waits_for_its_turn_is_not_remembered() {
    let mut memory = UnderWay::default();
    let key = wrote(&mut memory, &sent(1, Some(chrono::DateTime::UNIX_EPOCH)));
    assert_eq!(memory.find(1, &key).map(|(_, record)| record), None);
}
