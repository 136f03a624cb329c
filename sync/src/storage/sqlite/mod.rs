//! A storage in one SQLite file.
//!
//! The tables are for people too: `sqlite3 app.db 'select * from records'` explains the state. One thread owns the
//! connection; what is asked of it while it commits shares the next commit. Nothing in here knows the rules of records.

mod builder;
mod checkpoint;
mod connection;
mod entered;
mod failure;
mod file_lock;
mod fresh;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod header;
mod kept;
mod live;
mod location;
mod look;
mod names;
mod numbers;
mod pace;
mod place;
mod places;
mod put;
mod queues;
mod rows;
mod running;
mod schema;
mod search;
mod statements;
#[cfg(test)]
mod tests;
mod thread;
mod transaction;
mod under_way;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

pub use self::builder::{Durability, SqliteBuilder};
use self::pace::Pace;
use self::thread::{Job, Joined, Task};
use self::transaction::SqliteTransaction;
use super::possession::Possession;
use super::{Storage, StorageError, StorageLock, Work};
use crate::record::Principal;

/// Records, queue and cursors in one SQLite file (in WAL mode, with `-wal`, `-shm` and `-lock` files beside it).
///
/// Clones are handles of the same open file. The file is closed, and free for others, when the last one was dropped; that
/// waits for what is still to be written.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("app.db");
/// use sync::storage::{Durability, SqliteStorage};
///
/// let storage = SqliteStorage::open(&path)?;
/// # drop(storage);
/// // Quicker, when a power cut may cost the last moments:
/// let storage = SqliteStorage::builder(&path).durability(Durability::Normal).open()?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct SqliteStorage {
    handle: Arc<Handle>,
}

#[derive(Debug)]
struct Handle {
    jobs: mpsc::Sender<Job>,
    pace: Pace,
    path: PathBuf,
    read_only: bool,
    possession: Possession,
    /// After `jobs`: the thread ends when nobody can send any more. (Fields are dropped in this order.)
    _thread: Joined,
}

impl SqliteStorage {
    /// Opens a file, or creates it, with [`Durability::Full`].
    ///
    /// # Errors
    /// See [`SqliteBuilder::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StorageError> {
        Self::builder(path).open()
    }

    /// Opens a file with other settings.
    pub fn builder(path: impl AsRef<Path>) -> SqliteBuilder {
        SqliteBuilder::new(path.as_ref().to_owned())
    }

    /// Runs a closure in a transaction of its own, with the connection at hand for tables of the user's.
    ///
    /// # Errors
    /// The closure's error, after which nothing of it stays; [`StorageError::Ended`] when it ended the transaction by
    /// itself; [`StorageError::Reserved`] when it set a number of the file's header; [`StorageError::Constraint`] when a constraint
    /// of the user's own is broken at its end; or the storage's.
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
        let slot = Arc::new(Mutex::new(None));
        let inner = Arc::clone(&slot);
        let task = Task::Alone(Box::new(move |transaction| {
            let result = work(transaction);
            let verdict = if result.is_ok() { Ok(()) } else { Err(StorageError::Aborted) };
            *inner.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
            verdict
        }));
        let committed = self.run(principal, task).await;
        let result = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        super::outcome(committed, result)
    }

    /// Whether two handles are the same storage.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.handle, &other.handle)
    }

    /// Where the file is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.handle.path
    }

    async fn run(&self, principal: &Principal, task: Task) -> Result<(), StorageError> {
        let (reply, answer) = oneshot::channel();
        let job = Job { principal: principal.clone(), task, reply };
        // At once where there is room, so that work which was asked for runs even if nobody looks at this future again.
        if let Err(refused) = self.handle.jobs.try_send(job) {
            let TrySendError::Full(job) = refused else { return Err(StorageError::Closed) };
            self.handle.jobs.send(job).await.map_err(|_| StorageError::Closed)?;
        }
        self.handle.pace.answer(answer).await.unwrap_or(Err(StorageError::Closed))
    }
}

#[async_trait]
impl Storage for SqliteStorage {
    async fn transact(&self, principal: &Principal, work: Work) -> Result<(), StorageError> {
        self.run(principal, Task::Shared(work)).await
    }

    fn lock(&self) -> Result<StorageLock, StorageError> {
        if self.handle.read_only {
            return Err(StorageError::OpenedReadOnly { name: self.handle.path.display().to_string() });
        }
        self.handle.possession.take(|| self.handle.path.display().to_string())
    }
}
