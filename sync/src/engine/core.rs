//! What the parts of an engine share: the storage, the remote, the entities, and how it is doing.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};

use super::entities::Entities;
use super::group::Groups;
use super::held;
use super::ledger::{Changes, Ledger, Tally};
use super::notes;
use super::pause::{self, Pause, PauseReason};
use super::port::EntityPort;
use super::receipt::{Fate, Receipts};
use super::reconcile::{Consequence, NewlyParked};
use super::settings::{Settings, after};
use super::showing::Showing;
use super::suspects::Suspects;
use super::turn::EngineId;
use super::watches::Watches;
use crate::clock::{Chance, Clock};
use crate::connectivity::Connectivity;
use crate::error::{Logged, SyncError};
use crate::record::{Principal, RecordRef, Rounds, Stamp};
use crate::remote::{Remote, RemoteError};
use crate::report::SyncReport;
use crate::status::{State, Status};
use crate::storage::{self, Storage, StorageError, StorageLock};
use crate::telemetry::{Announcer, SyncEvent};

/// As many failures as make the back-off long enough for a person.
const PATIENT: u32 = 5;

/// Everything that pushes, pulls and the background share.
pub(crate) struct Core {
    pub(crate) id: EngineId,
    /// Where the engine was built and its driver runs. Calls may come from others, and from outside of any.
    pub(crate) runtime: Handle,
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) groups: Groups,
    pub(crate) remote: Arc<dyn Remote>,
    pub(crate) entities: Arc<Entities>,
    pub(crate) principal: Principal,
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) chance: Arc<Chance>,
    pub(crate) receipts: Arc<Receipts>,
    pub(crate) announcer: Announcer,
    pub(crate) online: watch::Receiver<bool>,
    /// Kept alive for `online`.
    #[expect(dead_code, reason = "the channel closes when its connectivity is dropped")]
    pub(crate) connectivity: Arc<dyn Connectivity>,
    /// One call of the user's handlers at a time: its one permit is held while a handler runs.
    pub(crate) handlers: Semaphore,
    /// What the application may be told of by the one whose turn it is.
    pub(crate) showing: Arc<Showing>,
    pub(crate) status: watch::Sender<Status>,
    /// What waited longest does not any more.
    pub(crate) is_oldest_in_doubt: AtomicBool,
    pub(crate) seq: Arc<AtomicU64>,
    pub(crate) tally: Mutex<Tally>,
    pub(crate) watches: Arc<Watches>,
    pub(crate) pause: Arc<watch::Sender<Option<Pause>>>,
    pub(crate) suspects: Suspects,
    /// Grows whenever edits are given up: what was claimed before is looked at again before it is sent.
    pub(crate) given_up: Arc<AtomicU64>,
    /// As many receivers as there are tasks that keep the engine, and with it the storage, apart from its driver.
    pub(crate) kept_by: watch::Sender<()>,
    /// True once the engine is shutting down: nothing new is begun.
    pub(crate) closing: watch::Sender<bool>,
    #[expect(dead_code, reason = "held for its Drop")]
    pub(crate) lock: StorageLock,
}

impl Core {
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    pub(crate) fn stamper(&self) -> Stamper {
        Stamper {
            seq: Arc::clone(&self.seq),
            chance: Arc::clone(&self.chance),
            now: self.now(),
            rounds: Rounds { limit: self.settings.conflict_rounds, later: self.retry_at(2) },
        }
    }

    pub(crate) fn port(&self, entity: &str) -> Option<&Arc<dyn EntityPort>> {
        self.entities.port(entity)
    }

    pub(crate) fn is_closing(&self) -> bool {
        *self.closing.borrow()
    }

