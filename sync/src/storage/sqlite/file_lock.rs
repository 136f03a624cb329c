//! One program at a time: a lock on a file beside the storage.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::location::io_error;
use crate::storage::StorageError;

/// A lock that the system takes back when the process ends, however it ends. The file stays: removing it would let two
/// programs lock two files of the same name.
#[derive(Debug)]
pub(super) struct FileLock {
    file: File,
}

impl FileLock {
    /// Locks the file at `path`; `storage` is what it stands for.
    pub(super) fn take(path: &Path, storage: &Path) -> Result<Self, StorageError> {
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(|error| io_error(storage, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { file }),
            Err(TryLockError::WouldBlock) => {
                Err(StorageError::Locked { name: storage.display().to_string() })
            }
            Err(TryLockError::Error(error)) => Err(not_lockable(storage, error)),
        }
    }
}

impl Drop for FileLock {
    /// Closing the file would do, but for a process that is just being started: it has a copy of everything that is open.
    fn drop(&mut self) {
        if let Err(error) = self.file.unlock() {
            tracing::debug!(%error, "the lock is given back when the file is closed");
        }
    }
}

fn not_lockable(storage: &Path, error: io::Error) -> StorageError {
    StorageError::Open {
        path: PathBuf::from(storage),
        reason:
            "its file system has no locks, so a second program could not be kept away; choose a local one"
                .to_owned(),
        source: error.into(),
    }
}
