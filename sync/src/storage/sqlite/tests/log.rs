//! The log beside the file, which is moved into it while others write.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use rusqlite::Connection;
use tempfile::TempDir;

use super::super::{Durability, SqliteStorage};
use super::{note, open_with, queued, run};
use crate::record::{Intention, Payload, Principal, Record, Write};
use crate::storage::StorageError;

const MIB: u64 = 1024 * 1024;

/// A transaction may make the log longer than it is to be.
const TRANSACTION: u64 = 256 * 1024;

/// Writes a record of 64 KiB, in a transaction of its own.
async fn put(storage: &SqliteStorage, number: u64) -> Result<(), StorageError> {
    let value = Payload::encode(&"x".repeat(64 * 1024)).expect("a string is JSON");
    let edit = queued(number).queued.map(|edit| Intention { write: Write::Create(value), ..edit });
    let large = Record { queued: edit, ..Record::default() };
    run(storage, move |tx| tx.put(&note(&number.to_string()), &large)).await
}

/// With a log that is moved again and again.
fn open_with_short_log(path: &Path) -> SqliteStorage {
    SqliteStorage::builder(path).log_bytes(64 * 1024).open().expect("it can be opened")
}

async fn fill(storage: &SqliteStorage, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        put(storage, number).await.expect("the record is written");
    }
}

async fn count(storage: &SqliteStorage) -> usize {
    run(storage, |tx| Ok(tx.pending(None, None, 10_000, &HashSet::new())?.len()))
        .await
        .expect("it can be read")
}

fn length(file: &Path, ending: &str) -> u64 {
    let name = format!("{}{ending}", file.display());
    fs::metadata(name).expect("it is there").len()
}

#[tokio::test]
async fn the_log_stays_as_short_as_it_is_to_be_whatever_the_file_was_made_for() {
    let each = [(Durability::Full, 4 * MIB), (Durability::Normal, 16 * MIB)];
    for (made_for, _) in each {
        for (durability, log) in each {
            let folder = TempDir::new().expect("a temporary folder");
            let path = folder.path().join("app.db");
            drop(open_with(&path, made_for));
            let storage = open_with(&path, durability);
            fill(&storage, 1..=700).await;
            let length = length(&path, "-wal");
            assert!(
                (log..2 * log + TRANSACTION).contains(&length),
                "{durability:?}, made for {made_for:?}: the log has {length} bytes of {log}"
            );
            drop(storage);
            assert_eq!(count(&open_with(&path, durability)).await, 700);
        }
    }
}

#[tokio::test]
async fn commits_wait_for_the_disk_unless_told_otherwise() {
    async fn synchronous(storage: &SqliteStorage) -> i64 {
        let principal = Principal::default();
        let asked = storage.transact_with_connection(&principal, |tx| {
            let mode = tx.connection().query_row("PRAGMA synchronous", [], |row| row.get(0));
            Ok::<_, StorageError>(mode.expect("it can be asked for"))
        });
        asked.await.expect("it can be asked for")
    }
    let folder = TempDir::new().expect("a temporary folder");
    let usual = SqliteStorage::open(folder.path().join("usual.db")).expect("it can be opened");
    assert_eq!(synchronous(&usual).await, 2, "FULL");
    let quick = open_with(&folder.path().join("quick.db"), Durability::Normal);
    assert_eq!(synchronous(&quick).await, 1, "NORMAL");
}

#[tokio::test]
async fn a_log_that_is_to_be_short_is_moved_all_the_time() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("app.db");
    let storage = open_with_short_log(&path);
    fill(&storage, 1..=100).await;
    assert!(length(&path, "-wal") < TRANSACTION * 2);
    assert!(length(&path, "") > 5 * MIB, "what the log had is in the file");
    assert_eq!(count(&storage).await, 100);
}

#[tokio::test]
async fn a_reader_that_stays_keeps_the_log_from_being_moved_and_nothing_from_being_written() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("app.db");
    let storage = open_with_short_log(&path);
    fill(&storage, 1..=1).await;
    let reader = Connection::open(&path).expect("it can be opened");
    let reading = reader.unchecked_transaction().expect("it can be read");
    let seen = |reader: &Connection| -> i64 {
        reader.query_row("SELECT count(*) FROM records", [], |row| row.get(0)).expect("it can be read")
    };
    assert_eq!(seen(&reader), 1);
    fill(&storage, 2..=60).await;
    assert!(length(&path, "") < MIB, "nothing is moved over what it reads");
    assert!(length(&path, "-wal") > 3 * MIB);
    assert_eq!(seen(&reader), 1, "it sees what it saw");
    drop(reading);
    fill(&storage, 61..=80).await;
    assert!(length(&path, "") > 3 * MIB, "what the log had is in the file");
    assert_eq!((seen(&reader), count(&storage).await), (80, 80));
}

#[tokio::test]
async fn the_log_of_an_attached_database_stays_short_too() {
    let folder = TempDir::new().expect("a temporary folder");
    let (path, other) = (folder.path().join("app.db"), folder.path().join("other.db"));
    let mine = Connection::open(&other).expect("it can be opened");
    mine.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).expect("it takes to WAL");
    mine.execute_batch("CREATE TABLE rows (text TEXT)").expect("it can be written");
    let storage = open_with_short_log(&path);
    let principal = Principal::default();
    let attach = format!("ATTACH '{}' AS other", other.display());
    let insert = "INSERT INTO other.rows VALUES (hex(randomblob(32 * 1024)))".to_owned();
    for sql in std::iter::once(attach).chain(std::iter::repeat_n(insert, 40)) {
        let done = storage.transact_with_connection(&principal, move |tx| {
            tx.connection().execute_batch(&sql).expect("the SQL is right");
            Ok::<_, StorageError>(())
        });
        done.await.expect("it is committed");
    }
    assert!(length(&other, "-wal") < TRANSACTION * 2);
    assert!(length(&other, "") > 2 * MIB, "what the log had is in the file");
}

/// It has the name of the storage, and the log beside it is none of its own.
#[cfg(unix)]
#[tokio::test]
async fn a_file_that_took_the_place_of_an_open_one_gets_nothing_of_its_log() {
    let folder = TempDir::new().expect("a temporary folder");
    let (path, restored) = (folder.path().join("app.db"), folder.path().join("restored.db"));
    fill(&open_with(&restored, Durability::Full), 1..=3).await;
    let backup = fs::read(&restored).expect("it can be read");
    let storage = open_with_short_log(&path);
    fill(&storage, 1..=2).await;
    fs::rename(&restored, &path).expect("it can be renamed");
    // It may have looked a moment ago where its file is.
    let mut number = 3;
    while number < 10_000 && put(&storage, number).await.is_ok() {
        number += 1;
    }
    for number in 1..=40 {
        let refused = put(&storage, number).await;
        assert!(matches!(refused, Err(StorageError::Moved { .. })), "{refused:?}");
    }
    assert!(fs::read(&path).expect("it can be read") == backup, "it is as it was");
    drop(storage);
    assert!(fs::read(&path).expect("it can be read") == backup, "it is as it was");
    assert_eq!(count(&open_with_short_log(&path)).await, 3, "what was restored is there, and nothing else");
    let check = "PRAGMA integrity_check";
    let whole = Connection::open(&path).and_then(|file| file.query_row(check, [], |row| row.get(0)));
    assert_eq!(whole, Ok("ok".to_owned()));
}