    /// Runs a transaction over the ledger, and counts what it changed once it is durable.
    pub(crate) async fn transact<R, E, F>(&self, work: F) -> Result<R, E>
    where
        R: Send + 'static,
        E: From<StorageError> + Send + 'static,
        F: FnOnce(&mut Ledger<'_>) -> Result<R, E> + Send + 'static,
    {
        let entities = Arc::clone(&self.entities);
        let everybody = Principal::default();
        let principal = if planted!(EverybodysQueue) { &everybody } else { &self.principal };
        let (result, changes) = storage::transact(&*self.storage, principal, move |tx| {
            let mut ledger = Ledger::new(tx, &entities);
            let result = work(&mut ledger)?;
            Ok::<_, E>((result, ledger.into_changes()))
        })
        .await?;
        self.count(&changes);
        Ok(result)
    }

    /// Applies what a durable transaction changed.
    pub(crate) fn count(&self, changes: &Changes) {
        self.tally().apply(changes);
        changes.held.iter().for_each(|entity| held::wait(&self.entities, entity));
        self.watches.tell(&changes.touched);
        self.watches.tell_all(&changes.freed);
        self.status.send_if_modified(|status| {
            // Here, so that nobody writes an older total over a newer one.
            let total = self.tally().total();
            let changed = status.queue_len != total.waiting || status.parked != total.parked;
            status.queue_len = total.waiting;
            status.parked = total.parked;
            let known = status.oldest_pending;
            let ended = changes.oldest_ended.is_some_and(|ended| known.is_none_or(|known| ended <= known));
            if ended {
                self.is_oldest_in_doubt.store(true, Ordering::Relaxed);
            }
            let oldest = known.into_iter().chain(changes.oldest_begun).min();
            status.oldest_pending = oldest.filter(|_| total.waiting > 0);
            changed || status.oldest_pending != known
        });
    }

    /// Finds out since when something waits, where what waited longest does not any more. A sync does so at its end.
    pub(crate) async fn look_for_the_oldest(&self) {
        let is_syncing = self.status.borrow().state == State::Syncing;
        if is_syncing || !self.is_oldest_in_doubt.swap(false, Ordering::Relaxed) {
            return;
        }
        #[expect(clippy::redundant_closure_for_method_calls, reason = "the method is of one lifetime")]
        let oldest = self.transact::<_, StorageError, _>(|ledger| ledger.oldest_made_at()).await;
        match oldest {
            Ok(oldest) => self.status.send_modify(|status| set_oldest(status, oldest)),
            Err(error) => {
                tracing::debug!(%error, "since when something waits is not known before the next sync");
            }
        }
    }

    pub(crate) fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the status right after a run: what is oldest, and when the next attempt is due.
    pub(crate) async fn refresh_status(
        &self,
        held_by: Option<PauseReason>,
        tried: &Tried,
    ) -> Result<(), StorageError> {
        self.is_oldest_in_doubt.store(false, Ordering::Relaxed);
        let read = self
            .transact::<_, StorageError, _>(|ledger| Ok((ledger.oldest_made_at()?, ledger.tx.next_due()?)))
            .await;
        let now = self.now();
        let pause = self.holding_pause(now);
        // What the server asked for may be over by now, or have been asked for since.
        let throttled = pause.filter(|pause| pause.throttles(now)).map(|pause| pause.reason);
        let held_by = held_by.filter(|reason| *reason != PauseReason::Throttled).or(throttled);
        self.status.send_modify(|status| {
            if let Ok((oldest, due)) = read {
                set_oldest(status, oldest);
                status.next_attempt_at = match (due, pause.map(|pause| pause.until)) {
                    (Some(due), Some(pause)) => Some(due.max(pause)),
                    (due, pause) => pause.or(due),
                };
            }
            match tried {
                Tried::Well => {
                    status.last_sync_at = Some(now);
                    // An operation that waits for its next attempt went no better for that there was none in this sync.
                    let none_is_due = matches!(read, Ok((_, None)));
                    status.last_error.take_if(|error| none_is_due || !error.is_about_an_edit());
                }
                Tried::InVain(error) => status.last_error = Some(Arc::clone(error)),
                Tried::Nothing => {}
            }
            status.state = resting(held_by, status);
        });
        self.announce_status();
        // Whoever found it in doubt since then left it to the sync that was running.
        self.look_for_the_oldest().await;
        read.map(drop)
    }

    pub(crate) fn announce_status(&self) {
        self.announcer.announce(SyncEvent::Status(self.status.borrow().clone()));
    }

    /// Why no sync would be begun now.
    pub(crate) fn held_by(&self) -> Option<PauseReason> {
        if !*self.online.borrow() {
            return Some(PauseReason::Offline);
        }
        self.holding_pause(self.now()).map(|pause| pause.reason)
    }

    /// What went wrong with a record's edits is shown no more: they were given up.
    pub(crate) fn forgive(&self, record: &RecordRef) {
        let held_by = self.held_by();
        let is_shown = self.status.send_if_modified(|status| {
            let is_about_them = |error: &mut Arc<SyncError>| error.record_of_an_edit() == Some(record);
            let is_over = status.last_error.take_if(is_about_them).is_some();
            // A sync that runs says at its end how the engine is doing.
            if is_over && status.state != State::Syncing {
                status.state = resting(held_by, status);
            }
            is_over
        });
        if is_shown {
            self.announce_status();
        }
    }

    /// Shows what the engine is doing while no sync runs.
    pub(crate) fn show_rest(&self) {
        let (held_by, now) = (self.held_by(), self.now());
        let changed = self.status.send_if_modified(|status| {
            let state = resting(held_by, status);
            let was_for_the_pause = status.next_attempt_at.take_if(|at| *at <= now).is_some();
            std::mem::replace(&mut status.state, state) != state || was_for_the_pause
        });
        if changed {
            self.announce_status();
        }
    }

    /// The pause, if it still lasts.
    pub(crate) fn holding_pause(&self, now: DateTime<Utc>) -> Option<Pause> {
        let pause = *self.pause.borrow();
        pause.filter(|pause| pause.holds(now))
    }

    /// The pause that the server asked for, if it still lasts.
    pub(crate) fn throttled(&self) -> Option<Pause> {
        let (pause, now) = (*self.pause.borrow(), self.now());
        pause.filter(|pause| pause.throttles(now))
    }

    /// Leaves the server alone for a while. Answers until when and why.
    pub(crate) async fn begin_pause(
        &self,
        reason: PauseReason,
        wish: Option<std::time::Duration>,
    ) -> Result<Pause, StorageError> {
        let (retry, fraction, now) = (&self.settings.retry, self.chance.fraction(), self.now());
        let wish = wish.filter(|_| !planted!(WishIsForgotten));
        let next = |before| Pause::next(before, reason, wish, retry, fraction, now);
        let mut pause = next(None);
        let is_news = self.pause.send_if_modified(|current| {
            pause = next(*current);
            current.replace(pause) != Some(pause)
        });
        if is_news {
            self.note_pause().await?;
        }
        Ok(pause)
    }

    /// Begins the pause that the server asked for in an answer, if it did.
    pub(crate) async fn obey(
        &self,
        wish: Option<std::time::Duration>,
    ) -> Result<Option<Pause>, StorageError> {
        match wish {
            Some(_) => self.begin_pause(PauseReason::Throttled, wish).await.map(Some),
            None => Ok(None),
        }
    }

    /// The server answered: it is there, and takes the credentials. What it asked for itself still holds.
    pub(crate) async fn end_pause(&self) -> Result<(), StorageError> {
        let now = self.now();
        self.end_pause_if(|pause| !pause.throttles(now)).await
    }

    /// The server failed, or refused what was asked: it can be reached all the same.
    pub(crate) async fn heard(&self, error: &RemoteError) -> Result<(), StorageError> {
        let answered = matches!(
            error,
            RemoteError::Transient { .. } | RemoteError::Refused { .. } | RemoteError::CursorGone { .. }
        );
        if answered { self.is_reached().await } else { Ok(()) }
    }

    /// The server can be reached, whatever it says.
    pub(crate) async fn is_reached(&self) -> Result<(), StorageError> {
        self.end_pause_if(|pause| pause.reason == PauseReason::Offline).await
    }

    async fn end_pause_if(&self, is_over: impl FnOnce(&Pause) -> bool) -> Result<(), StorageError> {
        let ended = self.pause.send_if_modified(|current| current.take_if(|pause| is_over(pause)).is_some());
        if ended { self.note_pause().await } else { Ok(()) }
    }

    /// Writes down how long the server is left alone, as it is when that is written: changes that come together may be written
    /// in any order.
    async fn note_pause(&self) -> Result<(), StorageError> {
        let pause = Arc::clone(&self.pause);
        self.transact(move |ledger| {
            let pause = *pause.borrow();
            match pause {
                Some(pause) => notes::write(ledger.tx, pause::NOTE, &pause),
                None => ledger.tx.set_note(pause::NOTE, None),
            }
        })
        .await
    }

    /// When an operation that failed is to be sent again.
    pub(crate) fn retry_at(&self, failures: u32) -> DateTime<Utc> {
        after(self.now(), self.settings.retry.delay(failures, self.chance.fraction()))
    }

    /// When something is to be tried again that a person may have to mend first, and that costs no attempt: so its back-off would
    /// not grow by itself.
    pub(crate) fn retry_patiently_at(&self, failures: u32) -> DateTime<Utc> {
        self.retry_at(failures.saturating_add(PATIENT))
    }

    /// Notes an error in a report, in the events and in the log.
    pub(crate) fn fail(&self, report: &mut SyncReport, error: SyncError) -> Arc<SyncError> {
        let error = Arc::new(error);
        tracing::warn!(error = %Logged(&error), "sync");
        report.fail(Arc::clone(&error));
        self.announcer.announce(SyncEvent::Failed(Arc::clone(&error)));
        error
    }

    /// Notes that something was not done because the server asked to be left alone, unless the report says so already. The
    /// other pauses never come without an error.
    pub(crate) fn fail_waiting(&self, report: &mut SyncReport, pause: &Pause) {
        if is_unsaid(pause, report) {
            self.fail(report, SyncError::Throttled { until: pause.until });
        }
    }

    /// Tells those who wait and watch what a written step means.
    pub(crate) fn publish(&self, record: &RecordRef, consequence: Consequence, report: &mut SyncReport) {
        if let Some(verdict) = consequence.verdict {
            report.conflicts += 1;
            self.announcer.announce(SyncEvent::Conflict { record: record.clone(), verdict });
        }
        // What is told of a revision holds for those before it that were not told of anything yet: so first what got through, of which a
        // later one may have been overruled.
        if let Some(revision) = consequence.through.filter(|_| !planted!(ReceiptsAreNotTold)) {
            self.receipts.tell(record, revision, Fate::Through);
        }
        if let Some(revision) = consequence.overruled {
            self.receipts.tell(record, revision, Fate::Overruled);
        }
        if let Some(operation) = consequence.pushed {
            report.pushed += 1;
            self.announcer.announce(SyncEvent::Pushed { record: record.clone(), operation });
        }
        if let Some(NewlyParked { operation, revision, refusal }) = consequence.parked {
            report.parked += 1;
            // Of a conflict that was deferred, the application has decided so itself.
            if consequence.verdict.is_none() {
                tracing::warn!(
                    %record, %operation,
                    "parked: it is not sent again by itself; `engine.parked()` lists it, for `retry`, `discard`, or a corrected `push`"
                );
            }
            self.receipts.tell(record, revision, Fate::Parked);
            self.announcer.announce(SyncEvent::Parked { record: record.clone(), operation, refusal });
        }
    }
}

/// An engine, for as long as a task keeps it.
pub(crate) struct Kept {
    core: Arc<Core>,
    /// Dropped after it.
    _keeps: watch::Receiver<()>,
}

impl Kept {
    pub(crate) fn by_a_task(core: &Arc<Core>) -> Self {
        Self { core: Arc::clone(core), _keeps: core.kept_by.subscribe() }
    }
}

impl std::ops::Deref for Kept {
    type Target = Arc<Core>;

