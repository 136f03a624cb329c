//! One attempt to send one operation, from the request to what was observed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::Instrument;

use super::answer::{Trouble, ask_again_later, fetch, read_answer};
use super::claim::Claimed;
use super::core::Core;
use super::outcome::{Observed, write_down};
use super::pause::{Pause, PauseReason};
use super::port::EntityPort;
use crate::error::SyncError;
use crate::record::{Failure, Flight, Outcome, ServerCopy, Write};
use crate::remote::{RemoteError, TransientCause, WriteRequest};
use crate::report::SyncReport;
use crate::storage::StorageError;

/// Whether the flush goes on after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Course {
    /// The next operation may be sent.
    GoOn,
    /// Everything to the server has to wait: nothing more is sent in this flush, also when the pause is over before it ends.
    Stop(Pause),
}

/// Lets a bounded number of requests out at once, and none after something stopped the flush.
#[derive(Debug)]
pub(crate) struct Gate {
    width: usize,
    permits: Semaphore,
    shut: AtomicBool,
}

impl Gate {
    pub(crate) fn new(width: usize) -> Self {
        let width = if planted!(TooManyAtOnce) { 2 * width } else { width };
        Self { width, permits: Semaphore::new(width), shut: AtomicBool::new(false) }
    }

    /// Whether no request is out.
    pub(crate) fn is_idle(&self) -> bool {
        self.permits.available_permits() == self.width
    }

    /// Whether nothing more is to be sent.
    pub(crate) fn is_shut(&self) -> bool {
        self.shut.load(Ordering::Relaxed)
    }

    pub(crate) fn shut(&self) {
        self.shut.store(true, Ordering::Relaxed);
    }

    /// The right to send one request, until the permit is dropped; `None` when nothing more is to be sent.
    async fn pass(&self) -> Option<SemaphorePermit<'_>> {
        let permit = self.permits.acquire().await.ok()?;
        (!self.is_shut()).then_some(permit)
    }
}

/// Sends one claimed operation and writes down what became of it.
pub(crate) async fn attempt(
    core: &Arc<Core>,
    gate: &Gate,
    claimed: Claimed,
) -> (SyncReport, Result<Course, StorageError>) {
    let intention = &claimed.flight.intention;
    let span = tracing::info_span!(
        "operation",
        entity = %claimed.name.entity,
        operation = %intention.id,
        verb = intention.write.verb(),
        attempt = claimed.flight.attempts + 1,
    );
    let mut report = SyncReport::default();
    let result = send(core, gate, &claimed, &mut report).instrument(span).await;
    (report, result)
}

async fn send(
    core: &Arc<Core>,
    gate: &Gate,
    claimed: &Claimed,
    report: &mut SyncReport,
) -> Result<Course, StorageError> {
    let Some(port) = core.port(claimed.name.entity.as_str()) else { return Ok(Course::GoOn) };
    let flight = &claimed.flight;
    let known = claimed.base.as_ref().and_then(|base| base.value.clone());
    let frozen = flight.frozen.clone().unwrap_or_default();
    let request = WriteRequest {
        entity: port.info(),
        key: claimed.name.key.clone(),
        id: flight.intention.id,
        write: flight.intention.write.clone(),
        if_match: flight.if_match.clone(),
        base: frozen.known.or(known),
        cleared: frozen.cleared,
        attempt: flight.attempts,
    };
    let permit = gate.pass().await.filter(|_| core.throttled().is_none());
    let Some(permit) = permit else {
        note_on(core, claimed, withdraw).await?;
        return Ok(Course::GoOn);
    };
    // The longest that any answer to a question asks to be waited for.
    let mut wish = None;
    let looked = look_first(core, port, claimed, &mut wish).await;
    let mut pause = core.obey(wish.take()).await?;
    if let (Ok(None), Some(pause)) = (&looked, pause.or_else(|| core.throttled())) {
        gate.shut();
        note_on(core, claimed, withdraw).await?;
        return Ok(Course::Stop(pause));
    }
    if let (Ok(None), true) = (&looked, flight.look_first) {
        // Before it is sent: what comes of that may show at the next look, and is no reason to send it under another key.
        note_on(core, claimed, |flight| flight.look_first = false).await?;
    }
    // All of that took its time.
    if !still_wanted(core, claimed).await? {
        return Ok(Course::GoOn);
    }
    let number = core.suspects.begin();
    // Until it is sent.
    let mut not_taken = true;
    let observed = match looked {
        Ok(None) => match core.remote.send(request).await {
            Ok(reply) => {
                not_taken = false;
                core.suspects.answered(number);
                core.suspects.clear(flight.intention.id);
                // Before anything that takes time or may fail. A question that the answer leads to is asked all the same:
                // nobody would know otherwise what became of the operation.
                pause = core.obey(reply.wish()).await?;
                if pause.is_some() {
                    gate.shut();
                }
                core.end_pause().await?;
                read_answer(core, port, claimed, reply.answer, &mut wish, report).await
            }
            Err(error) => {
                not_taken = !error.leaves_in_doubt();
                core.heard(&error).await?;
                Err(error.into())
            }
        },
        Ok(Some(remote)) => {
            core.end_pause().await?;
            Ok(Observed { outcome: Outcome::Conflict { remote }, fetched: None })
        }
        // It was not the operation that failed. What may be said of the question for ever costs an attempt all the same.
        Err(Trouble::Remote(source @ RemoteError::Transient { cause: TransientCause::Server, .. })) => {
            wish = wish.max(source.retry_after());
            Ok(ask_again_later(core, claimed, source, not_taken, report))
        }
        Err(trouble) => Err(trouble),
    };
    let (observed, mut course) = match observed {
        Ok(observed) => (observed, Course::GoOn),
        Err(trouble) => failed(core, port, claimed, trouble, not_taken, &mut wish, report).await?,
    };
    pause = core.obey(wish).await?.or(pause).or_else(|| core.throttled());
    if let (Course::GoOn, Some(pause)) = (course, pause) {
        course = Course::Stop(pause);
    }
    if course != Course::GoOn {
        gate.shut();
    }
    // The next request goes out while this one's outcome is written.
    drop(permit);
    write_down(core, port, claimed, observed, report).await?;
    Ok(course)
}

