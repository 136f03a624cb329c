//! Transactions of several callers as one.
//!
//! A storage lets transactions share a commit, but has to be able to undo each of them alone, and wakes each caller from
//! its own thread. What is asked for here while the storage is busy, or runs what was asked for before, becomes one transaction,
//! with one caller to wake, who wakes the others. That takes work which can be run again: when the transaction fails, each caller
//! runs its part alone, so a failure of one still costs the others nothing.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use tokio::sync::oneshot;

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
}

/// A transaction that the storage was asked for. It is open until the storage has run each part, or has dropped the request.
struct Group(Mutex<State>);

/// What asks for the transaction and tells the callers. Each of them moves it on, so that none waits for one who stopped looking.
type Lead = Shared<BoxFuture<'static, ()>>;

struct State {
    /// Held by the callers: it holds this.
    lead: Option<WeakShared<BoxFuture<'static, ()>>>,
    /// Those that were not run yet.
    parts: Vec<Box<dyn Part>>,
    /// How many there were in all.
    joined: usize,
    closed: bool,
    /// Why there was no transaction.
    error: Option<StorageError>,
}

impl Groups {
    /// Adds a part to the transaction that is open, or else to a new one. Answers what is to be waited for, unless that is over.
    fn join(&self, core: &Arc<Core>, part: Box<dyn Part>) -> (Arc<Group>, Option<Lead>) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(group) = &*open {
            let state = &mut *group.state();
            if !state.closed && state.joined < MOST {
                state.parts.push(part);
                state.joined += 1;
                return (Arc::clone(group), state.lead.as_ref().and_then(WeakShared::upgrade));
            }
        }
        let state = State { lead: None, parts: vec![part], joined: 1, closed: false, error: None };
        let group = Arc::new(Group(Mutex::new(state)));
        let lead = Arc::clone(core).lead(Arc::clone(&group)).boxed().shared();
        group.state().lead = lead.downgrade();
        *open = Some(Arc::clone(&group));
        (group, Some(lead))
    }
}

impl Group {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is to be run next. When that is nothing, nobody can join any more.
    fn next(&self) -> Vec<Box<dyn Part>> {
        let mut state = self.state();
        state.closed |= state.parts.is_empty();
        std::mem::take(&mut state.parts)
    }

    /// The error of a transaction with one part, which was that one's.
    fn own_error(&self) -> Option<StorageError> {
        let mut state = self.state();
        if state.joined == 1 { state.error.take() } else { None }
    }

    /// Lets nobody join any more, and those go who were not run.
    fn close(&self) {
        let parts = {
            let mut state = self.state();
            state.closed = true;
            std::mem::take(&mut state.parts)
        };
        drop(parts);
    }
}

/// What the storage is given. When it drops that without running it, nobody may join any more.
struct Ticket(Arc<Group>);

impl Drop for Ticket {
    fn drop(&mut self) {
        self.0.close();
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
        let (group, lead) = self.groups.join(self, part);
        if let Some(lead) = lead {
            // Others wait for it, whatever becomes of this caller.
            ToItsEnd::new(lead).await;
        }
        match (answer.await, group.own_error()) {
            (Ok(result), _) => Ok(result),
            (Err(_), Some(error)) => Err(error),
            // Undone because of somebody else's part, perhaps.
            (Err(_), None) => self.transact(move |ledger| work(ledger)).await,
        }
    }

