//! Rows that the index of names does not have yet are found by their names all the same, whatever happens.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::super::fresh::{MOST, SOME};
use super::{Fixture, note, open, queued, run};
use crate::record::{Base, Flight, Payload, Record, RecordRef, Sent, Version};
use crate::storage::{Search, SqliteStorage, StorageError, Transaction};

/// How many rows have no entry, as another program sees it.
fn without_entry(path: &Path) -> i64 {
    let connection = rusqlite::Connection::open(path).expect("the file is SQLite");
    let sql = "SELECT (SELECT count(*) FROM sync_outbox) - (SELECT count(*) FROM sync_names)";
    connection.query_row(sql, [], |row| row.get(0)).expect("it can be read")
}

/// How often a record is shown to people.
fn shown(path: &Path, key: &str) -> i64 {
    let connection = rusqlite::Connection::open(path).expect("the file is SQLite");
    let count = connection.query_row("SELECT count(*) FROM records WHERE key = ?1", [key], |row| row.get(0));
    count.expect("it can be read")
}

async fn put(storage: &SqliteStorage, key: &str, record: Record) {
    let name = note(key);
    run(storage, move |tx| tx.put(&name, &record)).await.expect("the record is written");
}

pub(super) async fn get(storage: &SqliteStorage, key: &str) -> Option<Record> {
    let name = note(key);
    run(storage, move |tx| tx.record(&name)).await.expect("the record can be read")
}

pub(super) fn path(fixture: &Fixture) -> PathBuf {
    fixture.folder.path().join("app.db")
}

/// The file as it is when the program is killed.
pub(super) fn crashed(fixture: &Fixture) -> PathBuf {
    let crashed = fixture.folder.path().join("crashed.db");
    for ending in ["", "-wal"] {
        let name = |base: &Path| format!("{}{ending}", base.display());
        fs::copy(name(&path(fixture)), name(&crashed)).expect("it can be copied");
    }
    crashed
}

pub(super) fn based(record: Record) -> Record {
    Record { base: Some(Base { version: Some(Version::new("7")), value: None }), ..record }
}

pub(super) fn sent(seq: u64, due: Option<DateTime<Utc>>) -> Record {
    let intention = queued(seq).queued.expect("it is queued");
    let flight = Flight {
        intention,
        if_match: None,
        frozen: None,
        attempts: 0,
        sent: Sent::NotTaken,
        due,
        look_first: false,
    };
    Record { flight: Some(flight), ..Record::default() }
}

#[tokio::test]
async fn a_new_row_gets_its_entry_when_the_file_is_closed() {
    let fixture = Fixture::new();
    let path = path(&fixture);
    put(&fixture.storage, "a", queued(1)).await;
    assert_eq!((without_entry(&path), shown(&path, "a")), (1, 1));
    assert_eq!(get(&fixture.storage, "a").await, Some(queued(1)));
    drop(fixture.storage);
    assert_eq!(without_entry(&path), 0);
    assert_eq!(get(&open(&path), "a").await, Some(queued(1)));
}

#[tokio::test]
async fn a_row_without_entry_is_changed_moved_and_removed() {
    let fixture = Fixture::new();
    for record in [queued(1), sent(1, None), sent(1, Some(DateTime::UNIX_EPOCH)), queued(2)] {
        put(&fixture.storage, "a", record.clone()).await;
        assert_eq!(get(&fixture.storage, "a").await, Some(record));
    }
    assert_eq!(without_entry(&path(&fixture)), 1);
    put(&fixture.storage, "a", Record::default()).await;
    assert_eq!(get(&fixture.storage, "a").await, None);
    put(&fixture.storage, "a", queued(3)).await;
    assert_eq!(get(&fixture.storage, "a").await, Some(queued(3)));
    assert_eq!(shown(&path(&fixture), "a"), 1);
}

