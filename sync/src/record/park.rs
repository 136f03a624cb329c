//! What the user decides about a parked operation.

use super::settle::in_place_of;
use super::{Base, Flight, Intention, ParkReason, Parked, Record, Rules, Sent, ServerCopy, Stamp};

impl Parked {
    /// Notes a newer state of the server. With another one, a conflict is another conflict and has another id: an answer to the one
    /// that the user has looked at is none to this.
    pub(super) fn see(&mut self, copy: ServerCopy, rules: &Rules, stamp: Stamp) {
        match &mut self.reason {
            ParkReason::Refused { seen, .. } | ParkReason::Exhausted { seen, .. } => *seen = Some(copy),
            ParkReason::Deferred { remote } => {
                let known = remote.to_base(&rules.of_an_answer());
                if !copy.is_as_known(known.as_ref(), rules) {
                    self.intention.id = stamp.id;
                }
                *remote = copy;
            }
        }
    }
}

/// Sends a parked operation again, as it was: the attempts start anew, the idempotency key stays.
///
/// Where the server did not take it, and somebody else's version was seen meanwhile, it waits like an edit that was never sent: what the
/// server has is looked at before it is overwritten.
#[must_use]
pub fn reinstate(mut record: Record) -> Record {
    let Some(Parked { intention, if_match, frozen, reason, sent, .. }) = record.parked.take() else {
        return record;
    };
    let crossed = intention.crossed || reason.seen().is_some();
    let may_be_out = matches!(reason, ParkReason::Exhausted { .. });
    if crossed && !may_be_out {
        let echoes = intention.may_have_left(sent);
        record.queued = Some(Intention { echoes, crossed, ..intention });
    } else {
        let mut flight =
            Flight { intention, if_match, frozen, attempts: 0, sent, due: None, look_first: false };
        if crossed {
            flight.cross();
        }
        record.flight = Some(flight);
    }
    record
}

/// What is known of a record once its local edits were given up.
#[derive(Debug, Clone, PartialEq)]
pub enum GivenUp {
    /// The server has this, as far as it was seen.
    Known(ServerCopy),
    /// It had this before, and may have taken what is given up: it has to be asked.
    InDoubt(ServerCopy),
    /// It has to be asked: of what it has, only the version was kept, or another state may have been seen and not kept.
    Unknown,
}

/// Gives the record's local edits up, and says what is left to show.
#[must_use]
pub fn discard(record: Record, rules: &Rules) -> (Record, GivenUp) {
    let flight = record.flight.as_ref().map(|flight| &flight.intention);
    let parked = record.parked.as_ref().map(|parked| &parked.intention);
    let crossed = [flight, parked, record.queued.as_ref()].into_iter().flatten().any(|one| one.crossed);
    let before = if record.may_have_got_through() { GivenUp::InDoubt } else { GivenUp::Known };
    let seen = record.parked.and_then(|parked| parked.reason.seen().cloned());
    let base = match &seen {
        Some(seen) => seen.to_base(rules),
        None => record.base,
    };
    let known = match (seen, &base) {
        (Some(seen), _) => GivenUp::Known(seen),
        (None, _) if crossed => GivenUp::Unknown,
        (None, None) => before(ServerCopy::Deleted),
        (None, Some(Base { value: None, .. })) => GivenUp::Unknown,
        (None, Some(Base { version, value: Some(value) })) => {
            before(ServerCopy::Present { version: version.clone(), value: value.clone() })
        }
    };
    (Record { base, ..Record::default() }, known)
}

/// Gives up what is under way, and nothing that waits behind it.
#[must_use]
pub fn supersede(mut record: Record) -> Record {
    if let Some(queued) = record.queued.take() {
        record.queued = Some(match record.flight.take() {
            Some(flight) => in_place_of(&flight, queued, record.base.as_ref()),
            None => queued,
        });
    }
    record
}

impl Record {
    /// Whether the server may have taken something of what waits for it, without anybody here knowing.
    fn may_have_got_through(&self) -> bool {
        let flight = self.flight.as_ref().map(|flight| (&flight.intention, flight.sent));
        let parked = self.parked.as_ref().map(|parked| (&parked.intention, parked.sent));
        let queued = self.queued.as_ref().map(|queued| (queued, Sent::NotTaken));
        let all = [flight, parked, queued].into_iter().flatten();
        all.into_iter().any(|(one, sent)| sent != Sent::NotTaken || !one.echoes.is_empty())
    }
}
