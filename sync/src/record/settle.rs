//! What an answer of the server does to a record.

use chrono::{DateTime, Utc};

use super::{
    Base, Dispute, Flight, Intention, ParkReason, Parked, Payload, Record, Refusal, Rules, Sent, ServerCopy,
    Stamp, Version, Write,
};

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The server took the operation.
    Accepted {
        /// The version that it gave the record, if it told.
        version: Option<Version>,
        /// The record as the server has it now, if it told.
        copy: Option<Payload>,
    },
    /// The server has another version than the one that the operation was made on.
    Conflict {
        /// What it has.
        remote: ServerCopy,
    },
    /// The server will never take it.
    Refused {
        /// What it said.
        refusal: Refusal,
        /// Whether it has not taken it for sure. What is refused may be a question that an answer led to.
        not_taken: bool,
    },
    /// It failed in a way that may pass.
    Failed {
        /// How.
        failure: Failure,
        /// Whether the server has not taken it for sure: it said so, or the attempt never got there.
        not_taken: bool,
    },
}

/// An attempt that failed and may succeed later.
#[derive(Debug, Clone, PartialEq)]
pub enum Failure {
    /// Nothing is wrong with the operation (no network, no valid token, the server asked to wait): the attempt does
    /// not count.
    Postponed {
        /// When to try again.
        until: DateTime<Utc>,
    },
    /// The server failed on this operation; the attempt counts.
    Counted {
        /// When to try again.
        until: DateTime<Utc>,
        /// After this many attempts the operation is parked.
        limit: u32,
        /// What went wrong, for people to read.
        reason: String,
    },
}

/// What settling came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Settled {
    /// The server has every edit up to this revision.
    Through {
        /// The newest of them.
        revision: u64,
    },
    /// It was refused as a conflict, and the server has by other ways what the newest edit, of this revision, asks for.
    Agreed {
        /// The revision of that edit.
        revision: u64,
    },
    /// Two sides changed the record: somebody has to decide, and [`resolve`](super::resolve) takes the answer. The
    /// record has not changed.
    Conflict(Box<Dispute>),
    /// It was no conflict after all: what the server has is what this device sent before. It is sent again on top of
    /// that.
    Retargeted,
    /// It waits for the user.
    Parked,
    /// A newer edit takes the place of the refused one.
    Superseded,
    /// It is tried again at this time.
    Retry {
        /// When.
        until: DateTime<Utc>,
    },
    /// There was nothing to settle.
    Nothing,
}

/// Applies the outcome of an attempt to send the record's flight.
#[must_use]
pub fn settle(mut record: Record, outcome: Outcome, rules: &Rules, stamp: Stamp) -> (Record, Settled) {
    let Some(mut flight) = record.flight.take() else {
        return (record, Settled::Nothing);
    };
    if planted!(KeyForEachAttempt) {
        flight.intention.id = stamp.id;
    }
    if let Outcome::Refused { not_taken, .. } | Outcome::Failed { not_taken, .. } = &outcome {
        flight.sent = if *not_taken { flight.sent.not_taken() } else { Sent::InDoubt };
    }
    match outcome {
        Outcome::Accepted { version, copy } => accept(record, flight, version, copy, rules),
        Outcome::Conflict { remote } => conflict(record, flight, remote, rules, stamp),
        Outcome::Refused { refusal, .. } => {
            park(record, flight, ParkReason::Refused { refusal, seen: None }, stamp)
        }
        Outcome::Failed { failure: Failure::Postponed { until }, .. } => {
            record.flight = Some(Flight { due: Some(until), ..flight });
            (record, Settled::Retry { until })
        }
        Outcome::Failed { failure: Failure::Counted { until, limit, reason }, .. } => {
            let attempts = flight.attempts.saturating_add(1);
            if attempts >= limit {
                return park(
                    record,
                    flight,
                    ParkReason::Exhausted { attempts, last: reason, seen: None },
                    stamp,
                );
            }
            record.flight = Some(Flight { attempts, due: Some(until), ..flight });
            (record, Settled::Retry { until })
        }
    }
}

/// The flight got through: what it wrote is the base of what is queued.
pub(super) fn accept(
    mut record: Record,
    flight: Flight,
    version: Option<Version>,
    copy: Option<Payload>,
    rules: &Rules,
) -> (Record, Settled) {
    let revision = flight.intention.revision;
    let version = version.filter(|_| !planted!(AckForgetsTheVersion));
    record.base = match flight.intention.write {
        Write::Create(sent) | Write::Update(sent) | Write::Overwrite(sent) => {
            Some(Base::seen(version, copy.unwrap_or(sent), rules))
        }
        Write::Delete => None,
    };
    record.blocked_on = None;
    if planted!(AckClearsTheNewerEdit) {
        record.queued = None;
    }
    (record, Settled::Through { revision })
}

