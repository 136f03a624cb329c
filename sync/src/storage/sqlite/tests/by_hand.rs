//! What people do to a file with a shell, to get rid of a row that cannot be read.

use std::collections::HashSet;
use std::path::Path;

use rusqlite::Connection;

use super::super::SqliteTransaction;
use super::fresh::{based, crashed, get, path};
use super::{Fixture, note, open, queued, run};
use crate::record::{Intention, Record, RecordRef};
use crate::storage::{SqliteStorage, StorageError, Transaction};

fn shell(path: &Path, sql: &str) {
    Connection::open(path).expect("the file is SQLite").execute_batch(sql).expect("the SQL is right");
}

async fn put(storage: &SqliteStorage, key: &str, record: Record) {
    let name = note(key);
    run(storage, move |tx| tx.put(&name, &record)).await.expect("the record is written");
}

/// The records that wait, and how many are said to.
async fn waiting(storage: &SqliteStorage) -> (Vec<RecordRef>, u64) {
    let read = run(storage, |tx| Ok((tx.pending(None, None, 10, &HashSet::new())?, tx.counts()?)));
    let (pending, counts) = read.await.expect("they can be read");
    let names = pending.into_iter().map(|(name, _)| name).collect();
    (names, counts.first().map_or(0, |(_, counts)| counts.waiting + counts.parked))
}

const SPOIL: &str = "UPDATE sync_outbox SET queued = '{' WHERE key = 'x'";
const DELETE: &str = "DELETE FROM sync_outbox WHERE key = 'x'";

/// The row of a record is damaged and deleted, and the file opened again.
async fn is_forgotten(path: &Path, others: &[&str]) {
    let others: Vec<_> = others.iter().map(|key| note(key)).collect();
    let storage = open(path);
    let count = others.len() as u64;
    assert_eq!(waiting(&storage).await, (others.clone(), count));
    assert_eq!(get(&storage, "x").await, None);
    put(&storage, "x", queued(70)).await;
    assert_eq!(get(&storage, "x").await, Some(queued(70)));
    let all: Vec<_> = others.iter().cloned().chain([note("x")]).collect();
    assert_eq!(waiting(&storage).await, (all.clone(), count + 1));
    drop(storage);
    let storage = open(path);
    assert_eq!(waiting(&storage).await, (all, count + 1), "and so it is when it is opened once more");
    assert_eq!(get(&storage, "x").await, Some(queued(70)));
}

#[tokio::test]
async fn a_row_that_was_deleted_is_gone() {
    for others in [&[][..], &["a", "b"]] {
        let fixture = Fixture::new();
        for (key, number) in others.iter().zip(1..) {
            put(&fixture.storage, key, queued(number)).await;
        }
        put(&fixture.storage, "x", queued(9)).await;
        let path = path(&fixture);
        drop(fixture.storage);
        shell(&path, SPOIL);
        let storage = open(&path);
        let read = run(&storage, |tx| tx.record(&note("x"))).await;
        assert!(matches!(read, Err(StorageError::Row { record, .. }) if record == note("x")));
        drop(storage);
        shell(&path, DELETE);
        is_forgotten(&path, others).await;
    }
}

/// Until the row is written again, a mended edit refers to what it referred to; nothing is left of that afterwards.
#[tokio::test]
async fn a_row_that_was_mended_still_refers_to_what_it_referred_to() {
    let fixture = Fixture::new();
    let refers = |seq, parent| {
        let edit = queued(seq).queued.map(|edit| Intention { references: vec![note(parent)], ..edit });
        Record { queued: edit, ..Record::default() }
    };
    put(&fixture.storage, "x", refers(9, "parent")).await;
    let path = path(&fixture);
    drop(fixture.storage);
    shell(&path, "CREATE TABLE kept AS SELECT queued FROM sync_outbox");
    shell(&path, SPOIL);
    shell(&path, "UPDATE sync_outbox SET queued = (SELECT queued FROM kept) WHERE key = 'x'");
    let storage = open(&path);
    assert_eq!(get(&storage, "x").await, Some(refers(9, "parent")));
    let child = async |parent| run(&storage, move |tx| tx.earlier_child(&note(parent), 0..100)).await;
    assert_eq!(child("parent").await.expect("it can be read"), Some((9, note("x"))));
    put(&storage, "x", refers(9, "other")).await;
    assert_eq!(child("parent").await.expect("it can be read"), None);
    assert_eq!(child("other").await.expect("it can be read"), Some((9, note("x"))));
    put(&storage, "x", queued(9)).await;
    assert_eq!(child("other").await.expect("it can be read"), None);
}

/// A row that was mended to refer to nothing still holds up what it had referred to, until the next edit.
#[tokio::test]
async fn the_next_edit_of_a_mended_row_refers_to_nothing_else() {
    let fixture = Fixture::new();
    let refers = queued(9).queued.map(|edit| Intention { references: vec![note("parent")], ..edit });
    put(&fixture.storage, "x", Record { queued: refers, ..Record::default() }).await;
    let path = path(&fixture);
    drop(fixture.storage);
    shell(&path, "UPDATE sync_outbox SET queued = json_remove(queued, '$.references')");
    let storage = open(&path);
    let edit = |tx: &mut dyn Transaction| {
        let mended = tx.record(&note("x"))?.unwrap_or_default();
        tx.put(&note("x"), &mended)
    };
    run(&storage, edit).await.expect("it can be written");
    let child = run(&storage, |tx| tx.earlier_child(&note("parent"), 0..100)).await;
    assert_eq!(child.expect("it can be read"), None);
}

