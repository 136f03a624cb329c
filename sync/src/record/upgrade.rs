//! What of a record is brought up to date when the entity's struct has changed.

use super::{Intention, ParkReason, Parked, Payload, Record, ServerCopy, Write};

impl Record {
    /// Everything that an edit is compared with; but not the base of what may be sent again under the same idempotency key, which says
    /// what of it changes.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut Payload> {
        let may_be_sent_again = |parked: &Parked| {
            matches!(parked.reason, ParkReason::Refused { .. } | ParkReason::Exhausted { .. })
        };
        let is_frozen = self.flight.is_some() || self.parked.as_ref().is_some_and(may_be_sent_again);
        let base = self.base.as_mut().filter(|_| !is_frozen).and_then(|base| base.value.as_mut());
        let seen = self.parked.as_mut().and_then(|parked| parked.reason.seen_mut());
        base.into_iter().chain(seen.and_then(ServerCopy::value_mut))
    }

    /// The edits; but not what was sent and may be sent again under the same idempotency key.
    pub(crate) fn edits_mut(&mut self) -> impl Iterator<Item = &mut Intention> {
        let deferred =
            self.parked.as_mut().filter(|parked| matches!(parked.reason, ParkReason::Deferred { .. }));
        self.queued.iter_mut().chain(deferred.map(|parked| &mut parked.intention))
    }
}

impl Write {
    pub(crate) fn payload_mut(&mut self) -> Option<&mut Payload> {
        match self {
            Self::Create(payload) | Self::Update(payload) | Self::Overwrite(payload) => Some(payload),
            Self::Delete => None,
        }
    }
}

impl ParkReason {
    fn seen_mut(&mut self) -> Option<&mut ServerCopy> {
        match self {
            Self::Refused { seen, .. } | Self::Exhausted { seen, .. } => seen.as_mut(),
            Self::Deferred { remote } => Some(remote),
        }
    }
}

impl ServerCopy {
    fn value_mut(&mut self) -> Option<&mut Payload> {
        match self {
            Self::Present { value, .. } => Some(value),
            Self::Deleted => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use uuid::Uuid;

    use super::*;
    use crate::record::{Base, Flight, OperationId, Sent};

    fn payload(number: u32) -> Payload {
        Payload::encode(&number).expect("a number is JSON")
    }

    fn intention(write: Write, echoes: Vec<Option<Payload>>) -> Intention {
        Intention {
            id: OperationId::from_uuid(Uuid::nil()),
            seq: 1,
            revision: 1,
            decided: None,
            made_at: DateTime::UNIX_EPOCH,
            write,
            references: Vec::new(),
            leaves: Vec::new(),
            not_before: None,
            rounds: 0,
            echoes,
            crossed: false,
        }
    }

    fn aside(reason: ParkReason) -> Record {
        let intention = intention(Write::Overwrite(payload(4)), vec![Some(payload(5))]);
        let parked = Parked {
            intention,
            if_match: None,
            frozen: None,
            reason,
            since: DateTime::UNIX_EPOCH,
            sent: Sent::InDoubt,
        };
        Record { parked: Some(parked), ..Record::default() }
    }

    fn found(mut record: Record) -> Vec<u32> {
        let number = |payload: &mut Payload| payload.decode().expect("it is a number");
        let mut found: Vec<_> = record.values_mut().map(number).collect();
        found.extend(record.edits_mut().filter_map(|edit| edit.write.payload_mut()).map(number));
        found
    }

    #[test]
    fn everything_but_what_was_sent_is_brought_up_to_date() {
        let record = Record {
            base: Some(Base { version: None, value: Some(payload(1)) }),
            flight: Some(Flight {
                intention: intention(Write::Create(payload(9)), vec![Some(payload(8))]),
                if_match: None,
                frozen: None,
                attempts: 0,
                sent: Sent::UnderWay,
                due: None,
                look_first: false,
            }),
            queued: Some(intention(Write::Update(payload(2)), vec![None, Some(payload(3))])),
            ..Record::default()
        };
        assert_eq!(found(record.clone()), [2]);
        assert_eq!(found(Record { flight: None, ..record }), [1, 2]);
        let deletion = intention(Write::Delete, Vec::new());
        assert!(found(Record { queued: Some(deletion), ..Record::default() }).is_empty());
        let creation = intention(Write::Create(payload(2)), Vec::new());
        assert_eq!(found(Record { queued: Some(creation), ..Record::default() }), [2]);
    }

    #[test]
    fn so_is_what_was_seen_beside_a_parked_operation() {
        let seen = ServerCopy::Present { version: None, value: payload(6) };
        let last = || "status 500".to_owned();
        let exhausted = |seen| ParkReason::Exhausted { attempts: 4, last: last(), seen };
        assert_eq!(found(aside(exhausted(None))), [0; 0], "it may be sent again as it was");
        assert_eq!(found(aside(exhausted(Some(seen.clone())))), [6]);
        assert_eq!(found(aside(ParkReason::Deferred { remote: seen })), [6, 4]);
        assert_eq!(found(aside(ParkReason::Deferred { remote: ServerCopy::Deleted })), [4]);
    }
}