fn conflict(
    mut record: Record,
    flight: Flight,
    remote: ServerCopy,
    rules: &Rules,
    stamp: Stamp,
) -> (Record, Settled) {
    if remote.is_result_of(&flight.intention.write, record.base.as_ref(), rules)
        && !planted!(OwnWriteIsAConflict)
    {
        let version = remote.version().cloned();
        return accept(record, flight, version, remote.value().cloned(), rules);
    }
    if let Some(queued) = &record.queued
        && remote.is_result_of(&queued.write, record.base.as_ref(), rules)
    {
        let revision = queued.revision;
        return (Record { base: remote.to_base(rules), ..Record::default() }, Settled::Agreed { revision });
    }
    // That nothing is there, as was known, is no reason to refuse an update, but it is one to refuse writing over it.
    let as_known = match (&remote, &flight.intention.write) {
        (ServerCopy::Present { .. }, _) | (ServerCopy::Deleted, Write::Overwrite(_)) => {
            remote.is_as_known(record.base.as_ref(), rules)
        }
        (ServerCopy::Deleted, _) => false,
    };
    if remote.is_echo(&flight.intention, rules) || as_known {
        let decision = match record.queued.take() {
            // What is queued holds the newer edit; the flight did not get through and is covered by it.
            Some(queued) => Intention {
                write: without(&flight.intention.write, queued.write),
                echoes: vec![remote.value().cloned()],
                ..queued
            },
            None => flight.intention,
        };
        return (retarget(record, decision, &remote, rules, stamp), Settled::Retargeted);
    }
    let newest = record.queued.as_ref().unwrap_or(&flight.intention);
    let dispute = record.dispute(newest, remote);
    record.flight = Some(flight);
    (record, Settled::Conflict(Box::new(dispute)))
}

/// Puts an intention on top of what the server has, as an operation of its own: an answer that the server keeps for
/// the old idempotency key must not be taken for the new one's.
pub(super) fn retarget(
    mut record: Record,
    intention: Intention,
    remote: &ServerCopy,
    rules: &Rules,
    stamp: Stamp,
) -> Record {
    let exists = matches!(remote, ServerCopy::Present { .. });
    let write = match (intention.write, exists) {
        (Write::Delete, _) => Write::Delete,
        (Write::Create(payload) | Write::Update(payload) | Write::Overwrite(payload), false) => {
            Write::Create(payload)
        }
        (Write::Update(payload), true) => Write::Update(payload),
        (Write::Create(payload) | Write::Overwrite(payload), true) => Write::Overwrite(payload),
    };
    record.base = remote.to_base(rules);
    let rounds = intention.rounds.saturating_add(1);
    // A server that never stops to conflict is given time, and the record its place on disk.
    let (rounds, not_before) =
        if rounds >= stamp.rounds.limit { (0, Some(stamp.rounds.later)) } else { (rounds, None) };
    // Whom it leaves, the server's copy says.
    let leaves = Vec::new();
    record.queued =
        Some(Intention { id: stamp.id, write, leaves, not_before, rounds, crossed: false, ..intention });
    record
}

/// Sets an operation aside for the user, unless a newer edit takes its place.
fn park(mut record: Record, flight: Flight, reason: ParkReason, stamp: Stamp) -> (Record, Settled) {
    record.blocked_on = None;
    if planted!(RefusedIsDropped) {
        return (record, Settled::Parked);
    }
    let queued = record.queued.take().filter(|_| !planted!(ParkingDropsTheNewerEdit));
    let Some(queued) = queued else {
        let Flight { intention, if_match, frozen, sent, .. } = flight;
        record.parked = Some(Parked { intention, if_match, frozen, reason, since: stamp.now, sent });
        return (record, Settled::Parked);
    };
    record.queued = Some(in_place_of(&flight, queued, record.base.as_ref()));
    (record, Settled::Superseded)
}

/// An edit that waited behind a flight which is sent no more.
pub(super) fn in_place_of(flight: &Flight, queued: Intention, base: Option<&Base>) -> Intention {
    let crossed = queued.crossed || flight.intention.crossed;
    let write = match without(&flight.intention.write, queued.write) {
        Write::Create(payload) if base.is_some() => Write::Overwrite(payload),
        write => write,
    };
    let echoes = flight.intention.may_have_left(flight.sent);
    Intention { write, echoes, crossed, ..queued }
}

/// A write that was made on top of a flight which did not get through: an update of what was to be created, or to be written over, is
/// to do that now.
fn without(flight: &Write, write: Write) -> Write {
    match (flight, write) {
        (Write::Create(_), Write::Update(payload)) => Write::Create(payload),
        (Write::Overwrite(_), Write::Update(payload)) => Write::Overwrite(payload),
        (_, write) => write,
    }
}
