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
        match system::try_lock(&file) {
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
        if let Err(error) = system::unlock(&self.file) {
            tracing::debug!(%error, "the lock is given back when the file is closed");
        }
    }
}

fn not_lockable(storage: &Path, error: io::Error) -> StorageError {
    StorageError::Open {
        path: PathBuf::from(storage),
        reason:
            "it cannot be locked, so a second program could not be kept away; choose a file on a local disk"
                .to_owned(),
        source: error.into(),
    }
}

/// The lock of the standard library, which has none on Android before Rust 1.98 (rust-lang/rust#148325). That of Linux is the same call,
/// and is made in the same way here, so that it is tested.
#[cfg(any(target_os = "android", target_os = "linux"))]
mod system {
    use std::fs::{File, TryLockError};
    use std::io;

    use rustix::fs::{FlockOperation, flock};
    use rustix::io::Errno;

    pub(super) fn try_lock(file: &File) -> Result<(), TryLockError> {
        flock(file, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            Errno::WOULDBLOCK => TryLockError::WouldBlock,
            error => TryLockError::Error(error.into()),
        })
    }

    pub(super) fn unlock(file: &File) -> io::Result<()> {
        Ok(flock(file, FlockOperation::Unlock)?)
    }
}

#[cfg(not(any(target_os = "android", target_os = "linux")))]
mod system {
    use std::fs::{File, TryLockError};
    use std::io;

    pub(super) fn try_lock(file: &File) -> Result<(), TryLockError> {
        file.try_lock()
    }

    pub(super) fn unlock(file: &File) -> io::Result<()> {
        file.unlock()
    }
}