#[tokio::test]
async fn a_row_gets_its_entry_with_the_first_thing_that_is_looked_up_by_it() {
    let fixture = Fixture::new();
    let blocked = Record { blocked_on: Some(note("parent")), ..queued(4) };
    let cases = [("base", 1, based(queued(2))), ("blocked", 3, blocked)];
    for (key, number, record) in cases {
        put(&fixture.storage, key, queued(number)).await;
        put(&fixture.storage, key, record.clone()).await;
        assert_eq!(without_entry(&path(&fixture)), 0, "{key}");
        assert_eq!(shown(&path(&fixture), key), 1, "{key}");
        assert_eq!(get(&fixture.storage, key).await, Some(record));
    }
}

#[tokio::test]
async fn an_edit_of_what_the_server_has_is_shown_once() {
    let fixture = Fixture::new();
    put(&fixture.storage, "a", based(Record::default())).await;
    put(&fixture.storage, "a", based(queued(1))).await;
    assert_eq!((without_entry(&path(&fixture)), shown(&path(&fixture), "a")), (0, 1));
}

#[tokio::test]
async fn a_row_before_others_has_its_entry_at_once() {
    let fixture = Fixture::new();
    put(&fixture.storage, "later", queued(9)).await;
    put(&fixture.storage, "earlier", queued(5)).await;
    assert_eq!(without_entry(&path(&fixture)), 1);
    assert_eq!(get(&fixture.storage, "earlier").await, Some(queued(5)));
}

#[tokio::test]
async fn rows_are_found_after_a_crash() {
    let fixture = Fixture::new();
    put(&fixture.storage, "ready", queued(1)).await;
    put(&fixture.storage, "waiting", queued(2)).await;
    put(&fixture.storage, "waiting", sent(2, Some(DateTime::UNIX_EPOCH))).await;
    put(&fixture.storage, "another", queued(3)).await;
    put(&fixture.storage, "another", Record { blocked_on: Some(note("ready")), ..queued(3) }).await;
    let crashed = crashed(&fixture);
    assert_eq!(without_entry(&crashed), 2);
    let storage = open(&crashed);
    assert_eq!(get(&storage, "ready").await, Some(queued(1)));
    assert_eq!(get(&storage, "waiting").await, Some(sent(2, Some(DateTime::UNIX_EPOCH))));
    put(&storage, "ready", queued(4)).await;
    put(&storage, "waiting", based(Record::default())).await;
    assert_eq!((shown(&crashed, "ready"), shown(&crashed, "waiting")), (1, 1));
    drop(storage);
    assert_eq!(get(&open(&crashed), "ready").await, Some(queued(4)));
}

#[tokio::test]
async fn a_reader_finds_what_another_program_has_just_written() {
    let fixture = Fixture::new();
    put(&fixture.storage, "a", queued(1)).await;
    let reader = SqliteStorage::builder(path(&fixture)).read_only(true).open().expect("it can be read");
    assert_eq!(get(&reader, "a").await, Some(queued(1)));
    put(&fixture.storage, "b", queued(2)).await;
    assert_eq!(get(&reader, "b").await, Some(queued(2)));
    put(&fixture.storage, "a", based(queued(3))).await;
    assert_eq!(get(&reader, "a").await, Some(based(queued(3))));
    let keys =
        run(&reader, |tx| tx.find(&note("a").entity, &Search { limit: 10, ..Search::default() })).await;
    let keys: Vec<_> = keys.expect("they are found").into_iter().map(|place| place.key).collect();
    assert_eq!(keys, [note("a").key, note("b").key]);
}

#[tokio::test]
async fn a_reader_of_an_empty_file_sees_what_is_written_later() {
    let fixture = Fixture::new();
    let reader = SqliteStorage::builder(path(&fixture)).read_only(true).open().expect("it can be read");
    assert_eq!(get(&reader, "a").await, None);
    put(&fixture.storage, "a", queued(1)).await;
    assert_eq!(get(&reader, "a").await, Some(queued(1)));
    let found = run(&reader, |tx| tx.pending(None, None, 10, &HashSet::new())).await;
    assert_eq!(found.expect("it can be read"), [(note("a"), queued(1))]);
}

