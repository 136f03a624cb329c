//! Sends what waits: up to `max_in_flight` operations of different records at once.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::task::{Id, JoinError, JoinSet};

use super::attempt::{Course, Gate, attempt};
use super::claim::{Bounds, Claims, claim};
use super::core::{Core, Kept, is_unsaid};
use super::outcome::put_off;
use super::pause::Pause;
use crate::error::{SyncError, panic_message};
use crate::record::RecordRef;
use crate::report::SyncReport;
use crate::storage::StorageError;

/// Sends everything that can be sent now. Answers why it stopped early, if it did.
pub(crate) async fn flush(core: &Arc<Core>, report: &mut SyncReport) -> Result<Option<Pause>, StorageError> {
    let mut run = Run::new(core);
    let sent = run.send_all(report).await;
    // What is out is waited for even when the storage failed, and each of it: its outcome is worth knowing, and one that
    // the storage wrote down would not be counted. Nothing else goes out.
    run.gate.shut();
    let mut result = sent;
    while let Some(finished) = run.attempts.join_next_with_id().await {
        let finished = run.finish(finished, report).await;
        if planted!(StorageErrorCutsAttemptsShort) {
            finished?;
            continue;
        }
        result = result.and(finished);
    }
    result?;
    if let Some(pause) = &run.stopped {
        say_why_it_waits(core, pause, run.damaged, report).await?;
    }
    Ok(run.stopped)
}

/// A server that takes an operation, or gives a page, and asks for a pause with the same answer leaves no error behind:
/// where something is left unsent for that, the report says so.
pub(crate) async fn say_why_it_waits(
    core: &Core,
    pause: &Pause,
    damaged: HashSet<RecordRef>,
    report: &mut SyncReport,
) -> Result<(), StorageError> {
    if is_unsaid(pause, report) && is_left(core, damaged).await? {
        core.fail_waiting(report, pause);
    }
    Ok(())
}

/// Whether something waits that could be sent now, besides what cannot be read.
pub(crate) async fn is_left(core: &Core, mut damaged: HashSet<RecordRef>) -> Result<bool, StorageError> {
    let (now, horizon) = (core.now(), core.settings.retry.horizon());
    let left = core
        .transact::<_, StorageError, _>(move |ledger| ledger.sendable(now, horizon, 1, &mut damaged))
        .await?;
    Ok(!left.records.is_empty())
}

/// How many times more operations than may be in flight are frozen at most.
const WIDEST: usize = 16;

/// One flush.
struct Run<'a> {
    core: &'a Arc<Core>,
    known: Arc<HashSet<&'static str>>,
    gate: Arc<Gate>,
    attempts: JoinSet<(SyncReport, Result<Course, StorageError>)>,
    /// The records that are frozen on disk, and sent or about to be.
    under_way: HashMap<Id, RecordRef>,
    /// The records whose rows cannot be read: reported once in a flush, and left alone.
    damaged: HashSet<RecordRef>,
    /// How many operations may be frozen at once.
    window: usize,
    launched: bool,
    /// What is due later than this waits for another flush: when this one began, or less, where the clock was set back since. Else
    /// what it puts off would come up again before a long queue is through, and a server that takes nothing for now would be
    /// asked without end.
    due_by: DateTime<Utc>,
    /// What has its place in the outbox after this edit is not claimed yet.
    newest_edit: u64,
    /// Whether that is no longer the newest when the flush began.
    caught_up: bool,
    /// What the server asked for, or has to be waited for; it may be over when the flush ends.
    stopped: Option<Pause>,
}

type Finished = Result<(Id, (SyncReport, Result<Course, StorageError>)), JoinError>;

impl<'a> Run<'a> {
    fn new(core: &'a Arc<Core>) -> Self {
        Self {
            core,
            known: Arc::new(core.entities.iter().map(|port| port.info().name).collect()),
            gate: Arc::new(Gate::new(core.settings.max_in_flight)),
            attempts: JoinSet::new(),
            under_way: HashMap::new(),
            damaged: HashSet::new(),
            window: 2 * core.settings.max_in_flight,
            launched: false,
            due_by: core.now(),
            newest_edit: core.seq.load(Ordering::Relaxed),
            caught_up: false,
            stopped: None,
        }
    }

