//! A second process: it dies with a queue, and the first one goes on with it.

use std::process::Command;

use sync::{SqliteStorage, StorageError};
use sync_tests::entities::{Note, note};

use sync_tests::device::{Device, Folder, server};

const FILE: &str = "SYNC_TESTS_FILE";

/// Not a story of its own: what the second process does.
#[tokio::test]
async fn second_process() {
    let Ok(file) = std::env::var(FILE) else { return };
    let device = Device::open(file.as_ref(), "http://127.0.0.1:9").await;
    device.engine.push(&note("last", "words", 0)).await.unwrap();
    std::process::abort();
}

#[tokio::test]
async fn what_was_pushed_survives_the_death_of_its_process() {
    let (folder, server) = (Folder::new(), server());
    let file = folder.file("a.db");
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process::second_process", "--nocapture"])
        .env(FILE, &file)
        .output()
        .unwrap()
        .status;
    assert!(!status.success(), "it died");
    let device = Device::open(&file, &server.base_url()).await;
    assert_eq!(device.engine.queue_len(), 1);
    assert!(device.engine.is_pending::<Note>(&"last".to_owned()).await.unwrap());
    device.engine.flush().await.unwrap();
    assert_eq!(server.records("/notes")["last"]["title"], "words");
}

#[tokio::test]
async fn a_file_is_free_at_once_when_the_last_handle_is_dropped() {
    let (folder, server) = (Folder::new(), server());
    let file = folder.file("a.db");
    for round in 0..5 {
        let device = Device::open(&file, &server.base_url()).await;
        assert!(matches!(SqliteStorage::open(&file), Err(StorageError::Locked { .. })));
        device.engine.push(&note(&round.to_string(), "x", 0)).await.unwrap();
        device.engine.flush().await.unwrap();
    }
    assert_eq!(server.records("/notes").len(), 5);
}
