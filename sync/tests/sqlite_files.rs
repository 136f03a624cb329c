//! Files that are not what they should be: a typed error that says what to do, and the file left alone.

#![cfg(feature = "sqlite")]
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::path::Path;

use sync::storage::Storage;
use sync::{Principal, SqliteStorage, StorageError};
use tempfile::tempdir;

fn open(path: &Path) -> StorageError {
    SqliteStorage::open(path).unwrap_err()
}

/// Leaves a note in a storage, so that there is something to lose.
fn write(storage: &SqliteStorage, text: &'static str) -> Result<(), StorageError> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let work = Box::new(move |tx: &mut dyn sync::storage::Transaction| tx.set_note("note", Some(text)));
    runtime.block_on(storage.transact(&Principal::default(), work))
}

fn read(storage: &SqliteStorage) -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (sender, receiver) = std::sync::mpsc::channel();
    let work = Box::new(move |tx: &mut dyn sync::storage::Transaction| {
        sender.send(tx.note("note")?).map_err(|_| StorageError::Closed)
    });
    runtime.block_on(storage.transact(&Principal::default(), work)).unwrap();
    receiver.recv().unwrap()
}

#[test]
fn a_text_file_is_foreign_and_stays_as_it_was() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("letter.txt");
    let text = "Dear reader, this is no database.\n".repeat(100);
    std::fs::write(&path, &text).unwrap();
    assert!(matches!(open(&path), StorageError::Foreign { .. }));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
fn another_programs_database_is_foreign_and_stays_as_it_was() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("other.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("create table theirs (x); insert into theirs values (7)").unwrap();
    drop(other);
    let before = std::fs::read(&path).unwrap();
    let error = open(&path);
    assert!(matches!(error, StorageError::Foreign { .. }));
    assert!(error.to_string().contains("choose another path"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_newer_file_is_refused_and_stays_as_it_was() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("app.db");
    drop(SqliteStorage::open(&path).unwrap());
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let error = open(&path);
    assert!(matches!(error, StorageError::TooNew { found: 99, .. }), "{error}");
    assert!(error.to_string().contains("update the program"), "{error}");
}

#[test]
fn a_folder_and_a_missing_folder_say_what_to_do() {
    let folder = tempdir().unwrap();
    for path in [folder.path().to_path_buf(), folder.path().join("missing").join("app.db")] {
        let error = open(&path);
        assert!(matches!(error, StorageError::Open { .. }), "{error:?}");
        assert!(error.to_string().contains("folder"), "{error}");
    }
    assert!(!folder.path().join("missing").exists());
}

#[test]
fn a_file_that_was_cut_short_or_scribbled_over_is_no_panic() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("app.db");
    let storage = SqliteStorage::open(&path).unwrap();
    write(&storage, "kept").unwrap();
    drop(storage);
    let whole = std::fs::read(&path).unwrap();
    let mut scribbled = whole.clone();
    let middle = 4096.min(scribbled.len() / 2);
    scribbled[middle..middle + 2000].fill(0xAA);
    for damaged in [whole[..whole.len() / 2].to_vec(), whole[..100].to_vec(), scribbled] {
        std::fs::write(&path, &damaged).unwrap();
        // Where it cannot be opened, or not read, that is a typed error; where the damage is elsewhere, it works.
        if let Ok(storage) = SqliteStorage::open(&path) {
            let _ = write(&storage, "again");
        }
    }
    std::fs::write(&path, &whole).unwrap();
    assert_eq!(read(&SqliteStorage::open(&path).unwrap()).as_deref(), Some("kept"));
}

#[test]
fn what_is_opened_for_reading_refuses_to_be_written() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("app.db");
    let storage = SqliteStorage::open(&path).unwrap();
    write(&storage, "kept").unwrap();
    let reader = SqliteStorage::builder(&path).read_only(true).open().unwrap();
    assert_eq!(read(&reader).as_deref(), Some("kept"), "also while an engine has the file");
    assert!(matches!(write(&reader, "no"), Err(StorageError::ReadOnly(_))));
    assert!(reader.lock().is_err());
    assert_eq!(read(&storage).as_deref(), Some("kept"));
}

#[test]
fn a_second_opening_is_refused_until_the_first_is_closed() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("app.db");
    let storage = SqliteStorage::open(&path).unwrap();
    let error = open(&path);
    assert!(matches!(error, StorageError::Locked { .. }));
    assert!(error.to_string().contains("in use by another engine"), "{error}");
    drop(storage);
    SqliteStorage::open(&path).unwrap();
}
