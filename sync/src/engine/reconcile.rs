//! From an observation of the server to the row that is to be written, for one record.
//!
//! What was observed is fixed; the row may change while a strategy thinks or `OnPull` stores, since the user goes on
//! editing. So the step is computed inside the transaction that writes it, from the row as it is then, and says what
//! has to be asked or shown first. It is computed again after that, until nothing is missing. Pure, like the core.

use crate::error::HandlerError;
use crate::record::{
    Decision, Dispute, Intention, OperationId, Outcome, ParkReason, Payload, Rebased, Record, RecordRef,
    Refusal, Resolved, Rules, ServerCopy, Settled, Stamp, rebase, resolve, settle,
};
use crate::telemetry::Verdict;

use super::port::Shown;

/// How often a step is computed again before that is given up. What a user changes meanwhile comes to an end; what the handler itself
/// changes, or an `upgrade` that makes another record each time, does not.
const ROUNDS: u32 = 64;

/// Counts the times that a step was computed.
#[derive(Debug, Default)]
pub(crate) struct Rounds(u32);

impl Rounds {
    /// One more about this record, unless there were too many.
    pub(crate) fn another(&mut self, record: impl FnOnce() -> RecordRef) -> Result<(), HandlerError> {
        self.0 += 1;
        if self.0 > ROUNDS { Err(HandlerError::Restless { record: record() }) } else { Ok(()) }
    }
}

/// What is already known for the step: the strategy's answer, and what `OnPull` was last told.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    pub(crate) decision: Option<(Dispute, Decision)>,
    pub(crate) shown: Option<Shown>,
}

/// What is to be done with the record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    /// Write the row: everybody knows of it.
    Write(Box<Record>, Consequence),
    /// Ask the strategy.
    Decide(Box<Dispute>),
    /// Tell `OnPull`.
    Show(Shown, ServerCopy),
}

/// What a written step means for those who wait and watch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Consequence {
    /// The operation that was sent and that the server took.
    pub(crate) pushed: Option<OperationId>,
    /// Edits up to this revision reached the server.
    pub(crate) through: Option<u64>,
    /// Edits up to this revision were given up in a conflict.
    pub(crate) overruled: Option<u64>,
    /// How a conflict was decided.
    pub(crate) verdict: Option<Verdict>,
    /// What waits for the user from now on.
    pub(crate) parked: Option<NewlyParked>,
}

/// An operation that was parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewlyParked {
    pub(crate) operation: OperationId,
    /// The newest edit in it. One that was made since is none of it.
    pub(crate) revision: u64,
    /// What the server said, where that is why.
    pub(crate) refusal: Option<Refusal>,
}

impl NewlyParked {
    fn of(record: &Record) -> Option<Self> {
        let parked = record.parked.as_ref()?;
        let refusal = match &parked.reason {
            ParkReason::Refused { refusal, .. } => Some(refusal.clone()),
            ParkReason::Exhausted { .. } | ParkReason::Deferred { .. } => None,
        };
        let Intention { id, revision, .. } = parked.intention;
        Some(Self { operation: id, revision, refusal })
    }
}

/// The fixed surroundings of a step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) rules: &'a Rules,
    pub(crate) stamp: Stamp,
}

/// The server showed a version.
pub(crate) fn observe(record: Record, copy: &ServerCopy, known: &Known, around: Surroundings<'_>) -> Step {
    let sent = record.flight.as_ref().map(|flight| flight.intention.id);
    let (record, rebased) = rebase(record, copy.clone(), around.rules, around.stamp);
    match rebased {
        Rebased::Replaced => show(record, Shown::AsPulled, copy, known, Consequence::default()),
        Rebased::Kept { local } => show(record, Shown::Local(local), copy, known, Consequence::default()),
        Rebased::Landed { revision, local } => {
            let shown = if record.is_pending() { Shown::Local(local) } else { Shown::AsPulled };
            // What was never sent, the server has from somebody else.
            let landed = Consequence { pushed: sent, through: Some(revision), ..Consequence::default() };
            show(record, shown, copy, known, landed)
        }
        Rebased::Conflict(dispute) => decide(record, *dispute, known, around),
    }
}

