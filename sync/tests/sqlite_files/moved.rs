//! Files that are moved, deleted or replaced while a storage has them open.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};

use sync::storage::{Durability, SqliteStorage, StorageError};

use crate::{folder, known, note, run, written};

const BOTH: [Durability; 2] = [Durability::Full, Durability::Normal];

/// The name of a file beside another one.
fn beside(path: &Path, ending: &str) -> PathBuf {
    format!("{}{ending}", path.display()).into()
}

/// An open storage, in the log of which stands the record `mine`.
async fn in_use(path: &Path, durability: Durability) -> SqliteStorage {
    let storage = SqliteStorage::builder(path).durability(durability).open().expect("it can be opened");
    run(&storage, |tx| tx.put(&note("mine"), &known("1"))).await.expect("it can be written");
    storage
}

/// An open storage, in the place of whose file another one with three records stands by now.
async fn replaced(folder: &Path, durability: Durability) -> (PathBuf, SqliteStorage) {
    let [path, restored] = ["app.db", "restored.db"].map(|name| folder.join(name));
    written(&restored, 3).await;
    let storage = in_use(&path, durability).await;
    fs::rename(&restored, &path).expect("it can be renamed");
    (path, storage)
}

/// What is said to the first write that is refused. Among many short ones, a storage looks for its file now and then only.
async fn refusal(storage: &SqliteStorage) -> StorageError {
    for _ in 0..100_000 {
        if let Err(error) = run(storage, |tx| tx.put(&note("later"), &known("1"))).await {
            return error;
        }
    }
    panic!("everything was taken for written")
}

/// Expects that all work is refused, and why.
async fn is_refused(storage: &SqliteStorage, path: &Path, reason: &str) {
    for error in [
        refusal(storage).await,
        run(storage, |tx| tx.put(&note("again"), &known("1"))).await.expect_err("nothing is written"),
        run(storage, |tx| tx.record(&note("mine"))).await.expect_err("nothing is read"),
    ] {
        assert!(matches!(error, StorageError::Moved { .. }), "{error:?}");
        let told = error.to_string();
        assert!(told.contains(&*path.to_string_lossy()) && told.contains(reason), "{told}");
        assert!(told.contains("open it again"), "{told}");
    }
}

/// Which of these records a file has, when nobody has it open. Expects that it is whole.
async fn found<const N: usize>(path: &Path, keys: [&str; N]) -> [bool; N] {
    let storage = SqliteStorage::open(path).expect("it can be opened");
    let mut there = [false; N];
    for (there, key) in there.iter_mut().zip(keys) {
        let key = note(key);
        *there = run(&storage, move |tx| tx.record(&key)).await.expect("it can be read").is_some();
    }
    drop(storage);
    let shell = rusqlite::Connection::open(path).expect("it is SQLite");
    let verdict: String =
        shell.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("it can be checked");
    assert_eq!(verdict, "ok");
    there
}

#[tokio::test]
async fn a_file_that_was_replaced_takes_no_more_edits_and_gets_none_of_the_log() {
    for durability in BOTH {
        let folder = folder();
        let (path, storage) = replaced(folder.path(), durability).await;
        is_refused(&storage, &path, "kept as").await;
        let second = SqliteStorage::open(&path);
        assert!(matches!(second, Err(StorageError::Locked { .. })), "{second:?}");
        drop(storage);
        assert_eq!(found(&path, ["0", "1", "2", "mine", "later"]).await, [true, true, true, false, false]);
    }
}

#[tokio::test]
async fn a_file_that_was_replaced_after_the_last_edit_gets_none_of_the_log() {
    for durability in BOTH {
        let folder = folder();
        let (path, storage) = replaced(folder.path(), durability).await;
        drop(storage);
        assert_eq!(found(&path, ["0", "1", "2", "mine"]).await, [true, true, true, false]);
        assert!(beside(&path, "-moved-1-wal").is_file());
    }
}

#[tokio::test]
async fn what_was_written_last_to_a_file_that_was_moved_away_is_in_the_log_that_is_kept() {
    let folder = folder();
    let [path, elsewhere] = ["app.db", "elsewhere.db"].map(|name| folder.path().join(name));
    // From an earlier time, and nobody has looked at it yet.
    fs::write(beside(&path, "-moved-1-wal"), "a log").expect("it can be written");
    let storage = in_use(&path, Durability::Full).await;
    fs::rename(&path, &elsewhere).expect("it can be renamed");
    let kept = beside(&path, "-moved-2-wal");
    is_refused(&storage, &path, &kept.to_string_lossy()).await;
    drop(storage);
    fs::rename(&kept, beside(&elsewhere, "-wal")).expect("it can be renamed");
    assert_eq!(found(&elsewhere, ["mine", "again"]).await, [true, false]);
    assert_eq!(fs::read(beside(&path, "-moved-1-wal")).expect("it is there"), b"a log");
}

#[tokio::test]
async fn a_storage_whose_files_were_deleted_says_so_and_leaves_those_alone_that_were_made_since() {
    for durability in BOTH {
        let folder = folder();
        let path = folder.path().join("app.db");
        let storage = in_use(&path, durability).await;
        for ending in ["", "-wal", "-shm", "-lock"] {
            fs::remove_file(beside(&path, ending)).expect("it can be removed");
        }
        is_refused(&storage, &path, "gone").await;
        let anew = SqliteStorage::open(&path).expect("nobody has the new one");
        run(&anew, |tx| tx.put(&note("new"), &known("1"))).await.expect("it can be written");
        drop(storage);
        run(&anew, |tx| tx.put(&note("newer"), &known("1"))).await.expect("it can be written");
        drop(anew);
        assert_eq!(found(&path, ["mine", "new", "newer"]).await, [false, true, true]);
    }
}

#[tokio::test]
async fn what_was_written_to_a_log_that_was_deleted_is_in_the_file_once_it_is_closed() {
    for durability in BOTH {
        let folder = folder();
        let path = folder.path().join("app.db");
        let storage = in_use(&path, durability).await;
        fs::remove_file(beside(&path, "-wal")).expect("it can be removed");
        is_refused(&storage, &path, "closed").await;
        drop(storage);
        assert_eq!(found(&path, ["mine", "again"]).await, [true, false]);
    }
}
