//! The engine, as the application sees it.

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::builder::EngineBuilder;
use super::entity::{Facts, name_of};
use super::parked::{SyncState, state};
use crate::connectivity;
use crate::engine::core::Core;
use crate::engine::driver::drive;
use crate::engine::inbox::{Inbox, Pulls, Wanted};
use crate::engine::kept;
use crate::engine::receipt::{Receipt, Receipts};
use crate::engine::settings::AutoSync;
use crate::engine::to_its_end::{ToItsEnd, by_itself};
use crate::entity::{EntityOf, Schema, Syncable};
use crate::error::Error;
use crate::record::{Edit, Payload, RecordRef};
use crate::remote::Remote;
use crate::report::SyncReport;
use crate::status::Status;
use crate::storage::{SetAside, Storage};
use crate::telemetry::Events;

/// How long [`Engine::shutdown`] waits for the requests in flight.
const SHUTDOWN: Duration = Duration::from_secs(10);

/// What is being written when the deadline is over gets so long at least.
const WRITING: Duration = Duration::from_secs(1);

/// Keeps a durable queue of local edits for each entity of the schema `S`, and syncs it with a server.
///
/// Cheap to clone; all clones are the same engine, and dropping the last one stops everything. What was pushed is in
/// the storage, and the next engine goes on with it.
///
/// ```no_run
/// # use serde::{Deserialize, Serialize};
/// # use sync::{BoxError, MemoryStorage, OnPull, Pulled, Remote, Schema, Syncable};
/// use sync::Engine;
/// # #[derive(Clone, Serialize, Deserialize, Syncable)]
/// # #[sync(endpoint = "/notes", conflict = ServerWins)]
/// # struct Note { id: String }
/// # #[derive(Schema)]
/// # #[sync(entities(Note))]
/// # struct App;
/// # impl OnPull<Note> for App {}
/// # async fn example(remote: impl Remote, note: Note) -> Result<(), Box<dyn std::error::Error>> {
/// let engine = Engine::builder(App, remote, MemoryStorage::new()).build().await?;
/// let receipt = engine.push(&note).await?; // durable when this returns, online or not
/// let report = engine.full_sync().await?;  // push, then pull
/// receipt.synced().await?;                 // the server has it
/// # Ok(()) }
/// ```
pub struct Engine<S> {
    inner: Arc<Inner>,
    schema: PhantomData<fn() -> S>,
}

/// What the last clone of an engine takes with it.
struct Inner {
    core: Arc<Core>,
    inbox: Arc<Inbox>,
    driver: Mutex<Option<JoinHandle<()>>>,
    /// Somebody counts on the background.
    is_started: AtomicBool,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.inbox.close();
        let driver = self.driver.get_mut().unwrap_or_else(PoisonError::into_inner);
        // A `shutdown` has taken it.
        if let Some(driver) = driver.take() {
            driver.abort();
            if *self.is_started.get_mut() {
                say_that_it_is_over(self.core.status.borrow().queue_len);
            }
        }
    }
}

/// Whoever dropped the last clone may have meant the background to go on.
fn say_that_it_is_over(waiting: u64) {
    match waiting {
        0 => tracing::info!("the last handle of the engine was dropped, so that nothing is synced any more"),
        waiting => tracing::warn!(
            waiting,
            "the last handle of the engine was dropped, so that nothing is synced any more: what waits in the storage is sent by the next \
             engine; keep a clone for as long as it is to sync, and `shutdown` it at the end"
        ),
    }
}

impl<S> Clone for Engine<S> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), schema: PhantomData }
    }
}

impl<S> fmt::Debug for Engine<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not the whole status: its last error may quote the server, and that the record or the credentials.
        let state = self.inner.core.status.borrow().state;
        f.debug_struct("Engine").field("state", &state).finish_non_exhaustive()
    }
}

/// What [`Engine::push_as`] asks of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Create the record.
    Create,
    /// Update the record, as one that the server has.
    Update,
    /// Delete the record.
    Delete,
}

/// What a typed call of the engine gives. Nothing happens before it is awaited.
///
/// It does not name the entity's type, so that a type which is no entity is one error at the call, and so that the code
/// behind it is compiled once and not for each entity.
pub type Pending<'a, R> = BoxFuture<'a, Result<R, Error>>;

impl<S: Schema> Engine<S> {
    /// Builds an engine out of the schema with the handlers, a server and a storage.
    pub fn builder(schema: S, remote: impl Remote, storage: impl Storage) -> EngineBuilder<S> {
        EngineBuilder::new(schema, Arc::new(remote), Arc::new(storage))
    }

