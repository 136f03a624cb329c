//! What `SqliteStorage` does with files that are not as they should be: a typed error, and the file stays as it was.
#![cfg(feature = "sqlite")]

mod foreign;
mod links;
mod moved;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use sync::record::{Base, EntityName, Payload, Principal, Record, RecordKey, RecordRef, Version};
use sync::storage::{Durability, SqliteStorage, Storage, StorageError, Transaction};
use tempfile::TempDir;

fn folder() -> TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Every file of a folder and what is in it.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = fs::read_dir(folder).expect("the folder can be listed");
    let paths = files.map(|entry| entry.expect("the entry can be read").path());
    paths.map(|path| (path.clone(), fs::read(&path).unwrap_or_default())).collect()
}

async fn run<R: Send + 'static>(
    storage: &SqliteStorage,
    work: impl FnOnce(&mut dyn Transaction) -> Result<R, StorageError> + Send + 'static,
) -> Result<R, StorageError> {
    let slot = Arc::new(Mutex::new(None));
    let result = Arc::clone(&slot);
    let work = Box::new(move |tx: &mut dyn Transaction| {
        *result.lock().expect("nobody panicked") = Some(work(tx)?);
        Ok(())
    });
    storage.transact(&Principal::default(), work).await?;
    Ok(slot.lock().expect("nobody panicked").take().expect("the work ran"))
}

fn note(key: &str) -> RecordRef {
    RecordRef::new(EntityName::new("Note"), RecordKey::new(key).expect("a valid key"))
}

fn known(version: &str) -> Record {
    let value = Payload::encode(&"text ".repeat(20)).expect("a string is JSON");
    Record {
        base: Some(Base { version: Some(Version::new(version)), value: Some(value) }),
        ..Record::default()
    }
}

/// A storage with some records, closed.
async fn written(path: &Path, records: usize) {
    let storage = SqliteStorage::open(path).expect("it can be opened");
    let work = run(&storage, move |tx| {
        (0..records).try_for_each(|number| tx.put(&note(&number.to_string()), &known("1")))
    });
    work.await.expect("they can be written");
}

/// Opens in both ways, expects the same answer, and that nothing in the folder changed.
fn refused(folder: &Path, path: &Path, is_expected: impl Fn(&StorageError) -> bool) {
    let before = contents(folder);
    for read_only in [false, true] {
        let error = SqliteStorage::builder(path).read_only(read_only).open().expect_err("it is refused");
        assert!(is_expected(&error), "read_only {read_only}: {error:?}");
        assert!(contents(folder) == before, "read_only {read_only}: something in the folder changed");
    }
}

#[test]
fn a_newer_file_is_refused() {
    let folder = folder();
    let path = folder.path().join("app.db");
    drop(SqliteStorage::open(&path).expect("it can be opened"));
    let newer = rusqlite::Connection::open(&path).expect("it is SQLite");
    newer.pragma_update(None, "user_version", 99).expect("it can be set");
    drop(newer);
    refused(folder.path(), &path, |error| {
        matches!(error, StorageError::TooNew { found: 99, .. })
            && error.to_string().contains("update the program")
    });
}

#[tokio::test]
async fn a_truncated_file_is_damaged() {
    for keep in [50, 99, 5_000, 30_000] {
        let folder = folder();
        let path = folder.path().join("app.db");
        written(&path, 1000).await;
        let whole = fs::read(&path).expect("it can be read");
        fs::write(&path, &whole[..keep]).expect("it can be cut");
        let error = SqliteStorage::open(&path).expect_err("it is damaged");
        assert!(matches!(error, StorageError::Corrupt { .. }), "{keep}: {error:?}");
        let told = error.to_string();
        assert!(
            told.contains("app.db is damaged") && told.contains("before a backup takes its place"),
            "{told}"
        );
        assert!(fs::read(&path).expect("it can be read") == whole[..keep], "{keep}: the file changed");
        fs::write(&path, &whole).expect("the backup can be put back");
        let storage = SqliteStorage::open(&path).expect("the backup can be opened");
        let record = run(&storage, |tx| tx.record(&note("999"))).await.expect("it can be read");
        assert_eq!(record, Some(known("1")));
    }
}

#[tokio::test]
async fn flipped_bytes_give_typed_errors_and_never_a_panic() {
    let folder = folder();
    let path = folder.path().join("app.db");
    written(&path, 200).await;
    let whole = fs::read(&path).expect("it can be read");
    let (mut damaged, mut fine) = (0, 0);
    for place in (0..whole.len()).step_by(977) {
        let mut bytes = whole.clone();
        for byte in bytes.iter_mut().skip(place).take(24) {
            *byte ^= 0xFF;
        }
        let path = folder.path().join(format!("flipped-{place}.db"));
        fs::write(&path, &bytes).expect("it can be written");
        let result = read_all(&path).await;
        match result {
            Ok(()) => fine += 1,
            Err(
                StorageError::Corrupt { .. }
                | StorageError::Row { .. }
                | StorageError::Foreign { .. }
                | StorageError::TooNew { .. }
                | StorageError::Io { .. },
            ) => damaged += 1,
            Err(other) => panic!("at {place}: {other:?}"),
        }
        fs::remove_file(&path).expect("it can be removed");
    }
    assert!(damaged > 0 && fine > 0, "{damaged} damaged, {fine} fine");
}