    async fn send_all(&mut self, report: &mut SyncReport) -> Result<(), StorageError> {
        // A gate that is shut lets nothing through: claiming more would go round in a circle until it is known why.
        while self.stopped.is_none() && !self.gate.is_shut() && !self.core.is_closing() {
            // Who listens may have been asked for a pause.
            self.stopped = self.core.throttled();
            if self.stopped.is_some() {
                break;
            }
            let claims = self.claim_and_launch(report).await?;
            let Some(finished) = self.attempts.join_next_with_id().await else {
                if claims.more || self.catch_up() {
                    continue;
                }
                break;
            };
            self.finish(finished, report).await?;
            // Whatever else has come to its end meanwhile goes into the same round.
            while let Some(finished) = self.attempts.try_join_next_with_id() {
                self.finish(finished, report).await?;
            }
        }
        Ok(())
    }

    /// Once everything is through that waited when the flush began, what came meanwhile has its turn, and after that nothing else: a
    /// program that edits as fast as the server takes would keep the flush from ever ending. Answers whether there may be something.
    fn catch_up(&mut self) -> bool {
        let newest_edit = self.core.seq.load(Ordering::Relaxed);
        let may_be_some = !self.caught_up && newest_edit > self.newest_edit;
        (self.newest_edit, self.caught_up) = (newest_edit, true);
        may_be_some
    }

    /// Freezes twice as many operations as may be in flight, so that a request does not wait for a commit; and more where
    /// the server answers them faster than the disk commits.
    async fn claim_and_launch(&mut self, report: &mut SyncReport) -> Result<Claims, StorageError> {
        if self.launched && self.gate.is_idle() {
            self.window = (2 * self.window).min(WIDEST * self.core.settings.max_in_flight);
        }
        let want = self.window.saturating_sub(self.under_way.len());
        // Few at a time would look at all that are under way each time.
        if want == 0 || (want < self.window / 4 && !self.attempts.is_empty()) {
            return Ok(Claims::default());
        }
        let known = Arc::clone(&self.known);
        let under_way: HashSet<_> = self.under_way.values().chain(&self.damaged).cloned().collect();
        let now = self.core.now();
        self.due_by = self.due_by.min(now);
        // As far ahead as it is from now on.
        let horizon = self.core.settings.retry.horizon().checked_add(&(now - self.due_by));
        let horizon = horizon.unwrap_or(TimeDelta::MAX);
        let bounds = Bounds { want, due_by: self.due_by, horizon, newest_edit: self.newest_edit };
        let given_up = Arc::clone(&self.core.given_up);
        let mut claims = self
            .core
            .transact_together(move |ledger| claim(ledger, &known, under_way.clone(), &given_up, bounds))
            .await?;
        self.launched = true;
        for error in claims.damaged.drain(..) {
            if let Some(record) = error.damaged() {
                self.damaged.insert(record.clone());
            }
            self.core.fail(report, SyncError::from(error));
        }
        for claimed in claims.claimed.drain(..) {
            let (core, gate) = (Kept::by_a_task(self.core), Arc::clone(&self.gate));
            let name = claimed.name.clone();
            let task = self.attempts.spawn(async move { attempt(&core, &gate, claimed).await });
            self.under_way.insert(task.id(), name);
        }
        Ok(claims)
    }

    async fn finish(&mut self, finished: Finished, report: &mut SyncReport) -> Result<(), StorageError> {
        match finished {
            Ok((id, (part, course))) => {
                self.under_way.remove(&id);
                report.add(part);
                if let Course::Stop(pause) = course? {
                    self.stopped = Some(pause);
                }
            }
            // Code of the user's that is not called as a handler, such as a `Deserialize`, panicked. The record stays
            // in `under_way`, so that this flush leaves it alone.
            Err(error) => {
                if let Some(record) = self.under_way.get(&error.id()) {
                    let message = error.try_into_panic().ok().map(|panic| panic_message(&*panic));
                    self.put_off_panicked(record.clone(), message, report).await?;
                }
            }
        }
        Ok(())
    }

    async fn put_off_panicked(
        &self,
        record: RecordRef,
        message: Option<String>,
        report: &mut SyncReport,
    ) -> Result<(), StorageError> {
        put_off(self.core, &record, self.core.retry_patiently_at(0)).await?;
        self.core.fail(report, SyncError::Panicked { record, message });
        Ok(())
    }
}
