//! A storage in memory whose next transactions go as a script says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use sync::record::Principal;
use sync::storage::{StorageLock, Work};
use sync::{MemoryStorage, Storage, StorageError};
use tokio::sync::Notify;

/// What becomes of one transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Runs,
    /// The disk is full.
    Fails,
    /// It is durable, and who asked for it hears so only after the interlude.
    RunsBefore,
    /// It is asked for before the interlude, and fails after it.
    FailsAfter,
}

/// Clones are the same storage. Transactions behind the end of the script run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Staged {
    storage: MemoryStorage,
    script: Arc<Mutex<VecDeque<Step>>>,
    begins: Arc<Notify>,
    over: Arc<Notify>,
}

impl Staged {
    /// The next transactions, from now on.
    pub(crate) fn play(&self, steps: impl IntoIterator<Item = Step>) {
        *self.script.lock().unwrap() = steps.into_iter().collect();
    }

    /// Lets something happen when the script comes to its interlude.
    pub(crate) async fn interlude(&self, happens: impl Future<Output = ()>) {
        self.begins.notified().await;
        happens.await;
        self.over.notify_one();
    }

    async fn wait(&self) {
        self.begins.notify_one();
        self.over.notified().await;
    }
}

#[async_trait]
impl Storage for Staged {
    async fn transact(&self, principal: &Principal, work: Work) -> Result<(), StorageError> {
        let step = self.script.lock().unwrap().pop_front().unwrap_or(Step::Runs);
        if step == Step::FailsAfter {
            self.wait().await;
        }
        if matches!(step, Step::Fails | Step::FailsAfter) {
            return Err(StorageError::Full { name: "this test".to_owned(), source: "no room".into() });
        }
        let result = self.storage.transact(principal, work).await;
        if step == Step::RunsBefore {
            self.wait().await;
        }
        result
    }

    fn lock(&self) -> Result<StorageLock, StorageError> {
        self.storage.lock()
    }
}
