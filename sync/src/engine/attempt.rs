//! One attempt to send one operation, from the request to what was observed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit};
use tracing::Instrument;

use super::claim::Claimed;
use super::core::Core;
use super::outcome::{Observed, write_down};
use super::pause::{Pause, PauseReason};
use super::port::{EntityPort, ReadRecord};
use crate::error::SyncError;
use crate::record::{Failure, Flight, Outcome, ServerCopy, Write, raw_member};
use crate::remote::{Fetched, RemoteError, Reply, TransientCause, WriteAnswer, WriteRequest};
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
    let (flight, rules) = (&claimed.flight, port.rules());
    let known = claimed.base.as_ref().and_then(|base| base.value.as_ref());
    let request = WriteRequest {
        entity: port.info(),
        key: claimed.name.key.clone(),
        id: flight.intention.id,
        write: flight.intention.write.clone(),
        if_match: flight.if_match.clone(),
        // A member for which this program has no field any more is none that the edit took away.
        base: known.map(|known| rules.written(known).unwrap_or_else(|| known.clone())),
        cleared: if core.remote.merges() {
            flight.intention.write.clears(claimed.base.as_ref(), &rules)
        } else {
            Vec::new()
        },
        attempt: flight.attempts,
    };
    let permit = gate.pass().await.filter(|_| core.throttled().is_none());
    let Some(permit) = permit else {
        note_on(core, claimed, |flight| flight.sent = flight.sent.not_taken()).await?;
        return Ok(Course::GoOn);
    };
    // The longest that any answer to a question asks to be waited for.
    let mut wish = None;
    let looked = look_first(core, port, claimed, &mut wish).await;
    let mut pause = core.obey(wish.take()).await?;
    if let (Ok(None), Some(pause)) = (&looked, pause.or_else(|| core.throttled())) {
        gate.shut();
        note_on(core, claimed, |flight| flight.sent = flight.sent.not_taken()).await?;
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

/// Why an answer could not be used.
enum Trouble {
    Remote(RemoteError),
    /// The record that an answer brought cannot be read, or is not the one that was asked for.
    Answer(String),
    /// It has another id, which this tells.
    AnotherId(String),
    /// The body of a success is not the record that was sent, and what the server has does not show that it was taken.
    Unproven(String),
}

impl From<RemoteError> for Trouble {
    fn from(error: RemoteError) -> Self {
        Self::Remote(error)
    }
}

/// Reads what the server said, and asks it for the record where the answer leaves that open.
async fn read_answer(
    core: &Core,
    port: &Arc<dyn EntityPort>,
    claimed: &Claimed,
    answer: WriteAnswer,
    wish: &mut Option<Duration>,
    report: &mut SyncReport,
) -> Result<Observed, Trouble> {
    let flight = &claimed.flight;
    let problem = if let WriteAnswer::Conflict { problem, .. } = &answer { problem.clone() } else { None };
    let outcome = match answer {
        WriteAnswer::Accepted { version, body: None } => Outcome::Accepted { version, copy: None },
        WriteAnswer::Accepted { version, body: Some(body) } => match read_own(port, claimed, &body) {
            Ok(copy) => Outcome::Accepted { version, copy: Some(copy.payload) },
            // It may have the id of the record and nothing else of it.
            Err(Trouble::Answer(reason)) => look_after(core, port, claimed, reason, wish).await?,
            Err(trouble) => return Err(trouble),
        },
        WriteAnswer::Unclear { reason } => look_after(core, port, claimed, reason, wish).await?,
        WriteAnswer::Existing { version, body: Some(body) } => match read_own(port, claimed, &body) {
            Ok(ReadRecord { payload: value, .. }) => {
                let remote = ServerCopy::Present { version: version.clone(), value: value.clone() };
                if remote.is_result_of(&flight.intention.write, claimed.base.as_ref(), &port.rules()) {
                    Outcome::Accepted { version, copy: Some(value) }
                } else {
                    Outcome::Conflict { remote }
                }
            }
            Err(Trouble::Answer(reason)) => look_after(core, port, claimed, reason, wish).await?,
            Err(trouble) => return Err(trouble),
        },
        WriteAnswer::Conflict { version, body: Some(body), .. } => match read_own(port, claimed, &body) {
            Ok(copy) => Outcome::Conflict { remote: ServerCopy::Present { version, value: copy.payload } },
            Err(_) => Outcome::Conflict { remote: fetch(core, port, claimed, wish).await? },
        },
        // Whether it is what was sent is found out where every conflict is.
        WriteAnswer::Existing { body: None, .. } | WriteAnswer::Conflict { body: None, .. } => {
            Outcome::Conflict { remote: fetch(core, port, claimed, wish).await? }
        }
        WriteAnswer::Missing => Outcome::Conflict { remote: ServerCopy::Deleted },
    };
    if let Outcome::Conflict { remote } = &outcome
        && remote.is_no_ground(flight, claimed.base.as_ref(), &port.rules())
    {
        let (record, operation) = (claimed.name.clone(), flight.intention.id);
        let error = SyncError::NoConflict { record, operation, problem };
        let (until, limit) = (core.retry_at(flight.attempts), core.settings.retry.max_attempts);
        let failure = Failure::Counted { until, limit, reason: error.to_string() };
        let outcome = Outcome::Failed { failure, not_taken: true };
        core.fail(report, error);
        return Ok(Observed { outcome, fetched: None });
    }
    let fetched = match &outcome {
        Outcome::Accepted { .. } if flight.intention.crossed => {
            match fetch(core, port, claimed, wish).await {
                Ok(copy) => Some(copy),
                // The server took the operation, and only the question after that is refused.
                Err(Trouble::Remote(
                    source @ (RemoteError::Refused { .. }
                    | RemoteError::Transient {
                        cause: TransientCause::WebPage | TransientCause::NoCollection,
                        ..
                    }),
                )) => {
                    let (record, operation) = (claimed.name.clone(), flight.intention.id);
                    core.fail(report, SyncError::Push { record, operation, source });
                    None
                }
                // Nor is it the operation that fails here: it is not parked for that, and waits as long as it takes.
                Err(Trouble::Remote(
                    source @ RemoteError::Transient { cause: TransientCause::Server, .. },
                )) => {
                    return Ok(ask_again_later(core, claimed, source, false, report));
                }
                Err(trouble) => return Err(trouble),
            }
        }
        _ => None,
    };
    Ok(Observed { outcome, fetched })
}

/// Asks for the record after a success that does not tell whether it was taken; `reason` is what is wrong with that.
async fn look_after(
    core: &Core,
    port: &Arc<dyn EntityPort>,
    claimed: &Claimed,
    reason: String,
    wish: &mut Option<Duration>,
) -> Result<Outcome, Trouble> {
    let remote = match ask(core, port, claimed, wish).await {
        Ok(remote) => remote,
        // It is there, and a newer version of the program may be able to read it; or it may be had later.
        Err(trouble @ Trouble::Answer(_)) => return Err(trouble),
        Err(Trouble::Remote(source)) if source.says_not_now() => return Err(source.into()),
        Err(_) => return Err(Trouble::Unproven(reason)),
    };
    let (flight, base, rules) = (&claimed.flight, claimed.base.as_ref(), port.rules());
    let is_not_there =
        matches!(remote, ServerCopy::Deleted) && !matches!(flight.intention.write, Write::Delete);
    if is_not_there || remote.is_no_ground(flight, base, &rules) {
        return Err(Trouble::Unproven(reason));
    }
    // Whether it is what was sent is found out where every conflict is.
    Ok(Outcome::Conflict { remote })
}

/// A question about the record failed, which costs the operation no attempt.
fn ask_again_later(
    core: &Core,
    claimed: &Claimed,
    source: RemoteError,
    not_taken: bool,
    report: &mut SyncReport,
) -> Observed {
    let (record, operation) = (claimed.name.clone(), claimed.flight.intention.id);
    core.fail(report, SyncError::Push { record, operation, source });
    let until = core.retry_patiently_at(claimed.flight.attempts);
    let outcome = Outcome::Failed { failure: Failure::Postponed { until }, not_taken };
    Observed { outcome, fetched: None }
}

/// Reads a body that has to be the record which was sent.
fn read_own(port: &Arc<dyn EntityPort>, claimed: &Claimed, body: &Bytes) -> Result<ReadRecord, Trouble> {
    let key = &claimed.name.key;
    match port.read(body) {
        Ok(copy) if copy.key == *key => Ok(copy),
        Ok(copy) => Err(Trouble::AnotherId(has_id(copy.key.as_str()))),
        // A number, say, where the program's ids are UUIDs, whose letters may be in either case.
        Err(unreadable) => Err(match written_id(body, port.info().id_member) {
            Some(id) if !id.eq_ignore_ascii_case(key.as_str()) => Trouble::AnotherId(has_id(&id)),
            _ => Trouble::Answer(unreadable.reason),
        }),
    }
}

/// The id in a body that cannot be read as a record; `None` when it is neither text nor a number.
fn written_id(body: &[u8], member: &str) -> Option<String> {
    let id = raw_member(body, member)?;
    match id.as_bytes().first()? {
        b'"' => serde_json::from_str(id).ok(),
        b'-' | b'0'..=b'9' => Some(id.to_owned()),
        _ => None,
    }
}

/// Asks for the record, where it is no failure of the operation that another one comes.
async fn fetch(
    core: &Core,
    port: &Arc<dyn EntityPort>,
    claimed: &Claimed,
    wish: &mut Option<Duration>,
) -> Result<ServerCopy, Trouble> {
    ask(core, port, claimed, wish).await.map_err(|trouble| match trouble {
        Trouble::AnotherId(reason) => Trouble::Answer(reason),
        trouble => trouble,
    })
}

/// Asks for the record. `wish` is how long the server asks to be left alone, if it does.
async fn ask(
    core: &Core,
    port: &Arc<dyn EntityPort>,
    claimed: &Claimed,
    wish: &mut Option<Duration>,
) -> Result<ServerCopy, Trouble> {
    let reply = core.remote.fetch(port.info(), &claimed.name.key).await;
    *wish = (*wish).max(reply.as_ref().map_or_else(RemoteError::retry_after, Reply::wish));
    match reply?.answer {
        Fetched::Missing => Ok(ServerCopy::Deleted),
        Fetched::Present { version, body } => {
            let copy = read_own(port, claimed, &body)?;
            Ok(ServerCopy::Present { version, value: copy.payload })
        }
    }
}

/// What is wrong with an answer about another record than the one that was asked for.
pub(super) fn has_id(id: &str) -> String {
    format!("its id is `{id}`")
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
