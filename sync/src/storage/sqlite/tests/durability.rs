//! Files that were made for one durability, and used with it or with the other.

use std::fs;

use super::super::{Durability, SqliteStorage};
use super::{note, open_with, queued, run};
use crate::record::{Intention, Payload, Record, Write};
use crate::storage::StorageError;

const EACH: [(Durability, u64); 2] =
    [(Durability::Full, 8 * 1024 * 1024), (Durability::Normal, 16 * 1024 * 1024)];

/// Writes a record of 64 KiB, in a transaction of its own.
async fn put(storage: &SqliteStorage, number: u64) -> Result<(), StorageError> {
    let value = Payload::encode(&"x".repeat(64 * 1024)).expect("a string is JSON");
    let edit = queued(number).queued.map(|edit| Intention { write: Write::Create(value), ..edit });
    let large = Record { queued: edit, ..Record::default() };
    run(storage, move |tx| tx.put(&note(&number.to_string()), &large)).await
}

#[tokio::test]
async fn the_log_stays_as_short_as_it_is_to_be_whatever_the_file_was_made_for() {
    for (made_for, _) in EACH {
        for (durability, log) in EACH {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let path = folder.path().join("app.db");
            drop(open_with(&path, made_for));
            let storage = open_with(&path, durability);
            for number in 1..=400 {
                put(&storage, number).await.expect("the record is written");
            }
            let size = fs::metadata(folder.path().join("app.db-wal")).expect("there is a log").len();
            let (least, most) = (log, log + 512 * 1024);
            assert!(
                (least..most).contains(&size),
                "{durability:?}, made for {made_for:?}: the log has {size} bytes of {log}"
            );
        }
    }
}