/// The server answered the record's flight. `fetched` is what it had right after that, where it had to be asked.
pub(crate) fn answered(
    record: Record,
    outcome: &Outcome,
    fetched: Option<&ServerCopy>,
    known: &Known,
    around: Surroundings<'_>,
) -> Step {
    let flight = record.flight.as_ref().map(|flight| &flight.intention);
    let (pushed, sent) = (flight.map(|sent| sent.id), flight.and_then(|sent| sent.write.payload().cloned()));
    let (record, settled) = settle(record, outcome.clone(), around.rules, around.stamp);
    let consequence = match settled {
        Settled::Through { revision } => {
            Consequence { pushed, through: Some(revision), ..Consequence::default() }
        }
        // What was sent, the server did not take.
        Settled::Agreed { revision } => Consequence { through: Some(revision), ..Consequence::default() },
        Settled::Conflict(dispute) => return decide(record, *dispute, known, around),
        Settled::Parked => Consequence { parked: NewlyParked::of(&record), ..Consequence::default() },
        Settled::Retargeted | Settled::Superseded | Settled::Retry { .. } | Settled::Nothing => {
            return Step::Write(Box::new(record), Consequence::default());
        }
    };
    if let Some(fetched) = fetched {
        return match observe(record, fetched, known, around) {
            Step::Write(record, later) => Step::Write(record, consequence.and(later)),
            asking => asking,
        };
    }
    // What was told while the record was another one is set right.
    let set_right = || match outcome {
        Outcome::Conflict { remote } if known.shown.is_some() => Some(remote.clone()),
        _ => None,
    };
    match told(outcome, sent.as_ref(), around.rules).or_else(set_right) {
        Some(copy) => {
            let shown = match record.newest() {
                Some(newest) => Shown::Local(newest.write.payload().cloned()),
                None => Shown::AsPulled,
            };
            show(record, shown, &copy, known, consequence)
        }
        None => Step::Write(Box::new(record), consequence),
    }
}

/// What the server's answer tells that `OnPull` does not know yet: its copy, where that is not what was sent.
fn told(outcome: &Outcome, sent: Option<&Payload>, rules: &Rules) -> Option<ServerCopy> {
    let (version, value) = match outcome {
        Outcome::Accepted { version, copy: Some(copy) } => (version, copy),
        Outcome::Conflict { remote: ServerCopy::Present { version, value } } => (version, value),
        _ => return None,
    };
    // `updated_at` may be the server's own: then it is news as well, so the comparison leaves nothing out.
    let same = sent.is_some_and(|sent| sent.same_content(value, &rules.everything()));
    (!same).then(|| ServerCopy::Present { version: version.clone(), value: value.clone() })
}

fn show(record: Record, shown: Shown, copy: &ServerCopy, known: &Known, consequence: Consequence) -> Step {
    if known.shown.as_ref() == Some(&shown) || planted!(NobodyIsTold) {
        Step::Write(Box::new(record), consequence)
    } else {
        Step::Show(shown, copy.clone())
    }
}

/// Applies the strategy's answer, if it is about this very conflict.
fn decide(record: Record, dispute: Dispute, known: &Known, around: Surroundings<'_>) -> Step {
    let decision = match &known.decision {
        Some((decided, decision)) if *decided == dispute || planted!(DecisionOnAnOldEdit) => decision.clone(),
        _ => return Step::Decide(Box::new(dispute)),
    };
    apply(record, &dispute, decision, known, around)
}

/// Applies a decision, the strategy's or the user's.
pub(crate) fn apply(
    record: Record,
    dispute: &Dispute,
    decision: Decision,
    known: &Known,
    around: Surroundings<'_>,
) -> Step {
    let verdict = match &decision {
        Decision::TakeRemote => Verdict::TookRemote,
        Decision::KeepLocal => Verdict::KeptLocal,
        Decision::Merged(..) => Verdict::Merged,
        Decision::Delete => Verdict::Deleted,
        Decision::Defer => Verdict::Deferred,
    };
    let decided = Consequence { verdict: Some(verdict), ..Consequence::default() };
    let decision = match (decision, &dispute.remote) {
        // A merge that came to what the server has needs no request.
        (Decision::Merged(merged, _), ServerCopy::Present { value, .. }) if merged == *value => {
            Decision::TakeRemote
        }
        (decision, _) => decision,
    };
    let (record, resolved) = resolve(record, dispute, decision, around.rules, around.stamp);
    let copy = &dispute.remote;
    match resolved {
        Resolved::TookRemote { revision } => {
            let consequence = match verdict {
                // The edit is in what the server has. A deletion is in no record.
                Verdict::Merged if dispute.local.is_some() => {
                    Consequence { through: Some(revision), ..decided }
                }
                _ => Consequence { overruled: Some(revision), ..decided },
            };
            show(record, Shown::AsPulled, copy, known, consequence)
        }
        Resolved::Sending { local } => {
            // A deletion goes out under the number of the edit, and has nothing of it; nor has a record anything of a deletion.
            let is_lost = local.is_none() != dispute.local.is_none();
            let consequence = Consequence { overruled: is_lost.then_some(dispute.revision), ..decided };
            show(record, Shown::Local(local), copy, known, consequence)
        }
        Resolved::Deferred => {
            let (local, parked) = (dispute.local.clone(), NewlyParked::of(&record));
            show(record, Shown::Local(local), copy, known, Consequence { parked, ..decided })
        }
        Resolved::Stale(dispute) => Step::Decide(dispute),
        Resolved::Nothing => Step::Write(Box::new(record), Consequence::default()),
    }
}

impl Consequence {
    fn and(self, later: Self) -> Self {
        Self {
            pushed: self.pushed.or(later.pushed),
            through: self.through.max(later.through),
            overruled: later.overruled,
            verdict: later.verdict,
            parked: later.parked.or(self.parked),
        }
    }
}
