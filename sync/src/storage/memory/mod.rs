//! A storage in memory.

mod account;
mod fields;
mod transaction;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use self::account::Account;
use self::transaction::MemoryTransaction;
use super::possession::Possession;
use super::{Storage, StorageError, StorageLock, Work};
use crate::record::Principal;

/// Records, queue and cursors in memory: for tests, and for programs that need nothing after their end. Clones share
/// their data, so a second engine on a clone finds what the first one left.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage {
    contents: Arc<Mutex<Contents>>,
    possession: Possession,
}

#[derive(Debug, Default)]
struct Contents {
    accounts: BTreeMap<Principal, Account>,
    /// The greatest number of any operation, whether or not it is still there.
    last_seq: u64,
}

impl MemoryStorage {
    /// An empty storage.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn transact(&self, principal: &Principal, work: Work) -> Result<(), StorageError> {
        // Nothing can poison it: what panics is caught below, and rolled back.
        let mut contents = self.contents.lock().unwrap_or_else(PoisonError::into_inner);
        let Contents { accounts, last_seq } = &mut *contents;
        let account = accounts.entry(principal.clone()).or_default();
        let mut transaction = MemoryTransaction::new(account, last_seq);
        let result = catch_unwind(AssertUnwindSafe(|| work(&mut transaction)));
        let result = result.unwrap_or(Err(StorageError::Panicked));
        if result.is_err() {
            transaction.roll_back();
        }
        result
    }

    fn lock(&self) -> Result<StorageLock, StorageError> {
        self.possession.take(|| "the storage in memory".to_owned())
    }
}
