//! One engine at a time: the mark that a storage's handles share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{StorageError, StorageLock};

/// Whether an engine has the storage. Clones share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Possession(Arc<AtomicBool>);

impl Possession {
    /// Takes the storage, until the answer is dropped.
    pub(super) fn take(&self, name: impl FnOnce() -> String) -> Result<StorageLock, StorageError> {
        if self.0.swap(true, Ordering::AcqRel) {
            return Err(StorageError::Locked { name: name() });
        }
        Ok(StorageLock::new(Release(Arc::clone(&self.0))))
    }
}

struct Release(Arc<AtomicBool>);

impl Drop for Release {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
