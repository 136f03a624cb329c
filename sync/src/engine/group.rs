//! Transactions of several callers as one.
//!
//! A storage lets transactions share a commit, but has to be able to undo each of them alone, and wakes each caller from
//! its own thread. What is asked for here while the storage is busy becomes one transaction, with one caller to wake, who
//! wakes the others. That takes work which can be run again: when the transaction fails, each caller runs its part alone,
//! so a failure of one still costs the others nothing.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;
use tokio::task::yield_now;

use super::core::Core;
use super::ledger::Ledger;
use super::to_its_end::ToItsEnd;
use crate::storage::StorageError;

/// How many callers share a transaction at most, so that the first does not wait for ever.
const MOST: usize = 256;

/// One caller's part of a transaction.
trait Part: Send {
    fn run(&mut self, ledger: &mut Ledger<'_>) -> Result<(), StorageError>;

    /// Once the transaction is durable. A part that is dropped in place of this was undone, or never run.
    fn tell(self: Box<Self>);
}

struct Asked<R, F> {
    work: Arc<F>,
    result: Option<R>,
    caller: oneshot::Sender<R>,
}

impl<R, F> Part for Asked<R, F>
where
    R: Send,
    F: Fn(&mut Ledger<'_>) -> Result<R, StorageError> + Send + Sync,
{
    fn run(&mut self, ledger: &mut Ledger<'_>) -> Result<(), StorageError> {
        self.result = Some((self.work)(ledger)?);
        Ok(())
    }

    fn tell(self: Box<Self>) {
        if let Some(result) = self.result {
            // Whoever stopped waiting does not want to know.
            let _ = self.caller.send(result);
        }
    }
}

/// The transaction that can still be joined, if there is one.
#[derive(Default)]
pub(crate) struct Groups {
    open: Mutex<Option<Arc<Group>>>,
    /// Whether the last one had several parts.
    crowded: AtomicBool,
}

/// A transaction that the storage was asked for. It is open until the storage begins it, or its asker is gone.
struct Group(Mutex<State>);

enum State {
    Open(Vec<Box<dyn Part>>),
    /// With how many parts.
    Begun(usize),
}

impl Groups {
    /// Adds a part to the transaction that is open. Where there is none, the caller has to ask for the one that this answers.
    fn join(&self, part: Box<dyn Part>) -> Option<Arc<Group>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = &*open
            && let State::Open(parts) = &mut *group.state()
            && parts.len() < MOST
        {
            parts.push(part);
            return None;
        }
        let group = Arc::new(Group(Mutex::new(State::Open(vec![part]))));
        *open = Some(Arc::clone(&group));
        Some(group)
    }
}

impl Group {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the transaction to others.
    fn begin(&self) -> Vec<Box<dyn Part>> {
        let mut state = self.state();
        match &mut *state {
            State::Open(parts) => {
                let parts = std::mem::take(parts);
                *state = State::Begun(parts.len());
                parts
            }
            State::Begun(_) => Vec::new(),
        }
    }
}

/// What the storage is given. When it drops that without running it, nobody may join any more.
struct Ticket(Arc<Group>);

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.begin();
    }
}

impl Core {
    /// Runs work in one transaction with that of others who ask at the same time.
    pub(crate) async fn transact_together<R, F>(self: &Arc<Self>, work: F) -> Result<R, StorageError>
    where
        R: Send + 'static,
        F: Fn(&mut Ledger<'_>) -> Result<R, StorageError> + Send + Sync + 'static,
    {
        let work = Arc::new(work);
        let (caller, answer) = oneshot::channel();
        let part = Box::new(Asked { work: Arc::clone(&work), result: None, caller });
        if let Some(group) = self.groups.join(part) {
            let (core, led) = (Arc::clone(self), Arc::clone(&group));
            // Others wait for it, whatever becomes of this caller.
            let done = ToItsEnd::new(async move { core.lead(&led).await }).await;
            if let Err(error) = done
                && !matches!(*group.state(), State::Begun(2..))
            {
                return Err(error);
            }
        }
        match answer.await {
            Ok(result) => Ok(result),
            // Undone because of somebody else's part, perhaps.
            Err(_) => self.transact(move |ledger| work(ledger)).await,
        }
    }

    async fn lead(&self, group: &Arc<Group>) -> Result<(), StorageError> {
        let ticket = Ticket(Arc::clone(group));
        if self.groups.crowded.load(Ordering::Relaxed) {
            // Those who shared the last transaction are about to ask for the next.
            yield_now().await;
        }
        let parts = self
            .transact::<_, StorageError, _>(move |ledger| {
                let mut parts = ticket.0.begin();
                for part in &mut parts {
                    part.run(ledger)?;
                }
                Ok(parts)
            })
            .await?;
        self.groups.crowded.store(parts.len() > 1, Ordering::Relaxed);
        for part in parts {
            part.tell();
        }
        Ok(())
    }
}
