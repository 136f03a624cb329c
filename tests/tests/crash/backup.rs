//! What the README says about backups, step by step.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use sync::storage::SqliteStorage;
use sync::testing::ScriptedRemote;
use sync::{Engine, Error, StorageError};
use sync_tests::app::App;
use sync_tests::device::Folder;
use sync_tests::entities::{Note, note};

use crate::power_cut::check_integrity;

async fn engine(path: &Path, server: &ScriptedRemote) -> Result<Engine<App>, Error> {
    let storage = SqliteStorage::open(path)?;
    Engine::builder(App::default(), server.clone(), storage).build().await
}

/// The files of a program that was killed, without the lock.
fn copy_as_it_is(from: &Path, to: &Path) {
    for ending in ["", "-wal"] {
        let with_ending = |path: &Path| format!("{}{ending}", path.display());
        fs::copy(with_ending(from), with_ending(to)).unwrap();
    }
}

#[tokio::test]
async fn a_backup_of_an_open_file_takes_the_place_of_a_damaged_one_and_loses_nothing_of_what_it_has() {
    let (folder, server) = (Folder::new(), ScriptedRemote::new());
    let (open, backup, path) = (folder.file("open.db"), folder.file("backup.db"), folder.file("app.db"));
    let device = engine(&open, &server).await.unwrap();
    for id in ["a", "b"] {
        device.push(&note(id, "x", 0)).await.unwrap();
    }
    // What `.backup` and `VACUUM INTO` have in common: they read the log, too.
    let shell = Connection::open(&open).unwrap();
    shell.execute("VACUUM INTO ?1", [backup.to_str().unwrap()]).unwrap();
    drop(shell);
    device.flush().await.unwrap();
    device.push(&note("c", "since then", 0)).await.unwrap();
    copy_as_it_is(&open, &path);
    drop(device);

    let mut damaged = fs::read(&path).unwrap();
    damaged.iter_mut().skip(100).for_each(|byte| *byte = !*byte);
    fs::write(&path, damaged).unwrap();
    let error = match engine(&path, &server).await {
        Err(Error::Storage(error)) => error,
        other => panic!("{other:?}"),
    };
    assert!(matches!(*error, StorageError::Corrupt { .. }), "{error:?}");
    assert!(error.to_string().contains("`-wal` and `-shm`"), "{error}");

    for ending in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{ending}", path.display()));
    }
    fs::copy(&backup, &path).unwrap();
    let device = engine(&path, &server).await.unwrap();
    assert_eq!(device.queue_len(), 2);
    assert!(device.full_sync().await.unwrap().is_clean(), "what had been sent is sent again");
    let there = server.records::<Note>();
    assert_eq!(there.keys().collect::<Vec<_>>(), ["a", "b"]);
    drop(device);
    check_integrity(&path).unwrap();
}
