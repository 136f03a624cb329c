//! What only the inside of the crate can see: plans, upgrades, counts, the newest rows, and the user's own statements.

mod by_hand;
mod counts;
mod creation;
mod fresh;
mod full_disk;
mod log;
mod other_programs;
mod own_statements;
mod places;
mod plans;
mod sharing;
mod under_way;
mod upgrades;

use std::path::Path;

use tempfile::TempDir;

use super::{Durability, SqliteStorage, SqliteTransaction};
use crate::record::{
    EntityName, Intention, OperationId, Payload, Principal, Record, RecordKey, RecordRef, Write,
};
use crate::storage::{self, StorageError, Transaction};

/// A storage in a folder of its own.
struct Fixture {
    storage: SqliteStorage,
    folder: TempDir,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let storage = open(&folder.path().join("app.db"));
        Self { storage, folder }
    }

    async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Transaction) -> Result<R, StorageError> + Send + 'static,
    ) -> Result<R, StorageError> {
        run(&self.storage, work).await
    }

    async fn with_connection<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut SqliteTransaction<'_>) -> Result<R, StorageError> + Send + 'static,
    ) -> Result<R, StorageError> {
        self.storage.transact_with_connection(&Principal::default(), work).await
    }

    /// Runs SQL of the user's.
    async fn sql(&self, sql: &'static str) {
        self.with_connection(move |tx| {
            tx.connection().execute_batch(sql).expect("the SQL is right");
            Ok(())
        })
        .await
        .expect("the transaction succeeds");
    }
}

async fn run<R: Send + 'static>(
    storage: &SqliteStorage,
    work: impl FnOnce(&mut dyn Transaction) -> Result<R, StorageError> + Send + 'static,
) -> Result<R, StorageError> {
    storage::transact(storage, &Principal::default(), work).await
}

fn open(path: &Path) -> SqliteStorage {
    open_with(path, Durability::Normal)
}

fn open_with(path: &Path, durability: Durability) -> SqliteStorage {
    SqliteStorage::builder(path).durability(durability).open().expect("the file can be opened")
}

const NOTE: EntityName = EntityName::new("Note");

fn note(key: &str) -> RecordRef {
    RecordRef::new(NOTE, RecordKey::new(key).expect("a valid key"))
}

fn queued(seq: u64) -> Record {
    let intention = Intention {
        id: OperationId::from_uuid(uuid::Uuid::from_u128(u128::from(seq))),
        seq,
        revision: seq,
        made_at: chrono::DateTime::UNIX_EPOCH,
        write: Write::Create(Payload::encode("text").expect("a string is JSON")),
        references: Vec::new(),
        decided: None,
        leaves: Vec::new(),
        not_before: None,
        rounds: 0,
        echoes: Vec::new(),
        crossed: false,
    };
    Record { queued: Some(intention), ..Record::default() }
}