#[tokio::test]
async fn a_row_that_was_deleted_after_a_crash_is_gone() {
    for record in [queued(9), based(queued(9))] {
        let fixture = Fixture::new();
        put(&fixture.storage, "a", queued(1)).await;
        put(&fixture.storage, "x", record).await;
        let crashed = crashed(&fixture);
        shell(&crashed, SPOIL);
        shell(&crashed, DELETE);
        shell(&crashed, "DELETE FROM sync_bases");
        is_forgotten(&crashed, &["a"]).await;
    }
}

#[tokio::test]
async fn a_row_that_was_deleted_while_the_file_was_open_is_gone_once_it_is_opened_again() {
    for record in [queued(9), based(queued(9))] {
        let fixture = Fixture::new();
        put(&fixture.storage, "a", queued(1)).await;
        put(&fixture.storage, "x", record).await;
        let path = path(&fixture);
        shell(&path, DELETE);
        shell(&path, "DELETE FROM sync_bases");
        // Has all names entered.
        fixture.with_connection(|_| Ok(())).await.expect("the others are whole");
        drop(fixture.storage);
        is_forgotten(&path, &["a"]).await;
    }
}

/// By this number, closing a file knows that it need not count.
#[tokio::test]
async fn what_the_storage_writes_by_itself_is_nobody_elses() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("app.db");
    let storage = SqliteStorage::builder(&path).log_bytes(100_000).open().expect("it can be opened");
    let fixture = Fixture { storage, folder };
    let seen = async || {
        let read = |tx: &mut SqliteTransaction<'_>| {
            let version = tx.connection().query_row("PRAGMA data_version", [], |row| row.get::<_, i64>(0));
            Ok(version.expect("it can be read"))
        };
        fixture.with_connection(read).await.expect("the transaction succeeds")
    };
    let before = seen().await;
    for number in 1..=500 {
        put(&fixture.storage, &number.to_string(), queued(number)).await;
    }
    assert_eq!(seen().await, before, "the log was moved beside the writing, and written anew");
    shell(&path, "CREATE TABLE mine (n)");
    assert_ne!(seen().await, before, "the control");
}

#[tokio::test]
async fn an_entry_that_leads_to_no_row_leads_nowhere_and_the_next_edit_takes_it() {
    for after_a_crash in [false, true] {
        let fixture = Fixture::new();
        put(&fixture.storage, "a", based(queued(1))).await;
        put(&fixture.storage, "x", based(queued(9))).await;
        let mut file = path(&fixture);
        if after_a_crash {
            file = crashed(&fixture);
        } else {
            drop(fixture.storage);
        }
        // As an earlier version left it.
        let entry = "CREATE TEMP TABLE kept AS SELECT * FROM sync_names WHERE key = 'x';
            DELETE FROM sync_outbox WHERE key = 'x'; DELETE FROM sync_bases WHERE key = 'x';
            INSERT OR IGNORE INTO sync_names SELECT * FROM kept";
        shell(&file, entry);
        let storage = open(&file);
        let read_only = SqliteStorage::builder(&file).read_only(true).open().expect("it can be read");
        for storage in [&storage, &read_only] {
            assert_eq!(get(storage, "x").await, None);
            assert_eq!(waiting(storage).await.0, [note("a")]);
        }
        put(&storage, "x", queued(70)).await;
        assert_eq!(get(&storage, "x").await, Some(queued(70)));
        assert_eq!(
            waiting(&storage).await,
            (vec![note("a"), note("x")], 2),
            "after a crash: {after_a_crash}"
        );
        drop(storage);
        assert_eq!(waiting(&open(&file)).await, (vec![note("a"), note("x")], 2));
    }
}

#[tokio::test]
async fn a_name_that_leads_astray_holds_back_its_record_and_no_other() {
    let damages = [
        "UPDATE sync_names SET seq = seq + 1000 WHERE key = 'x'",
        "UPDATE sync_outbox SET id = id + 1000 WHERE key = 'x'",
        "UPDATE sync_outbox SET id = id + (1 << 41) WHERE key = 'x'",
        "DELETE FROM sync_names WHERE key = 'x'",
    ];
    for damage in damages {
        let fixture = Fixture::new();
        put(&fixture.storage, "a", queued(1)).await;
        put(&fixture.storage, "x", queued(9)).await;
        let path = path(&fixture);
        drop(fixture.storage);
        shell(&path, damage);
        let storage = open(&path);
        let read = run(&storage, |tx| tx.pending(None, None, 10, &HashSet::new())).await;
        assert!(
            matches!(&read, Err(StorageError::Row { record, .. }) if *record == note("x")),
            "{damage}: {read:?}"
        );
        let read = run(&storage, |tx| tx.pending(None, None, 10, &HashSet::from([note("x")]))).await;
        assert_eq!(read.expect("it can be read"), [(note("a"), queued(1))], "{damage}");
        put(&storage, "a", queued(20)).await;
        put(&storage, "b", queued(21)).await;
        assert_eq!(get(&storage, "a").await, Some(queued(20)), "{damage}");
        drop(storage);
        shell(&path, DELETE);
        let storage = open(&path);
        assert_eq!(waiting(&storage).await, (vec![note("a"), note("b")], 2), "{damage}");
        assert_eq!(get(&storage, "x").await, None, "{damage}");
    }
}