    fn deref(&self) -> &Arc<Core> {
        &self.core
    }
}

/// Since when something waits, as it was read. Where nothing did, what was taken in since is known without that.
fn set_oldest(status: &mut Status, read: Option<DateTime<Utc>>) {
    status.oldest_pending = read.or(status.oldest_pending).filter(|_| status.queue_len > 0);
}

/// What the engine is doing while no sync runs.
pub(crate) fn resting(held_by: Option<PauseReason>, status: &Status) -> State {
    match (held_by, status.last_error.as_deref()) {
        (Some(reason), _) => reason.into(),
        // It is online again, or the pause that the server asked for is over.
        (None, None | Some(SyncError::Offline | SyncError::Throttled { .. })) => State::Idle,
        (None, Some(_)) => State::Error,
    }
}

/// What became of a sync.
pub(crate) enum Tried {
    /// Everything that was wanted was done; the server may have asked for a pause after that.
    Well,
    /// Not everything was; the last error.
    InVain(Arc<SyncError>),
    /// There was none, so that nothing was mended either: a timer came early, in a pause.
    Nothing,
}

/// Whether a pause that the server asked for is told of by no error of the report.
pub(crate) fn is_unsaid(pause: &Pause, report: &SyncReport) -> bool {
    pause.reason == PauseReason::Throttled && !report.errors.iter().any(|error| asks_to_wait(error))
}

/// Whether an error tells that the server asked to be left alone.
fn asks_to_wait(error: &SyncError) -> bool {
    match error {
        SyncError::Push { source, .. } | SyncError::Pull { source, .. } => {
            matches!(source, RemoteError::Throttled { .. }) || source.retry_after().is_some()
        }
        SyncError::Throttled { .. } => true,
        _ => false,
    }
}

/// Gives out the numbers of the outbox, in the order of the transactions that ask.
#[derive(Debug, Clone)]
pub(crate) struct Stamper {
    seq: Arc<AtomicU64>,
    chance: Arc<Chance>,
    now: DateTime<Utc>,
    rounds: Rounds,
}

impl Stamper {
    pub(crate) fn stamp(&self) -> Stamp {
        let seq = self.seq.fetch_add(1, Ordering::Relaxed) + 1;
        Stamp { id: self.chance.operation_id(self.now), seq, now: self.now, rounds: self.rounds }
    }
}