    pub(super) fn start_driver(core: Core) -> Self {
        let (core, inbox) = (Arc::new(core), Arc::<Inbox>::default());
        let online = connectivity::changes(core.online.clone());
        let driver = tokio::spawn(drive(Arc::downgrade(&core), Arc::clone(&inbox), online));
        let inner =
            Inner { core, inbox, driver: Mutex::new(Some(driver)), is_started: AtomicBool::new(false) };
        Self { inner: Arc::new(inner), schema: PhantomData }
    }

    pub(super) fn core(&self) -> &Core {
        &self.inner.core
    }

    pub(crate) fn shared(&self) -> &Arc<Core> {
        &self.inner.core
    }

    // --- edits ---

    /// Takes a record into the queue: as an update when the server is known to have it or it is queued already, as a
    /// creation otherwise. Durable when this returns, online or not.
    ///
    /// # Errors
    /// Nothing is queued then.
    /// - [`Error::Id`]: the id cannot name a record; [`Error::Reference`]: nor can that of a record which this one refers to;
    /// - [`Error::Encode`]: the record cannot be written as JSON;
    /// - [`Error::Storage`]: the storage fails;
    /// - [`Error::ShutDown`]: the engine was shut down.
    pub fn push<T: EntityOf<S>>(&self, record: &T) -> Pending<'_, Receipt> {
        self.take_one(edit(record, Edit::Save))
    }

    /// Takes a record into the queue as an operation of the caller's choice. What was never sent of it is still
    /// replaced.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_as<T: EntityOf<S>>(&self, record: &T, operation: Operation) -> Pending<'_, Receipt> {
        self.take_one(match operation {
            Operation::Create => edit(record, Edit::Create),
            Operation::Update => edit(record, Edit::Update),
            Operation::Delete => name_of::<T>(record.id()).map(|name| (name, Edit::Delete)),
        })
    }

    /// Takes many records into the queue in one durable commit: all of them or none.
    ///
    /// # Errors
    /// As [`push`](Self::push); the first mistake refuses all.
    pub fn push_all<T: EntityOf<S>>(&self, records: &[T]) -> Pending<'_, Vec<Receipt>> {
        let edits = records.iter().map(|record| edit(record, Edit::Save)).collect::<Result<_, _>>();
        Box::pin(async move { self.take(edits?).await })
    }

    /// Takes a deletion into the queue. What was never sent of the record is taken back.
    ///
    /// # Errors
    /// [`Error::Id`] when the id cannot name a record, [`Error::Storage`] when the storage fails, [`Error::ShutDown`] when the engine was
    /// shut down. Nothing is queued then.
    pub fn delete<T: EntityOf<S>>(&self, id: &T::Id) -> Pending<'_, Receipt> {
        self.take_one(name_of::<T>(id).map(|name| (name, Edit::Delete)))
    }

    fn take_one(&self, edit: Result<(RecordRef, Edit), Error>) -> Pending<'_, Receipt> {
        Box::pin(async move { self.take(vec![edit?]).await?.pop().ok_or(Error::ShutDown) })
    }

    async fn take(&self, edits: Vec<(RecordRef, Edit)>) -> Result<Vec<Receipt>, Error> {
        self.change(|core| async move { core.push(edits).await }).await
    }

    /// Changes the queue: to the end, whether anybody waits for it or not, and the background hears of it.
    pub(super) fn change<R, E, F>(&self, work: impl FnOnce(Arc<Core>) -> F) -> ToItsEnd<Result<R, E>>
    where
        R: Send + 'static,
        E: From<Error> + Send + 'static,
        F: Future<Output = Result<R, E>> + Send + 'static,
    {
        ToItsEnd::new(self.core(), self.changing(work))
    }

    /// The same for what takes a turn as a handler: by itself, since every sync waits for whoever has that, or comes to have it.
    pub(super) async fn decide<R, F>(&self, work: impl FnOnce(Arc<Core>) -> F) -> Result<R, Error>
    where
        R: Send + 'static,
        F: Future<Output = Result<R, Error>> + Send + 'static,
    {
        // Here, so that a handler hears of it at once: it may hold the thread that the task would run on.
        self.core().id.outside_of_handlers()?;
        by_itself(self.core(), self.changing(work)).await
    }

    fn changing<R, E, F>(
        &self,
        work: impl FnOnce(Arc<Core>) -> F,
    ) -> impl Future<Output = Result<R, E>> + Send + 'static
    where
        R: Send + 'static,
        E: From<Error> + Send + 'static,
        F: Future<Output = Result<R, E>> + Send + 'static,
    {
        let (core, inbox) = (Arc::clone(&self.inner.core), Arc::clone(&self.inner.inbox));
        let work = work(Arc::clone(&core));
        async move {
            if core.is_closing() {
                return Err(Error::ShutDown.into());
            }
            let result = work.await;
            // What failed may have changed something before that.
            inbox.pushed();
            core.look_for_the_oldest().await;
            result
        }
    }

    // --- syncs ---

    /// Sends what waits and is due by now. What the server does not take for the time being is left to the next flush.
    ///
    /// Called by hand, it does not wait for the back-off of the whole engine (what a single record waits for, it does: see
    /// [`sync_state`](Self::sync_state)): in [`State::Offline`](crate::State::Offline) and
    /// [`State::Unauthorized`](crate::State::Unauthorized) the server is tried at once. In two cases nothing is sent, and the report says
    /// so: while the server has asked to be left alone ([`State::Paused`](crate::State::Paused),
    /// [`SyncError::Throttled`](crate::SyncError::Throttled)), and while the [`Connectivity`](crate::Connectivity) says that the device is
    /// offline ([`SyncError::Offline`](crate::SyncError::Offline)). The same holds for [`pull`](Self::pull),
    /// [`pull_only`](Self::pull_only) and [`full_sync`](Self::full_sync).
    ///
    /// After the struct of a replica has changed, updates wait until its records were pulled anew ([`Syncable::VERSION`]): a flush that is to
    /// send one does that first.
    ///
    /// # Errors
    /// What goes wrong with the server is in the report, and no error.
    /// - [`Error::Storage`]: the storage fails. What was done by then stays done, and
    ///   [`SyncEvent::SyncComplete`](crate::SyncEvent::SyncComplete) has the report of it.
    /// - [`Error::InHandler`]: a handler or strategy of this engine called it, and would wait for itself.
    /// - [`Error::ShutDown`]: the engine was shut down, perhaps while the sync ran.
    pub async fn flush(&self) -> Result<SyncReport, Error> {
        self.sync(true, Pulls::Nothing).await
    }

    /// Pulls every entity, in the order of the schema.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub async fn pull(&self) -> Result<SyncReport, Error> {
        self.sync(false, Pulls::Everything).await
    }

    /// Pulls one entity.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    #[must_use = "nothing happens before it is awaited"]
    pub fn pull_only<T: EntityOf<S>>(&self) -> Pending<'_, SyncReport> {
        let pulls = Pulls::These([T::INFO.name].into());
        Box::pin(self.sync(false, pulls))
    }

    /// Sends what waits, then pulls every entity, then sends what the pull decided in this device's favour.
    ///
    /// # Errors
    /// As [`flush`](Self::flush).
    pub async fn full_sync(&self) -> Result<SyncReport, Error> {
        self.sync(true, Pulls::Everything).await
    }

    async fn sync(&self, flush: bool, pull: Pulls) -> Result<SyncReport, Error> {
        self.core().id.outside_of_handlers()?;
        self.inner.inbox.ask(Wanted { flush, pull, by_hand: true }).await
    }

    // --- what waits ---

    /// How many records have edits that wait to be sent. Parked ones are not among them.
    #[must_use]
    pub fn queue_len(&self) -> u64 {
        self.core().tally().total().waiting
    }

    /// How many records of one entity have edits that wait to be sent.
    #[must_use]
    pub fn queue_len_of<T: EntityOf<S>>(&self) -> u64 {
        self.core().tally().of(T::INFO.name).waiting
    }

    /// Whether an edit of this record has not reached the server yet, parked ones included.
    ///
    /// # Errors
    /// When the id cannot name a record, or the storage fails.
    pub async fn is_pending<T: EntityOf<S>>(&self, id: &T::Id) -> Result<bool, Error> {
        let name = name_of::<T>(id)?;
        // Nothing of it has to be brought up to date for that.
        self.core()
            .transact(move |ledger| Ok(ledger.tx.record(&name)?.unwrap_or_default().is_pending()))
            .await
    }

    /// Where a record stands, and what it waits for.
    ///
    /// # Errors
    /// When the id cannot name a record, or the storage fails.
    pub async fn sync_state<T: EntityOf<S>>(&self, id: &T::Id) -> Result<SyncState, Error> {
        let name = name_of::<T>(id)?;
        self.core()
            .transact(move |ledger| {
                let record = ledger.tx.record(&name)?.unwrap_or_default();
                let blocker = kept::blocker(ledger, &record)?;
                Ok(state(&record, blocker.as_ref()))
            })
            .await
    }

    /// How the engine is doing.
    #[must_use]
    pub fn status(&self) -> Status {
        self.core().status.borrow().clone()
    }

    /// How the engine is doing, now and whenever that changes.
    #[must_use]
    pub fn watch_status(&self) -> watch::Receiver<Status> {
        self.core().status.subscribe()
    }

    /// What happens from now on.
    #[must_use]
    pub fn events(&self) -> Events {
        self.core().announcer.subscribe()
    }

    /// The items of an entity that were pulled and could not be read, the oldest 1,000 of them. One with an id is kept until a version
    /// comes that can be read; of those without, the newest [`KEYLESS_ASIDE`](crate::storage::KEYLESS_ASIDE) are.
    ///
    /// # Errors
    /// When the storage fails.
    pub async fn set_aside<T: EntityOf<S>>(&self) -> Result<Vec<SetAside>, Error> {
        self.core().transact(|ledger| Ok(ledger.tx.items_aside(&T::INFO.entity_name(), 1000)?)).await
    }

    // --- background ---

    /// Syncs in the background from now on: soon after a push, at each due retry, when the device comes online, and on
    /// an interval; and listens for what the server tells. Called again, it changes the settings.
    ///
    /// It goes on for as long as a clone of the engine lives: keep one. With the last clone, everything stops, and the log
    /// says so.
    pub fn start(&self, auto: AutoSync) {
        self.inner.is_started.store(true, Ordering::Relaxed);
        self.inner.inbox.start(auto);
    }

    /// Finishes the requests in flight, for at most 10 seconds, and stops. From then on, whatever syncs or changes something fails
    /// with [`Error::ShutDown`], on any clone; the queue and replicas can still be read. Who waits for a receipt is told
    /// [`NotSynced::Closed`](crate::NotSynced::Closed). The storage is free for another engine once the last clone is dropped, too.
    ///
    /// Called by a handler of this engine, it waits for nothing: the engine stops after the handler.
    pub async fn shutdown(&self) {
        self.shutdown_within(SHUTDOWN).await;
    }

    /// Finishes the requests in flight, for at most the given time, and stops; what is being written by then gets a second more, and
    /// so does a handler that holds its thread, where the runtime has another one: it is left to itself then. Only the first call waits; when that is dropped, the deadline is over. What is cut short is durable, and is sent again by the next engine under the same idempotency key.
    pub async fn shutdown_within(&self, deadline: Duration) {
        self.core().closing.send_replace(true);
        self.inner.inbox.close();
        if self.core().id.is_in_a_handler() {
            return;
        }
        let driver = self.inner.driver.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(driver) = driver else { return };
        let mut ending = Ending { driver, receipts: &self.core().receipts };
        let began = Instant::now();
        let mut is_over = self.at_most(deadline, &mut ending.driver).await.is_some();
        if !is_over {
            ending.driver.abort();
            // It ends at its next await, and so does each attempt; an outcome that is being written down is written to its end. A handler
            // that holds its thread comes to no await, and may wait for who has called this.
            is_over = self.at_most(WRITING, &mut ending.driver).await.is_some();
        }
        let left = deadline.saturating_sub(began.elapsed()).max(WRITING);
        let is_let_go = self.at_most(left, self.core().kept_by.closed()).await.is_some();
        if !is_over || !is_let_go {
            tracing::warn!(
                "the engine has stopped, but a handler or the storage keeps it, and with that the lock on the storage"
            );
        }
    }

    /// Waits by the clock of the engine's runtime: who calls may be outside of any.
    async fn at_most<T>(&self, time: Duration, what: impl Future<Output = T>) -> Option<T> {
        let waited = {
            let _entered = self.core().runtime.enter();
            tokio::time::timeout(time, what)
        };
        waited.await.ok()
    }
}

/// A driver that is to end, whether anybody waits for that or not.
struct Ending<'a> {
    driver: JoinHandle<()>,
    receipts: &'a Receipts,
}

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.driver.abort();
        self.receipts.close();
    }
}

/// Turns a record into an edit.
pub(crate) fn edit<T: Syncable>(
    record: &T,
    make: fn(Payload, Vec<RecordRef>) -> Edit,
) -> Result<(RecordRef, Edit), Error> {
    let name = name_of::<T>(record.id())?;
    let payload = Payload::encode(record)
        .map_err(|source| Error::Encode { record: name.clone(), source: Arc::new(source) })?
        .of_version(T::VERSION);
    let references =
        record.references().map_err(|source| Error::Reference { record: name.clone(), source })?;
    Ok((name, make(payload, references)))
}
