//! One owner at a time: a lock on a file beside the database, which the system takes back when the process ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::storage::{StorageError, StorageLock};

/// Locks the file of a storage against other processes and other openings in this one.
pub(super) fn lock_file(path: &Path) -> Result<File, StorageError> {
    let mut name = path.as_os_str().to_owned();
    name.push("-lock");
    let beside = PathBuf::from(name);
    let open = OpenOptions::new().create(true).truncate(false).write(true).open(&beside);
    let file = open.map_err(|error| StorageError::Open {
        path: path.to_path_buf(),
        reason: format!(
            "its lock file {} cannot be made; check that the folder exists and can be written",
            beside.display()
        ),
        source: error.into(),
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StorageError::Locked { name: path.display().to_string() }),
        Err(TryLockError::Error(error)) => Err(StorageError::Open {
            path: path.to_path_buf(),
            reason: "its file system knows no locks; put the storage on a local disk".to_owned(),
            source: error.into(),
        }),
    }
}

/// Whether an engine has the storage.
#[derive(Debug, Clone, Default)]
pub(super) struct Owned(Arc<AtomicBool>);

impl Owned {
    pub(super) fn take(&self, path: &Path) -> Result<StorageLock, StorageError> {
        if self.0.swap(true, Ordering::AcqRel) {
            return Err(StorageError::Locked { name: path.display().to_string() });
        }
        Ok(StorageLock::new(Possession(self.clone())))
    }
}

/// Gives the storage free when it is dropped.
struct Possession(Owned);

impl Drop for Possession {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Release);
    }
}
