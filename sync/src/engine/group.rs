//! Transactions of several callers as one.
//!
//! A storage lets transactions share a commit, but has to be able to undo each of them alone, and wakes each caller from
//! its own thread. What is asked for here while the storage is busy, or runs what was asked for before, becomes one transaction,
//! with one caller to wake, who wakes the others.
//!
//! Work takes effect in the order in which it was asked for, whatever fails: an edit must not undo one that was made after it. So one
//! transaction is asked for at a time. When a part of it fails, the others are run once more, before anything that came later: that
//! takes work which can be run again, and a failure of one still costs the others nothing.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::thread;

use futures::FutureExt;
use futures::executor::block_on;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::yield_now;

use super::core::{Core, Kept};
use super::ledger::Ledger;
use crate::storage::StorageError;

/// How many callers share a transaction at most, so that the first does not wait for ever.
const MOST: usize = 256;

/// One caller's part of a transaction.
trait Part: Send {
    fn run(&mut self, ledger: &mut Ledger<'_>) -> Result<(), StorageError>;

    /// Once it is known what became of the last transaction in which it was run.
    fn tell(self: Box<Self>, outcome: Result<(), StorageError>);
}

struct Asked<R, F> {
    work: F,
    result: Option<R>,
    caller: oneshot::Sender<Result<R, StorageError>>,
}

impl<R, F> Part for Asked<R, F>
where
    R: Send,
    F: Fn(&mut Ledger<'_>) -> Result<R, StorageError> + Send,
{
    fn run(&mut self, ledger: &mut Ledger<'_>) -> Result<(), StorageError> {
        self.result = Some((self.work)(ledger)?);
        Ok(())
    }

    fn tell(self: Box<Self>, outcome: Result<(), StorageError>) {
        let Self { result, caller, .. } = *self;
        // Whoever stopped waiting does not want to know.
        let _ = caller.send(outcome.and_then(|()| result.ok_or(StorageError::Closed)));
    }
}

/// The group that can still be joined, if there is one.
#[derive(Default)]
pub(crate) struct Groups {
    open: Mutex<Option<Arc<Group>>>,
}

/// Those who ask while a transaction of theirs is under way. It is over when none of them is left.
#[derive(Default)]
struct Group {
    queue: Mutex<Queue>,
    under_way: Mutex<UnderWay>,
    /// What asks for the transactions and tells the callers; `None` once it is over.
    lead: Mutex<Option<BoxFuture<'static, ()>>>,
    /// A task of its own moves the lead on, and not the caller who came first: that is the quickest way where nobody else comes, but
    /// others must not wait for one who stops looking.
    is_handed_over: AtomicBool,
}

/// What the transaction that is under way consists of.
#[derive(Default)]
struct UnderWay {
    /// In the order in which they were asked for.
    parts: Vec<Box<dyn Part>>,
    /// How many of them were run and have not failed.
    done: usize,
}

#[derive(Default)]
struct Queue {
    /// Parts of no transaction yet, the oldest first.
    waiting: VecDeque<Box<dyn Part>>,
    over: bool,
}

impl Groups {
    /// Adds a part to the group that is open, or else to a new one, which is answered: its first caller moves it on.
    fn join(&self, core: &Arc<Core>, part: Box<dyn Part>) -> Option<First> {
        let mut open = held(&self.open);
        if let Some(group) = &*open {
            let mut queue = held(&group.queue);
            if !queue.over {
                queue.waiting.push_back(part);
                drop(queue);
                group.hand_over(&core.runtime, WithoutARuntime::GoesOn);
                return None;
            }
        }
        let group = Arc::new(Group::default());
        held(&group.queue).waiting.push_back(part);
        *held(&group.lead) = Some(lead(Arc::downgrade(core), Arc::clone(&group)).boxed());
        *open = Some(Arc::clone(&group));
        Some(First { group, runtime: core.runtime.clone() })
    }
}

/// The caller who came first, as long as he waits.
struct First {
    group: Arc<Group>,
    runtime: Handle,
}

impl First {
    /// Moves the group on, unless it is in other hands. Who has them is looked at behind the lock: once it is a task, that alone is to be
    /// woken.
    fn move_on(&self, context: &mut Context<'_>) {
        let mut lead = held(&self.group.lead);
        if !self.group.is_handed_over.load(Ordering::Acquire) {
            // The answer tells what came of it.
            let _ = move_on(&mut lead, context);
        }
    }
}

impl Drop for First {
    fn drop(&mut self) {
        // Others may wait, and the storage may have taken the work over.
        if !self.group.is_over() {
            self.group.hand_over(&self.runtime, WithoutARuntime::IsOver);
        }
    }
}

/// The task that moves a group on.
struct Rest {
    group: Arc<Group>,
    /// What becomes of the group where the runtime has ended before the task was begun.
    without_a_runtime: WithoutARuntime,
    is_begun: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum WithoutARuntime {
    /// Somebody asks from elsewhere, and waits with others: a thread moves them on.
    GoesOn,
    /// Nobody is left who waits.
    IsOver,
}

impl Rest {
    fn of(group: &Arc<Group>, without_a_runtime: WithoutARuntime) -> Self {
        Self { group: Arc::clone(group), without_a_runtime, is_begun: false }
    }
}

impl Future for Rest {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.is_begun = true;
        move_on(&mut held(&self.group.lead), context)
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        let group = Arc::clone(&self.group);
        let rest = move || block_on(Self::of(&group, WithoutARuntime::IsOver));
        let is_moved_on = self.without_a_runtime == WithoutARuntime::GoesOn
            && !self.is_begun
            && thread::Builder::new().name("sync-group".to_owned()).spawn(rest).is_ok();
        if !is_moved_on {
            // What has come so far with its runtime ends with it.
            self.group.close();
        }
    }
}

fn move_on(lead: &mut Option<BoxFuture<'static, ()>>, context: &mut Context<'_>) -> Poll<()> {
    if let Some(future) = lead {
        std::task::ready!(future.poll_unpin(context));
        *lead = None;
    }
    Poll::Ready(())
}

impl Group {
    /// Runs what waits, in one transaction. Those who were told of the last one come while the first of this one are run.
    fn run(&self, ledger: &mut Ledger<'_>) -> Result<(), StorageError> {
        let UnderWay { parts, done } = &mut *held(&self.under_way);
        loop {
            self.move_waiting(parts);
            if *done == parts.len() {
                return Ok(());
            }
            for part in &mut parts[*done..] {
                part.run(ledger)?;
                *done += 1;
            }
        }
    }

    /// Takes what was asked for first, as much as a transaction has room for.
    fn move_waiting(&self, parts: &mut Vec<Box<dyn Part>>) {
        let mut queue = held(&self.queue);
        let count = queue.waiting.len().min(MOST - parts.len());
        parts.extend(queue.waiting.drain(..count));
    }

    /// Tells the callers what became of the transaction.
    fn tell(&self, outcome: &Result<(), StorageError>) {
        let UnderWay { mut parts, done } = std::mem::take(&mut *held(&self.under_way));
        if outcome.is_err() && done < parts.len() {
            // That one failed, and nobody else.
            let failed = parts.remove(done);
            for part in parts.into_iter().rev() {
                held(&self.queue).waiting.push_front(part);
            }
            return failed.tell(outcome.clone());
        }
        if parts.is_empty() {
            // The storage came to none of them.
            self.move_waiting(&mut parts);
        }
        for part in parts {
            part.tell(outcome.clone());
        }
    }

    /// Whether nobody is left. Then nobody can join any more.
    fn ends(&self) -> bool {
        let mut queue = held(&self.queue);
        queue.over |= queue.waiting.is_empty();
        queue.over
    }

    fn is_over(&self) -> bool {
        held(&self.queue).over
    }

    /// Has a task move it on from now on. On the runtime of the engine, and not on that of a caller, which may be left alone as soon as
    /// he was told.
    fn hand_over(self: &Arc<Self>, runtime: &Handle, without_it: WithoutARuntime) {
        if !self.is_handed_over.swap(true, Ordering::AcqRel) {
            runtime.spawn(Rest::of(self, without_it));
        }
    }

    /// Lets nobody join any more, and those go who still wait.
    fn close(&self) {
        self.abandon();
        let lead = held(&self.lead).take();
        let under_way = std::mem::take(&mut *held(&self.under_way));
        drop((lead, under_way));
    }

    /// The same, where the lead itself says so.
    fn abandon(&self) {
        let mut queue = held(&self.queue);
        queue.over = true;
        let waiting = std::mem::take(&mut queue.waiting);
        drop(queue);
        drop(waiting);
    }
}

/// A panic is the storage's to tell of; what is behind the mutex is whole all the same.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Core {
    /// Runs work in one transaction with that of others who ask at the same time, after what was asked for before.
    pub(crate) async fn transact_together<R, F>(self: &Arc<Self>, work: F) -> Result<R, StorageError>
    where
        R: Send + 'static,
        F: Fn(&mut Ledger<'_>) -> Result<R, StorageError> + Send + 'static,
    {
        let (caller, mut answer) = oneshot::channel();
        let first = self.groups.join(self, Box::new(Asked { work, result: None, caller }));
        let answer = poll_fn(|context| {
            if let Some(first) = &first {
                first.move_on(context);
            }
            answer.poll_unpin(context)
        });
        answer.await.unwrap_or(Err(StorageError::Closed))
    }
}

/// Asks for one transaction after the other. In between, it does not keep the engine: whoever was told may drop that, and build another
/// one on its storage.
async fn lead(core: Weak<Core>, group: Arc<Group>) {
    while !group.ends() {
        let Some(core) = core.upgrade().map(|core| Kept::by_a_task(&core)) else { return group.abandon() };
        let together = Arc::clone(&group);
        let outcome = core.transact::<_, StorageError, _>(move |ledger| together.run(ledger)).await;
        drop(core);
        group.tell(&outcome);
        if group.is_handed_over.load(Ordering::Acquire) {
            // Those who were told may come again, and join. And where a storage answers at once, others are to run, too.
            yield_now().await;
        }
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use std::fmt;
    use std::future::ready;
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;

    use futures::future::join_all;
    use serde::{Deserialize, Serialize};
    use tokio::runtime::{Builder, Runtime};
    use tokio::sync::Semaphore;

    use super::*;
    use crate::record::Principal;
    use crate::storage::{MemoryStorage, Storage, StorageLock, Transaction, Work};
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
    struct Gated {
        storage: MemoryStorage,
        gate: Semaphore,
        count: AtomicUsize,
        /// Comes to pass before the next commit, which then fails.
        before_a_failure: Mutex<Option<Happening>>,
    }

    type Happening = Box<dyn FnOnce() + Send>;

    impl fmt::Debug for Gated {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Gated")
        }
    }

    #[async_trait::async_trait]
    impl Storage for Arc<Gated> {
        async fn transact(&self, principal: &Principal, work: Work) -> Result<(), StorageError> {
            let _permit = self.gate.acquire().await.map_err(|_| StorageError::Closed)?;
            self.count.fetch_add(1, Ordering::Relaxed);
            let Some(happens) = held(&self.before_a_failure).take() else {
                return self.storage.transact(principal, work).await;
            };
            let fails = Box::new(|transaction: &mut dyn Transaction| {
                work(transaction)?;
                happens();
                Err(StorageError::Closed)
            });
            self.storage.transact(principal, fails).await
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
                before_a_failure: Mutex::default(),
            });
            let building = Engine::builder(App, ScriptedRemote::new(), Arc::clone(&storage)).build();
            Self { engine: building.await.expect("it can be built"), storage }
        }

        /// Adds to what was said, and comes to this.
        fn says(&self, word: &'static str, outcome: Result<(), StorageError>) -> BoxFuture<'static, bool> {
            let core = Arc::clone(self.engine.shared());
            Box::pin(async move {
                let work = move |ledger: &mut Ledger<'_>| {
                    let said = ledger.tx.note("said")?.unwrap_or_default();
                    ledger.tx.set_note("said", Some(&(said + word)))?;
                    outcome.clone()
                };
                core.transact_together(work).await.is_ok()
            })
        }

        async fn said(&self) -> String {
            let read = self.engine.shared().transact::<_, StorageError, _>(|ledger| ledger.tx.note("said"));
            read.await.expect("it can be read").unwrap_or_default()
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
        let mut asked = join_all(["a", "b", "c"].map(|name| fixture.says(name, Ok(()))));
        assert!((&mut asked).now_or_never().is_none());
        drop(busy);
        assert_eq!(asked.await, [true; 3]);
        assert_eq!(fixture.count(), 1);
        assert_eq!(fixture.said().await, "abc");
    }

    #[tokio::test]
    async fn what_is_asked_for_while_the_first_are_run_joins_them() {
        let fixture = Fixture::new().await;
        fixture.count();
        let later = Arc::new(Mutex::new(Some(fixture.says(", later", Ok(())))));
        let (core, asks) = (Arc::clone(fixture.engine.shared()), Arc::clone(&later));
        let first = core.transact_together(move |ledger| {
            if let Some(later) = &mut *asks.lock().expect("nobody panics") {
                assert!(later.now_or_never().is_none(), "it waits for this transaction");
            }
            ledger.tx.set_note("said", Some("first"))
        });
        first.await.expect("it is written");
        let later = later.lock().expect("nobody panics").take().expect("nobody took it");
        assert!(later.await);
        assert_eq!(fixture.count(), 1);
        assert_eq!(fixture.said().await, "first, later");
    }

    #[tokio::test]
    async fn a_caller_that_nobody_looks_at_holds_up_none_of_the_others() {
        let fixture = Fixture::new().await;
        let busy = fixture.storage.gate.acquire().await.expect("it is open");
        let mut asker = fixture.says("asker", Ok(()));
        assert!((&mut asker).now_or_never().is_none());
        let mut other = fixture.says("other", Ok(()));
        assert!((&mut other).now_or_never().is_none());
        drop(busy);
        assert!(other.await, "though the one who asked the storage is not looked at");
        assert!(asker.await);
    }

    #[tokio::test]
    async fn a_part_that_fails_costs_the_others_nothing_not_even_their_turn() {
        let fixture = Fixture::new().await;
        fixture.count();
        let later = Arc::new(Mutex::new(fixture.says("d", Ok(()))));
        let (core, asks) = (Arc::clone(fixture.engine.shared()), Arc::clone(&later));
        let fails = core.transact_together(move |ledger| {
            assert!((&mut *held(&asks)).now_or_never().is_none(), "it waits for this transaction");
            ledger.tx.set_note("said", Some("b"))?;
            Err::<(), _>(StorageError::Closed)
        });
        let busy = fixture.storage.gate.acquire().await.expect("it is open");
        let (mut first, mut fails, mut last) =
            (fixture.says("a", Ok(())), pin!(fails), fixture.says("c", Ok(())));
        assert!((&mut first).now_or_never().is_none());
        assert!(fails.as_mut().now_or_never().is_none());
        assert!((&mut last).now_or_never().is_none());
        drop(busy);
        assert!(last.await, "though it is the only one that is looked at");
        let later = std::mem::replace(&mut *held(&later), Box::pin(ready(false)));
        assert!(later.await);
        assert_eq!(fixture.said().await, "acd");
        assert!(first.await && fails.await.is_err());
    }

    #[tokio::test]
    async fn a_commit_that_fails_is_told_to_everybody_and_what_comes_later_begins_anew() {
        let fixture = Fixture::new().await;
        fixture.count();
        let later = Arc::new(Mutex::new(fixture.says("c", Ok(()))));
        let asks = Arc::clone(&later);
        *held(&fixture.storage.before_a_failure) =
            Some(Box::new(move || assert!((&mut *held(&asks)).now_or_never().is_none())));
        let busy = fixture.storage.gate.acquire().await.expect("it is open");
        let mut early = join_all(["a", "b"].map(|name| fixture.says(name, Ok(()))));
        assert!((&mut early).now_or_never().is_none());
        drop(busy);
        assert_eq!(early.await, [false; 2]);
        let later = std::mem::replace(&mut *held(&later), Box::pin(ready(false)));
        assert!(later.await);
        assert_eq!(fixture.said().await, "c");
        assert_eq!(fixture.count(), 3, "two, and the look at it");
    }

    #[tokio::test]
    async fn a_storage_that_comes_to_nobodys_part_is_asked_once_for_all() {
        let fixture = Fixture::new().await;
        let busy = fixture.storage.gate.acquire().await.expect("it is open");
        let mut asked = join_all(["a", "b", "c"].map(|name| fixture.says(name, Ok(()))));
        assert!((&mut asked).now_or_never().is_none());
        fixture.storage.gate.close();
        drop(busy);
        assert_eq!(asked.await, [false; 3]);
    }

    #[tokio::test]
    async fn whoever_was_told_may_build_another_engine_at_once() {
        let fixture = Fixture::new().await;
        let asked = join_all(["a", "b", "c"].map(|name| fixture.says(name, Ok(()))));
        assert_eq!(asked.await, [true; 3]);
        let Fixture { engine, storage } = fixture;
        drop(engine);
        let building = Engine::builder(App, ScriptedRemote::new(), storage).build();
        building.await.expect("nobody has the storage any more");
    }

    #[tokio::test]
    async fn what_fails_alone_is_not_tried_again() {
        let fixture = Fixture::new().await;
        fixture.count();
        assert!(!fixture.says("a", Err(StorageError::Closed)).await);
        assert_eq!(fixture.count(), 1);
        assert_eq!(fixture.said().await, "");
    }

    /// Edits each of which has the next one made while it is written.
    struct Chain {
        core: Arc<Core>,
        asked: Mutex<Vec<BoxFuture<'static, Result<(), StorageError>>>>,
    }

    impl Chain {
        const ENDS: usize = 20_000;

        fn goes_on(self: &Arc<Self>) {
            let (core, chain) = (Arc::clone(&self.core), Arc::clone(self));
            let work = move |_: &mut Ledger<'_>| {
                chain.goes_on();
                Ok(())
            };
            let mut next: BoxFuture<'static, _> = Box::pin(async move { core.transact_together(work).await });
            let asked = held(&self.asked).len();
            if asked < Self::ENDS && (&mut next).now_or_never().is_none() {
                held(&self.asked).push(next);
            }
        }
    }