#[tokio::test]
async fn what_failing_work_did_to_a_row_is_undone() {
    let fixture = Fixture::new();
    put(&fixture.storage, "a", queued(1)).await;
    let changes = [based(queued(2)), Record::default(), sent(1, Some(DateTime::UNIX_EPOCH))];
    let works = changes.into_iter().map(|change| {
        fixture.run(move |tx| {
            tx.put(&note("new"), &queued(7))?;
            tx.put(&note("a"), &change)?;
            Err::<(), _>(StorageError::Closed)
        })
    });
    futures::future::join_all(works).await;
    assert_eq!(get(&fixture.storage, "a").await, Some(queued(1)));
    assert_eq!(get(&fixture.storage, "new").await, None);
    assert_eq!(without_entry(&path(&fixture)), 1);
    put(&fixture.storage, "a", queued(8)).await;
    assert_eq!(shown(&path(&fixture), "a"), 1);
}

#[tokio::test]
async fn work_with_the_connection_at_hand_may_undo_what_it_did_to_a_row() {
    let fixture = Fixture::new();
    put(&fixture.storage, "a", queued(1)).await;
    put(&fixture.storage, "gone", queued(2)).await;
    let work = fixture.with_connection(|tx| {
        tx.connection().execute_batch("SAVEPOINT mine").expect("the SQL is right");
        tx.put(&note("a"), &Record::default())?;
        tx.put(&note("b"), &queued(3))?;
        tx.connection().execute_batch("ROLLBACK TO mine; RELEASE mine").expect("the SQL is right");
        tx.put(&note("gone"), &Record::default())?;
        tx.put(&note("c"), &queued(4))
    });
    work.await.expect("the transaction succeeds");
    assert_eq!(get(&fixture.storage, "a").await, Some(queued(1)));
    assert_eq!(get(&fixture.storage, "b").await, None);
    assert_eq!(get(&fixture.storage, "gone").await, None);
    assert_eq!(get(&fixture.storage, "c").await, Some(queued(4)));
}

#[tokio::test]
async fn rows_are_found_when_the_user_ended_the_transaction() {
    for ending in ["COMMIT", "COMMIT; BEGIN", "ROLLBACK", "ROLLBACK; BEGIN"] {
        let fixture = Fixture::new();
        put(&fixture.storage, "a", queued(1)).await;
        let work = fixture.with_connection(move |tx| {
            tx.connection().execute_batch(ending).expect("the SQL is right");
            Ok(())
        });
        work.await.expect_err("the transaction was not the user's to end");
        put(&fixture.storage, "a", queued(2)).await;
        assert_eq!(get(&fixture.storage, "a").await, Some(queued(2)), "{ending}");
        assert_eq!(shown(&path(&fixture), "a"), 1, "{ending}");
    }
}