async fn read_all(path: &Path) -> Result<(), StorageError> {
    let storage = SqliteStorage::open(path)?;
    run(&storage, |tx| {
        for number in 0..200 {
            tx.record(&note(&number.to_string()))?;
        }
        tx.pending(None, None, 1000, &HashSet::new())?;
        tx.counts()?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_row_that_cannot_be_read_names_its_record_and_spoils_no_other() {
    let folder = folder();
    let path = folder.path().join("app.db");
    written(&path, 2).await;
    let shell = rusqlite::Connection::open(&path).expect("it is SQLite");
    shell.execute("UPDATE sync_bases SET value = '{' WHERE key = '0'", []).expect("the SQL is right");
    drop(shell);
    let storage = SqliteStorage::open(&path).expect("the file as such is whole");
    let broken = run(&storage, |tx| tx.record(&note("0"))).await;
    match broken {
        Err(StorageError::Row { record, .. }) => assert_eq!(record, note("0")),
        other => panic!("{other:?}"),
    }
    assert_eq!(run(&storage, |tx| tx.record(&note("1"))).await.expect("it can be read"), Some(known("1")));
    run(&storage, |tx| tx.put(&note("0"), &known("2"))).await.expect("a new version takes its place");
    assert_eq!(run(&storage, |tx| tx.record(&note("0"))).await.expect("it can be read"), Some(known("2")));
}

#[test]
fn a_missing_folder_is_named_and_not_made() {
    let folder = folder();
    let path = folder.path().join("missing").join("app.db");
    refused(folder.path(), &path, |error| {
        matches!(error, StorageError::Open { path: named, .. } if *named == path)
            && error.to_string().contains("create the folder first")
    });
}

#[test]
fn a_path_that_is_a_folder_is_refused() {
    let folder = folder();
    refused(folder.path(), folder.path(), |error| {
        matches!(error, StorageError::Open { .. }) && error.to_string().contains("it is a folder")
    });
}

#[test]
fn a_path_through_a_file_is_refused() {
    let folder = folder();
    fs::write(folder.path().join("file"), "").expect("it can be written");
    refused(folder.path(), &folder.path().join("file").join("app.db"), |error| {
        matches!(error, StorageError::Open { .. })
    });
}

#[test]
fn a_path_that_is_no_file_is_refused() {
    for (path, told) in [
        ("", "the empty path cannot be opened: it names no file; write the path of one, such as `app.db`"),
        (":memory:", ":memory: cannot be opened: it is not the path of a file; for a storage in memory"),
        ("file:x.db", "file:x.db cannot be opened: it is a URI; write the path of the file alone, such as"),
        ("..", ""),
    ] {
        let error = SqliteStorage::open(path).expect_err("it is refused");
        assert!(matches!(error, StorageError::Open { .. }), "{path:?}: {error:?}");
        assert!(error.to_string().contains(told), "{path:?}: {error}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_folder_that_cannot_be_written_is_reported() {
    // Nobody may make files there, the superuser included.
    let error = SqliteStorage::open("/proc/self/app.db").expect_err("it is refused");
    assert!(matches!(error, StorageError::Open { .. } | StorageError::ReadOnly { .. }), "{error:?}");
}

#[tokio::test]
async fn an_empty_file_becomes_a_storage() {
    let folder = folder();
    let path = folder.path().join("app.db");
    fs::write(&path, "").expect("it can be written");
    written(&path, 1).await;
}

#[tokio::test]
async fn what_an_interrupted_creation_left_is_made_anew() {
    let folder = folder();
    let path = folder.path().join("app.db");
    fs::write(folder.path().join("app.db-new"), "half a file").expect("it can be written");
    written(&path, 1).await;
    assert!(!folder.path().join("app.db-new").exists());
}

#[tokio::test]
async fn a_path_with_odd_characters_is_a_path() {
    let folder = folder();
    for name in ["ä b.db", "a?mode=ro", "a%20b#c", "file:x.db", "'quoted'.db"] {
        written(&folder.path().join(name), 1).await;
        assert!(folder.path().join(name).is_file(), "{name}");
    }
}

#[test]
fn a_missing_file_is_not_made_by_reading() {
    let folder = folder();
    let error = SqliteStorage::builder(folder.path().join("app.db")).read_only(true).open();
    assert!(matches!(error, Err(StorageError::Open { .. })), "{error:?}");
    assert!(contents(folder.path()).is_empty());
}

#[tokio::test]
async fn reading_only_works_beside_a_writer_and_writes_nothing() {
    let folder = folder();
    let path = folder.path().join("app.db");
    let writer = SqliteStorage::open(&path).expect("it can be opened");
    run(&writer, |tx| tx.put(&note("a"), &known("1"))).await.expect("it can be written");
    let reader = SqliteStorage::builder(&path).read_only(true).open().expect("it can be read meanwhile");
    let read = |reader: SqliteStorage| async move { run(&reader, |tx| tx.record(&note("a"))).await };
    assert_eq!(read(reader.clone()).await.expect("it can be read"), Some(known("1")));
    let refused = run(&reader, |tx| tx.put(&note("a"), &known("mine"))).await;
    assert!(matches!(refused, Err(StorageError::OpenedReadOnly { .. })), "{refused:?}");
    let told = refused.expect_err("it is read-only").to_string();
    assert!(told.contains("app.db was opened for reading only"), "{told}");
    assert!(told.contains("open it without `read_only(true)`") && !told.contains("permissions"), "{told}");
    assert!(matches!(reader.lock(), Err(StorageError::OpenedReadOnly { .. })), "no engine can own it");
    run(&writer, |tx| tx.put(&note("a"), &known("2"))).await.expect("the writer goes on");
    assert_eq!(read(reader).await.expect("it can be read"), Some(known("2")));
}

#[tokio::test]
async fn a_second_handle_of_the_same_file_is_refused_under_any_of_its_names() {
    let folder = folder();
    let path = folder.path().join("app.db");
    let first = SqliteStorage::open(&path).expect("it can be opened");
    let mut names = vec![path.clone(), folder.path().join(".").join("app.db")];
    #[cfg(unix)]
    {
        let link = folder.path().join("link.db");
        std::os::unix::fs::symlink(&path, &link).expect("a link can be made");
        names.push(link);
    }
    for name in &names {
        let second = SqliteStorage::open(name);
        assert!(matches!(second, Err(StorageError::Locked { .. })), "{name:?}: {second:?}");
    }
    run(&first, |tx| tx.put(&note("a"), &known("1"))).await.expect("the first is not disturbed");
    let clone = first.clone();
    drop(first);
    assert!(SqliteStorage::open(&path).is_err(), "a clone still has it");
    drop(clone);
    SqliteStorage::open(&path).expect("now it is free");
}

#[tokio::test]
async fn dropping_the_last_handle_finishes_what_was_asked_for() {
    let folder = folder();
    let path = folder.path().join("app.db");
    let storage =
        SqliteStorage::builder(&path).durability(Durability::Normal).open().expect("it can be opened");
    for number in 0..500 {
        // Asked for, and not waited for.
        drop(run(&storage, move |tx| tx.put(&note(&number.to_string()), &known("1"))).now_or_never());
    }
    drop(storage);
    let storage = SqliteStorage::open(&path).expect("the file is free at once");
    for number in 0..500 {
        let record = run(&storage, move |tx| tx.record(&note(&number.to_string()))).await;
        assert!(record.expect("it can be read").is_some(), "{number}");
    }
}

/// Set in a process that this test program starts to be the other program.
const OTHER_PROGRAM: &str = "SYNC_TEST_STORAGE_OF_ANOTHER_PROGRAM";

/// Not a test of its own: what the other program does.
#[tokio::test]
async fn another_program() {
    let Some(path) = std::env::var_os(OTHER_PROGRAM) else { return };
    let storage = SqliteStorage::open(path).expect("it can be opened");
    run(&storage, |tx| tx.put(&note("theirs"), &known("1"))).await.expect("it can be written");
    println!("\nready");
    // Ends when the first program does, whatever happens to it.
    std::io::stdin().lines().for_each(drop);
    drop(storage);
}

fn start_another_program(path: &Path) -> (Child, ChildStdin, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().expect("this program has a path"))
        .args(["--exact", "another_program", "--nocapture"])
        .env(OTHER_PROGRAM, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it can be started");
    let input = child.stdin.take().expect("its input is a pipe");
    let mut output = BufReader::new(child.stdout.take().expect("its output is a pipe"));
    let ready = output.by_ref().lines().any(|line| line.is_ok_and(|line| line == "ready"));
    assert!(ready, "the other program has opened the storage");
    (child, input, output)
}

#[tokio::test]
async fn a_second_program_is_refused_until_the_first_has_ended() {
    let folder = folder();
    let path = folder.path().join("app.db");
    for killed in [false, true] {
        let (mut child, mut input, _output) = start_another_program(&path);
        let refused = SqliteStorage::open(&path);
        assert!(matches!(refused, Err(StorageError::Locked { .. })), "{refused:?}");
        let reader = SqliteStorage::builder(&path).read_only(true).open().expect("reading is allowed");
        assert_eq!(
            run(&reader, |tx| tx.record(&note("theirs"))).await.expect("it can be read"),
            Some(known("1"))
        );
        drop(reader);
        if killed {
            child.kill().expect("it can be killed");
        } else {
            input.write_all(b"\n").expect("it listens");
        }
        drop(input);
        child.wait().expect("it has ended");
        let storage = SqliteStorage::open(&path).expect("the file is free");
        assert_eq!(
            run(&storage, |tx| tx.record(&note("theirs"))).await.expect("it can be read"),
            Some(known("1"))
        );
    }
}