    #[tokio::test]
    async fn whoever_is_told_goes_on_though_others_come_without_end() {
        let fixture = Fixture::new().await;
        let core = Arc::clone(fixture.engine.shared());
        let chain = Arc::new(Chain { core: Arc::clone(&core), asked: Mutex::default() });
        let first = Arc::clone(&chain);
        let work = move |_: &mut Ledger<'_>| {
            first.goes_on();
            Ok(())
        };
        core.transact_together(work).await.expect("it is written");
        assert!(held(&chain.asked).len() < Chain::ENDS, "all of them were waited for");
        // The rest of them hold the chain, and the chain them.
        let left = std::mem::take(&mut *held(&chain.asked));
        drop(left);
    }

    /// A fixture whose engine is at home on a runtime of its own.
    fn at_home() -> (Runtime, Fixture) {
        let home = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let home = home.expect("there is room for a thread");
        let fixture = home.block_on(Fixture::new());
        (home, fixture)
    }

    #[test]
    fn what_is_asked_for_once_the_runtime_has_ended_is_told_as_it_went() {
        let (home, fixture) = at_home();
        drop(home);
        let busy = fixture.storage.gate.try_acquire().expect("nobody else asks");
        let mut asked = join_all(["a", "b", "c"].map(|word| fixture.says(word, Ok(()))));
        assert!((&mut asked).now_or_never().is_none());
        drop(busy);
        assert_eq!(block_on(asked), [true; 3]);
        assert_eq!(block_on(fixture.said()), "abc");
    }

    /// They ask from within each other's work.
    #[test]
    fn those_who_join_while_the_first_are_run_are_told_as_it_went_without_a_runtime() {
        let (home, fixture) = at_home();
        drop(home);
        let later = Arc::new(Mutex::new(Some(fixture.says(", later", Ok(())))));
        let (core, asks) = (Arc::clone(fixture.engine.shared()), Arc::clone(&later));
        let first = core.transact_together(move |ledger| {
            if let Some(later) = &mut *held(&asks) {
                assert!(later.now_or_never().is_none(), "it waits for this transaction");
            }
            ledger.tx.set_note("said", Some("first"))
        });
        block_on(first).expect("it is written");
        let later = held(&later).take().expect("nobody took it");
        assert!(block_on(later));
        assert_eq!(block_on(fixture.said()), "first, later");
    }

    #[tokio::test]
    async fn others_do_not_wait_in_vain_for_a_caller_that_is_gone() {
        let fixture = Fixture::new().await;
        fixture.count();
        let busy = fixture.storage.gate.acquire().await.expect("it is open");
        let mut asker = fixture.says("asker", Ok(()));
        assert!((&mut asker).now_or_never().is_none());
        let mut other = fixture.says(", other", Ok(()));
        assert!((&mut other).now_or_never().is_none());
        drop(asker);
        drop(busy);
        assert!(other.await);
        assert_eq!(fixture.said().await, "asker, other", "what was asked for is done all the same");
    }
}