/// Ids in an order of their own.
fn scattered(number: u64) -> RecordRef {
    note(&format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

async fn fill(fixture: &Fixture, numbers: std::ops::RangeInclusive<u64>) {
    let work = fixture.run(move |tx| {
        for number in numbers {
            tx.put(&scattered(number), &queued(number))?;
        }
        Ok(())
    });
    work.await.expect("the records are written");
}

#[tokio::test]
async fn of_very_many_rows_most_get_their_entries() {
    let fixture = Fixture::new();
    let most = u64::try_from(MOST).expect("it is small");
    let without_entry =
        || usize::try_from(without_entry(&path(&fixture))).expect("no entry is without a row");
    fill(&fixture, 1..=most).await;
    assert_eq!(without_entry(), MOST);
    fill(&fixture, most + 1..=most + 1).await;
    assert_eq!(without_entry(), MOST + 1 - SOME);
    let last = most + 3000;
    fill(&fixture, most + 2..=last).await;
    for path in [path(&fixture), crashed(&fixture)] {
        let read_only = SqliteStorage::builder(&path).read_only(true).open().expect("it can be read");
        let found = run(&read_only, move |tx| {
            for number in (1..=last).step_by(7) {
                assert_eq!(tx.record(&scattered(number))?, Some(queued(number)));
            }
            let search = Search { limit: 100_000, ..Search::default() };
            Ok(tx.find(&note("any").entity, &search)?.into_iter().map(|place| place.key).collect::<Vec<_>>())
        });
        let mut expected: Vec<_> = (1..=last).map(|number| scattered(number).key).collect();
        expected.sort();
        assert_eq!(found.await.expect("they are found"), expected);
    }
}

#[tokio::test]
async fn a_row_may_get_its_entry_after_it_was_read_and_before_it_is_written() {
    let fixture = Fixture::new();
    let most = u64::try_from(MOST).expect("it is small");
    fill(&fixture, 1..=most).await;
    let first = (1..=most).map(scattered).min().expect("there are some");
    let name = first.clone();
    let work = fixture.run(move |tx| {
        let read = tx.record(&name)?.expect("it is there");
        tx.put(&scattered(most + 1), &queued(most + 1))?;
        tx.put(&name, &Record { queued: queued(most + 2).queued, ..read })
    });
    work.await.expect("the records are written");
    assert_eq!(get(&fixture.storage, first.key.as_str()).await, Some(queued(most + 2)));
    fixture
        .with_connection(|_| Ok(()))
        .await
        .expect("all others can be entered, and it is not entered twice");
}

#[tokio::test]
async fn a_second_row_of_the_same_name_is_told_of() {
    let fixture = Fixture::new();
    put(&fixture.storage, "a", queued(1)).await;
    let copied = "INSERT INTO sync_outbox (id, queue, key, revision, queued)
        SELECT id + 1, queue, key, 2, replace(queued, '\"seq\":1', '\"seq\":2') FROM sync_outbox";
    let shell = rusqlite::Connection::open(path(&fixture)).expect("the file is SQLite");
    shell.execute_batch(copied).expect("the SQL is right");
    let read = fixture.run(|tx| tx.pending(None, None, 10, &HashSet::new())).await;
    assert!(matches!(&read, Err(StorageError::Row { record, .. }) if *record == note("a")), "{read:?}");
}

#[tokio::test]
async fn a_row_that_is_left_behind_gets_its_entry() {
    let fixture = Fixture::new();
    put(&fixture.storage, "first", queued(1)).await;
    put(&fixture.storage, "edited over and over", queued(2)).await;
    let newest = Record {
        queued: queued(70_000).queued.map(|edit| crate::record::Intention { seq: 2, ..edit }),
        ..Record::default()
    };
    put(&fixture.storage, "edited over and over", newest.clone()).await;
    assert_eq!(without_entry(&path(&fixture)), 0);
    let storage = open(&crashed(&fixture));
    assert_eq!(get(&storage, "first").await, Some(queued(1)));
    assert_eq!(get(&storage, "edited over and over").await, Some(newest));
}

/// How many rows of the outbox have this name.
fn rows(path: &Path, key: &str) -> i64 {
    let connection = rusqlite::Connection::open(path).expect("the file is SQLite");
    let count =
        connection.query_row("SELECT count(*) FROM sync_outbox WHERE key = ?1", [key], |row| row.get(0));
    count.expect("it can be read")
}

/// Nothing is there twice, and work with the connection, for which all names are entered, goes on.
async fn assert_whole(fixture: &Fixture, key: &str) {
    put(&fixture.storage, key, queued(9)).await;
    assert_eq!(rows(&path(fixture), key), 1);
    assert_eq!(get(&fixture.storage, key).await, Some(queued(9)));
    fixture.with_connection(|_| Ok(())).await.expect("nothing is wrong");
    let pending =
        fixture.run(|tx| tx.pending(None, None, 10, &HashSet::new())).await.expect("they can be read");
    let counted = fixture.run(|tx| tx.counts()).await.expect("they can be read");
    assert_eq!(counted[0].1.waiting, pending.len() as u64);
}

#[tokio::test]
async fn rows_are_found_when_work_ended_the_transaction_and_then_failed() {
    for ending in ["COMMIT", "COMMIT; BEGIN", "ROLLBACK", "ROLLBACK; BEGIN"] {
        let fixture = Fixture::new();
        put(&fixture.storage, "a", queued(1)).await;
        let work = fixture.with_connection(move |tx| {
            tx.put(&note("b"), &queued(2))?;
            tx.connection().execute_batch(ending).expect("the SQL is right");
            Err::<(), _>(StorageError::Closed)
        });
        work.await.expect_err("it failed");
        assert_whole(&fixture, "b").await;
    }
}

/// Leaves room for a little more.
async fn nearly_fill(fixture: &Fixture) {
    put(&fixture.storage, "a", queued(1)).await;
    let work = fixture.with_connection(|tx| {
        let connection = tx.connection();
        let pages: i64 =
            connection.query_row("PRAGMA page_count", [], |row| row.get(0)).expect("they can be counted");
        let limited = connection.pragma_update_and_check(None, "max_page_count", pages + 20, |_| Ok(()));
        limited.expect("it can be set");
        Ok(())
    });
    work.await.expect("the transaction succeeds");
}

/// Writes too much, and goes on as if nothing had happened.
fn ignore_that_it_is_full(tx: &mut dyn Transaction) -> Result<(), StorageError> {
    let value = Payload::encode(&"x".repeat(1_000_000)).expect("a string is JSON");
    let large = Base { version: None, value: Some(value) };
    let full = tx.put(&note("large"), &Record { base: Some(large), ..Record::default() });
    assert!(matches!(full, Err(StorageError::Full { .. })), "{full:?}");
    tx.put(&note("b"), &queued(2))
}

#[tokio::test]
async fn nothing_is_written_after_the_disk_was_full_even_if_nobody_minds() {
    let fixture = Fixture::new();
    nearly_fill(&fixture).await;
    let told = fixture.run(ignore_that_it_is_full).await;
    assert!(matches!(told, Err(StorageError::Full { .. })), "{told:?}");
    assert_eq!(rows(&path(&fixture), "b"), 0);
    assert_whole(&fixture, "b").await;

    let fixture = Fixture::new();
    nearly_fill(&fixture).await;
    let told = fixture.with_connection(|tx| ignore_that_it_is_full(tx)).await;
    assert!(matches!(told, Err(StorageError::Full { .. })), "{told:?}");
    assert_eq!(rows(&path(&fixture), "b"), 0);
    assert_whole(&fixture, "b").await;
}

#[tokio::test]
async fn a_lost_entry_of_what_the_server_has_is_told_of_after_a_crash() {
    let fixture = Fixture::new();
    let blocked = Record { blocked_on: Some(note("parent")), ..queued(2) };
    put(&fixture.storage, "based", based(queued(1))).await;
    put(&fixture.storage, "blocked", blocked).await;
    let crashed = crashed(&fixture);
    let shell = rusqlite::Connection::open(&crashed).expect("the file is SQLite");
    shell.execute_batch("DELETE FROM sync_names").expect("the SQL is right");
    drop(shell);
    let storage = open(&crashed);
    let counted = run(&storage, |tx| tx.counts()).await.expect("they can be read");
    assert_eq!(counted[0].1.waiting, 2, "they wait all the same");
    let read = run(&storage, |tx| tx.pending(None, None, 10, &HashSet::new())).await;
    assert!(matches!(&read, Err(StorageError::Row { record, .. }) if *record == note("based")), "{read:?}");
}

#[tokio::test]
async fn a_name_that_cannot_be_read_keeps_no_file_from_being_opened() {
    for damage in ["x'ff'", "cast(x'ff' AS TEXT)", "''"] {
        let fixture = Fixture::new();
        put(&fixture.storage, "a", queued(1)).await;
        put(&fixture.storage, "b", queued(2)).await;
        let crashed = crashed(&fixture);
        let shell = rusqlite::Connection::open(&crashed).expect("the file is SQLite");
        let spoil = format!("UPDATE sync_outbox SET key = {damage} WHERE key = 'b'");
        shell.execute_batch(&spoil).expect("the SQL is right");
        drop(shell);
        let storage = open(&crashed);
        assert_eq!(get(&storage, "a").await, Some(queued(1)), "{damage}");
        let counted = run(&storage, |tx| tx.counts()).await.expect("they can be read");
        assert_eq!(counted[0].1.waiting, 2, "{damage}: it waits all the same");
    }
}