/// Reads what the server has, where it would not look itself before it overwrites it; `None` when the operation may be sent.
///
/// This also clears up what became of an earlier attempt: what it wrote is no conflict.
async fn look_first(
    core: &Core,
    port: &Arc<dyn EntityPort>,
    claimed: &Claimed,
    wish: &mut Option<Duration>,
) -> Result<Option<ServerCopy>, Trouble> {
    let Flight { intention, look_first, .. } = &claimed.flight;
    // Somebody else's version that was pulled beside a parked operation is looked for before its correction is sent. And what changed
    // since the base says too little where the server may have something else.
    let unsure = intention.crossed || core.remote.sends_changes();
    let unprotected = *look_first && unsure && !matches!(intention.write, Write::Create(_));
    let reads_first = core.remote.reads_first(&intention.write);
    if !unprotected && !reads_first {
        return Ok(None);
    }
    let copy = match fetch(core, port, claimed, wish).await {
        // That records cannot be read one by one is no reason not to send it.
        Err(Trouble::Remote(RemoteError::Refused { .. })) if !reads_first => return Ok(None),
        copy => copy?,
    };
    let as_known = copy.is_base(claimed.base.as_ref(), &port.rules());
    Ok((!as_known).then_some(copy))
}

/// The attempt that it was claimed for is not made.
fn withdraw(flight: &mut Flight) {
    flight.sent = flight.sent.not_taken();
}

/// Writes something down about the operation, if it is still under way.
async fn note_on(core: &Arc<Core>, claimed: &Claimed, what: fn(&mut Flight)) -> Result<(), StorageError> {
    let (name, operation) = (claimed.name.clone(), claimed.flight.intention.id);
    core.transact_together(move |ledger| {
        let before = ledger.record(&name)?;
        let mut after = before.clone();
        if let Some(flight) = after.flight.as_mut().filter(|flight| flight.intention.id == operation) {
            what(flight);
        }
        if after != before {
            ledger.put(&name, &before, &after)?;
        }
        Ok(())
    })
    .await
}

/// Whether the operation is to be sent still: between the claim and the permit, the user may have given it up.
async fn still_wanted(core: &Core, claimed: &Claimed) -> Result<bool, StorageError> {
    let mut looked_at = claimed.given_up;
    loop {
        let given_up = core.given_up.load(Ordering::Relaxed);
        if given_up == looked_at || planted!(GivenUpIsSent) {
            return Ok(true);
        }
        let (name, operation) = (claimed.name.clone(), claimed.flight.intention.id);
        let flight =
            core.transact::<_, StorageError, _>(move |ledger| Ok(ledger.record(&name)?.flight)).await?;
        if flight.is_none_or(|flight| flight.intention.id != operation) {
            return Ok(false);
        }
        // More may have been given up while it was looked at.
        looked_at = given_up;
    }
}

