//! Files of other programs, and what is no file: they are refused, and not touched.

use std::fs;
use std::path::{Path, PathBuf};

use sync::storage::StorageError;

use crate::{folder, refused};

#[test]
fn a_text_file_is_foreign() {
    let folder = folder();
    let path = folder.path().join("notes.txt");
    fs::write(&path, "Dear diary,\n").expect("it can be written");
    refused(folder.path(), &path, |error| matches!(error, StorageError::Foreign { .. }));
}

#[test]
fn a_database_of_another_program_is_foreign() {
    for application_id in [0, 0x0F05_5112] {
        let folder = folder();
        let path = folder.path().join("other.db");
        let other = rusqlite::Connection::open(&path).expect("it can be made");
        other.pragma_update(None, "application_id", application_id).expect("it can be set");
        other.execute_batch("CREATE TABLE records (mine TEXT)").expect("the SQL is right");
        drop(other);
        refused(folder.path(), &path, |error| {
            matches!(error, StorageError::Foreign { .. }) && error.to_string().contains("choose another path")
        });
    }
}

#[test]
fn a_database_that_another_program_was_writing_is_left_alone() {
    let folder = folder();
    let path = folder.path().join("other.db");
    let other = rusqlite::Connection::open(&path).expect("it can be made");
    other.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).expect("it can be set");
    other
        .execute_batch("CREATE TABLE mine (text TEXT); INSERT INTO mine VALUES ('a')")
        .expect("the SQL is right");
    refused(folder.path(), &path, |error| matches!(error, StorageError::Foreign { .. }));
}

/// A file and the journal of a transaction that had begun to change it.
fn interrupted(folder: &Path) -> PathBuf {
    let [path, writing] = ["other.db", "writing.db"].map(|name| folder.join(name));
    let other = rusqlite::Connection::open(&writing).expect("it can be made");
    other.execute_batch("CREATE TABLE mine (text TEXT)").expect("the SQL is right");
    other.pragma_update(None, "cache_size", 1).expect("it can be set");
    other
        .execute_batch(
            "BEGIN; WITH RECURSIVE many(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM many WHERE n < 1000)
             INSERT INTO mine SELECT hex(zeroblob(100)) FROM many",
        )
        .expect("the SQL is right");
    for ending in ["", "-journal"] {
        let name = |base: &Path| format!("{}{ending}", base.display());
        fs::copy(name(&writing), name(&path)).expect("it can be copied");
    }
    drop(other);
    fs::remove_file(writing).expect("it can be removed");
    path
}

#[test]
fn a_database_of_another_program_that_has_to_be_recovered_is_left_alone() {
    let folder = folder();
    let path = interrupted(folder.path());
    refused(folder.path(), &path, |error| matches!(error, StorageError::Foreign { .. }));
    let other = rusqlite::Connection::open(&path).expect("it is SQLite");
    let count = other.query_row("SELECT count(*) FROM mine", [], |row| row.get::<_, u32>(0));
    assert_eq!(count.expect("it is recovered by its own program"), 0);
    assert!(!folder.path().join("other.db-journal").exists(), "it had to be");
}

#[test]
fn a_damaged_database_of_another_program_is_foreign_too() {
    let folder = folder();
    let path = folder.path().join("other.db");
    let other = rusqlite::Connection::open(&path).expect("it can be made");
    other
        .execute_batch("CREATE TABLE mine (text TEXT); CREATE TABLE yours (text TEXT)")
        .expect("the SQL is right");
    drop(other);
    let whole = fs::read(&path).expect("it can be read");
    for length in [whole.len() - 1, 5000, 4096, 1000] {
        fs::write(&path, &whole[..length]).expect("it can be cut");
        refused(folder.path(), &path, |error| matches!(error, StorageError::Foreign { .. }));
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_file_stays_what_it_is() {
    use std::os::unix::fs::FileTypeExt;

    let folder = folder();
    let path = folder.path().join("socket");
    let _socket = std::os::unix::net::UnixListener::bind(&path).expect("it can be made");
    refused(folder.path(), &path, |error| {
        matches!(error, StorageError::Open { .. }) && error.to_string().contains("it is no file")
    });
    assert!(fs::metadata(&path).expect("it is there").file_type().is_socket());
}
