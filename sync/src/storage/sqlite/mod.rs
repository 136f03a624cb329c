//! A storage in one SQLite file.
//!
//! One thread owns the connection. Transactions reach it through a bounded channel; those that wait together share one
//! commit, and so one fsync. The tables are made to be read: `sqlite3 app.db 'select * from records'` explains the
//! state.

mod failure;
mod lock;
mod open;
mod row;
mod schema;
mod transaction;
mod worker;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;

pub use self::transaction::SqliteTransaction;
use self::worker::Worker;
use super::{Storage, StorageError, StorageLock, Work};
use crate::record::Principal;

/// Records, queue and cursors in one SQLite file. Clones are the same storage; dropping the last one closes the file.
///
/// ```no_run
/// use sync::SqliteStorage;
/// use sync::storage::sqlite::Durability;
///
/// let storage = SqliteStorage::open("app.db")?;
/// let faster = SqliteStorage::builder("other.db").durability(Durability::Normal).open()?;
/// # Ok::<(), sync::StorageError>(())
/// ```
#[derive(Debug, Clone)]
pub struct SqliteStorage(Arc<Worker>);

/// What a power cut may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// Nothing that was acknowledged: each commit is on the disk when it returns (`synchronous = FULL`).
    #[default]
    Full,
    /// The last commits before it, but never the file's consistency (`synchronous = NORMAL`). A kill of the process
    /// takes nothing.
    Normal,
}

/// Settings of a [`SqliteStorage`]. From [`SqliteStorage::builder`].
#[derive(Debug, Clone)]
#[must_use = "call `.open()`"]
pub struct SqliteBuilder {
    pub(self) path: PathBuf,
    pub(self) durability: Durability,
    pub(self) access: Access,
}

/// What a storage may do with its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(self) enum Access {
    /// The file is this library's alone, or new.
    Own,
    /// The application's tables are in it as well.
    Shared,
    /// Nothing is written.
    Read,
}

impl SqliteStorage {
    /// Opens a file, or makes it.
    ///
    /// # Errors
    /// [`StorageError::Locked`] when another engine has it; [`StorageError::Foreign`] and [`StorageError::TooNew`] when it
    /// is not this library's, or of a newer version; [`StorageError::Open`] when it cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        Self::builder(path).open()
    }

    /// Opens a file with settings.
    pub fn builder(path: impl AsRef<Path>) -> SqliteBuilder {
        let path = path.as_ref().to_path_buf();
        SqliteBuilder { path, durability: Durability::default(), access: Access::Own }
    }

    /// Runs a closure in a transaction of its own, on the connection itself.
    pub(crate) async fn transact_with_connection<R, E, F>(
        &self,
        principal: &Principal,
        work: F,
    ) -> Result<R, E>
    where
        R: Send + 'static,
        E: From<StorageError> + Send + 'static,
        F: FnOnce(&mut SqliteTransaction<'_>) -> Result<R, E> + Send + 'static,
    {
        self.0.alone(principal, work).await
    }

    /// Whether two handles are the same storage.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl SqliteBuilder {
    /// What a power cut may take. Default: [`Durability::Full`].
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Adds this library's tables to a database that holds the application's own, and leaves those alone. Without it,
    /// such a file is refused as another program's.
    pub fn shared(mut self) -> Self {
        self.access = Access::Shared;
        self
    }

    /// Opens an existing file to look at, also while an engine works on it. Every write fails.
    pub fn read_only(mut self) -> Self {
        self.access = Access::Read;
        self
    }

    /// Opens the file.
    ///
    /// # Errors
    /// As [`SqliteStorage::open`].
    pub fn open(self) -> Result<SqliteStorage, StorageError> {
        Worker::start(&self).map(|worker| SqliteStorage(Arc::new(worker)))
    }
}

#[async_trait]
impl Storage for SqliteStorage {
    async fn transact(&self, principal: &Principal, work: Work) -> Result<(), StorageError> {
        self.0.run(principal, work).await
    }

    fn lock(&self) -> Result<StorageLock, StorageError> {
        self.0.lock()
    }
}