/// Sorts a failure into its class (`docs/design.md`, section 6).
async fn failed(
    core: &Core,
    port: &Arc<dyn EntityPort>,
    claimed: &Claimed,
    trouble: Trouble,
    not_taken: bool,
    wish: &mut Option<Duration>,
    report: &mut SyncReport,
) -> Result<(Observed, Course), StorageError> {
    let now = core.now();
    let flight = &claimed.flight;
    let (record, operation) = (claimed.name.clone(), flight.intention.id);
    let postponed = |until| Outcome::Failed { failure: Failure::Postponed { until }, not_taken };
    // Without counting: nothing is wrong with the operation.
    let patience = || core.retry_patiently_at(flight.attempts);
    let up_to = |limit, reason| {
        let failure = Failure::Counted { until: core.retry_at(flight.attempts), limit, reason };
        Outcome::Failed { failure, not_taken }
    };
    let counted = |reason| up_to(core.settings.retry.max_attempts, reason);
    let url = port.info().endpoint.to_owned();
    let source = match trouble {
        Trouble::Remote(source) => source,
        Trouble::Answer(reason) => {
            core.fail(report, SyncError::Answer { record, operation, url, reason });
            return Ok((Observed { outcome: postponed(patience()), fetched: None }, Course::GoOn));
        }
        Trouble::AnotherId(reason) | Trouble::Unproven(reason) => {
            let error = SyncError::Answer { record, operation, url, reason };
            let outcome = match flight.intention.write {
                // A server that gives out ids makes one more record each time.
                Write::Create(_) => up_to(1, error.to_string()),
                _ => counted(error.to_string()),
            };
            core.fail(report, error);
            return Ok((Observed { outcome, fetched: None }, Course::GoOn));
        }
    };
    *wish = (*wish).max(source.retry_after());
    let (outcome, stopped) = match &source {
        RemoteError::Unreachable { .. } if planted!(LostAnswerIsASuccess) => {
            (Outcome::Accepted { version: None, copy: None }, None)
        }
        RemoteError::Unreachable { .. } if planted!(OfflineCostsAnAttempt) => {
            let limit = core.settings.retry.max_attempts;
            let failure = Failure::Counted { until: now, limit, reason: "offline".to_owned() };
            (Outcome::Failed { failure, not_taken }, Some(PauseReason::Offline))
        }
        RemoteError::Unreachable { .. } if core.suspects.fails_alone(operation) => {
            (postponed(patience()), None)
        }
        RemoteError::Unreachable { .. } | RemoteError::CredentialsUnavailable { .. } => {
            (postponed(now), Some(PauseReason::Offline))
        }
        RemoteError::Throttled { .. } => (postponed(now), Some(PauseReason::Throttled)),
        RemoteError::Unauthorized { .. } | RemoteError::SignedOut { .. } => {
            (postponed(now), Some(PauseReason::Unauthorized))
        }
        RemoteError::Transient { .. } if planted!(OneFailureStopsTheFlush) => {
            (postponed(core.retry_at(flight.attempts)), Some(PauseReason::Offline))
        }
        RemoteError::Transient { status, .. } => (counted(format!("status {status}")), None),
        // Whoever names a time lets it be tried again after that, as those do who say 403 to too many requests.
        RemoteError::Refused { refusal, .. } if source.retry_after().is_some() => {
            (counted(refusal.to_string()), None)
        }
        RemoteError::Refused { refusal, .. } => {
            (Outcome::Refused { refusal: refusal.clone(), not_taken }, None)
        }
        // A write has no cursor: what says so is no answer to it.
        RemoteError::CursorGone { .. } | RemoteError::Protocol { .. } => (postponed(patience()), None),
    };
    let course = match stopped {
        Some(reason) => Course::Stop(core.begin_pause(reason, *wish).await?),
        None => Course::GoOn,
    };
    // What was pulled while the outcome was unknown is not kept: it is asked for before the operation is parked.
    let fetched = match &outcome {
        Outcome::Refused { .. } if flight.intention.crossed => fetch(core, port, claimed, wish).await.ok(),
        _ => None,
    };
    core.fail(report, SyncError::Push { record, operation, source });
    Ok((Observed { outcome, fetched }, course))
}
