//! What the user decides about a parked operation.

use chrono::{DateTime, Utc};

use super::{Flight, ParkReason, Record, Rules, ServerCopy};

impl ParkReason {
    /// Notes a newer state of the server.
    pub(super) fn see(&mut self, copy: ServerCopy) {
        match self {
            Self::Refused { seen, .. } | Self::Exhausted { seen, .. } => *seen = Some(copy),
            Self::Deferred { remote } => *remote = copy,
        }
    }
}

/// Sends a parked operation again, as it was: the attempts start anew, the idempotency key stays.
#[must_use]
pub fn reinstate(mut record: Record, now: DateTime<Utc>) -> Record {
    if let Some(parked) = record.parked.take() {
        let crossed = parked.reason.seen().is_some();
        let (intention, if_match) = (parked.intention, parked.if_match);
        record.flight = Some(Flight { intention, if_match, attempts: 0, due: now, crossed });
    }
    record
}

/// Gives the record's local edits up, and says which state of the server is known, if any.
#[must_use]
pub fn discard(mut record: Record, rules: &Rules) -> (Record, Option<ServerCopy>) {
    let seen = record.parked.take().and_then(|parked| parked.reason.seen().cloned());
    record.flight = None;
    record.queued = None;
    record.blocked_on = None;
    if let Some(seen) = &seen {
        record.base = seen.to_base(rules);
    }
    (record, seen)
}