    async fn lead(self: Arc<Self>, group: Arc<Group>) {
        let ticket = Ticket(Arc::clone(&group));
        let done = self
            .transact::<_, StorageError, _>(move |ledger| {
                let mut done = Vec::new();
                // Those who were told of the last transaction come while the first of this one are run.
                while let parts = ticket.0.next()
                    && !parts.is_empty()
                {
                    for mut part in parts {
                        part.run(ledger)?;
                        done.push(part);
                    }
                }
                Ok(done)
            })
            .await;
        match done {
            Ok(parts) => parts.into_iter().for_each(Part::tell),
            Err(error) => group.state().error = Some(error),
        }
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures::future::join_all;
    use serde::{Deserialize, Serialize};
    use tokio::sync::Semaphore;

    use super::*;
    use crate::record::Principal;
    use crate::storage::{MemoryStorage, Storage, StorageLock, Work};
    use crate::testing::ScriptedRemote;
    use crate::{Engine, OnPull, Schema, Syncable};

    #[derive(Clone, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/notes", conflict = ServerWins)]
    struct Note {
        id: String,
    }

    #[derive(Schema)]
    #[sync(entities(Note))]
    struct App;
    impl OnPull<Note> for App {}

    /// A storage that counts transactions, and runs one only when it is let.
    #[derive(Debug)]
    struct Gated {
        storage: MemoryStorage,
        gate: Semaphore,
        count: AtomicUsize,
    }

    #[async_trait::async_trait]
    impl Storage for Arc<Gated> {
        async fn transact(&self, principal: &Principal, work: Work) -> Result<(), StorageError> {
            let _permit = self.gate.acquire().await.map_err(|_| StorageError::Closed)?;
            self.count.fetch_add(1, Ordering::Relaxed);
            self.storage.transact(principal, work).await
        }

        fn lock(&self) -> Result<StorageLock, StorageError> {
            self.storage.lock()
        }
    }

    /// A core, and how many transactions something takes.
    struct Fixture {
        engine: Engine<App>,
        storage: Arc<Gated>,
    }

    impl Fixture {
        async fn new() -> Self {
            let storage = Arc::new(Gated {
                storage: MemoryStorage::new(),
                gate: Semaphore::new(1),
                count: AtomicUsize::new(0),
            });
            let building = Engine::builder(App, ScriptedRemote::new(), Arc::clone(&storage)).build();
            Self { engine: building.await.expect("it can be built"), storage }
        }

        fn note(&self, name: &'static str, result: Result<(), StorageError>) -> BoxFuture<'static, bool> {
            let (core, result) = (Arc::clone(self.engine.shared()), Arc::new(Mutex::new(Some(result))));
            Box::pin(async move {
                let work = move |ledger: &mut Ledger<'_>| {
                    ledger.tx.set_note(name, Some("written"))?;
                    // Fails the first time.
                    result.lock().expect("nobody panics").take().unwrap_or(Ok(()))
                };
                core.transact_together(work).await.is_ok()
            })
        }

        async fn written(&self, names: &[&'static str]) -> bool {
            let names = names.to_vec();
            let read = self.engine.shared().transact::<_, StorageError, _>(move |ledger| {
                names.iter().try_fold(true, |all, name| Ok(all && ledger.tx.note(name)?.is_some()))
            });
            read.await.expect("it can be read")
        }

        fn count(&self) -> usize {
            self.storage.count.swap(0, Ordering::Relaxed)
        }
    }

    #[tokio::test]
    async fn what_is_asked_for_while_the_storage_is_busy_is_one_transaction() {
        let fixture = Fixture::new().await;
        fixture.count();
        let busy = fixture.storage.gate.acquire().await.expect("it is open");
        let mut asked = join_all(["a", "b", "c"].map(|name| fixture.note(name, Ok(()))));
        assert!((&mut asked).now_or_never().is_none());
        drop(busy);
        assert_eq!(asked.await, [true; 3]);
        assert_eq!(fixture.count(), 1);
        assert!(fixture.written(&["a", "b", "c"]).await);
    }

    #[tokio::test]
    async fn what_is_asked_for_while_the_first_are_run_joins_them() {
        let fixture = Fixture::new().await;
        fixture.count();
        let later = Arc::new(Mutex::new(Some(fixture.note("later", Ok(())))));
        let (core, asks) = (Arc::clone(fixture.engine.shared()), Arc::clone(&later));
        let first = core.transact_together(move |ledger| {
            if let Some(later) = &mut *asks.lock().expect("nobody panics") {
                assert!(later.now_or_never().is_none(), "it waits for this transaction");
            }
            ledger.tx.set_note("first", Some("written"))
        });
        first.await.expect("it is written");
        let later = later.lock().expect("nobody panics").take().expect("nobody took it");
        assert!(later.await);
        assert_eq!(fixture.count(), 1);
        assert!(fixture.written(&["first", "later"]).await);
    }

    #[tokio::test]
    async fn a_caller_that_nobody_looks_at_holds_up_none_of_the_others() {
        let fixture = Fixture::new().await;
        let busy = fixture.storage.gate.acquire().await.expect("it is open");
        let mut asker = fixture.note("asker", Ok(()));
        assert!((&mut asker).now_or_never().is_none());
        let mut other = fixture.note("other", Ok(()));
        assert!((&mut other).now_or_never().is_none());
        drop(busy);
        assert_eq!(other.now_or_never(), Some(true), "though the one who asked the storage is not looked at");
        assert!(asker.await);
    }

    #[tokio::test]
    async fn a_part_that_fails_costs_the_others_nothing() {
        let fixture = Fixture::new().await;
        fixture.count();
        let busy = fixture.storage.gate.acquire().await.expect("it is open");
        let parts = [("a", Ok(())), ("b", Err(StorageError::Closed)), ("c", Ok(()))];
        let mut asked = join_all(parts.map(|(name, result)| fixture.note(name, result)));
        assert!((&mut asked).now_or_never().is_none());
        drop(busy);
        // Each is run once more, alone.
        assert_eq!(asked.await, [true; 3]);
        assert_eq!(fixture.count(), 4);
        assert!(fixture.written(&["a", "b", "c"]).await);
    }

    #[tokio::test]
    async fn what_fails_alone_is_not_tried_again() {
        let fixture = Fixture::new().await;
        fixture.count();
        assert!(!fixture.note("a", Err(StorageError::Closed)).await);
        assert_eq!(fixture.count(), 1);
        assert!(!fixture.written(&["a"]).await);
    }

    #[tokio::test]
    async fn others_do_not_wait_in_vain_for_a_caller_that_is_gone() {
        let fixture = Fixture::new().await;
        fixture.count();
        let busy = fixture.storage.gate.acquire().await.expect("it is open");
        let mut asker = fixture.note("asker", Ok(()));
        assert!((&mut asker).now_or_never().is_none());
        let mut other = fixture.note("other", Ok(()));
        assert!((&mut other).now_or_never().is_none());
        drop(asker);
        drop(busy);
        assert!(other.await);
        assert!(fixture.written(&["asker", "other"]).await, "what was asked for is done all the same");
    }
}
