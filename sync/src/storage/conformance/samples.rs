//! Records to try a storage with.

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use crate::record::{
    Base, EntityName, Flight, Intention, OperationId, ParkReason, Parked, Payload, Record, RecordKey,
    RecordRef, Refusal, Sent, Version, Write,
};

pub(super) const NOTE: EntityName = EntityName::new("Note");
pub(super) const TASK: EntityName = EntityName::new("Task");

/// A record of the entity `Note`.
pub(super) fn note(key: &str) -> RecordRef {
    name(NOTE, key)
}

/// A record of the entity `Task`.
pub(super) fn task(key: &str) -> RecordRef {
    name(TASK, key)
}

pub(super) fn name(entity: EntityName, key: &str) -> RecordRef {
    RecordRef::new(entity, RecordKey::new(key).expect("the key is a valid one"))
}

/// So many seconds after a fixed time, and some nanoseconds that must not get lost.
pub(super) fn at(seconds: i64) -> DateTime<Utc> {
    let start = DateTime::from_timestamp(1_790_000_000, 123_456_789).expect("the time is in range");
    start + TimeDelta::seconds(seconds)
}

pub(super) fn payload(text: &str) -> Payload {
    Payload::encode(&serde_json::json!({ "text": text })).expect("a JSON value can be encoded")
}

pub(super) fn operation(number: u64) -> OperationId {
    OperationId::from_uuid(Uuid::from_u128(u128::from(number)))
}

pub(super) fn intention(seq: u64) -> Intention {
    Intention {
        id: operation(seq),
        seq,
        revision: seq,
        made_at: at(0),
        write: Write::Create(payload("queued")),
        references: Vec::new(),
        decided: None,
        leaves: Vec::new(),
        not_before: None,
        rounds: 0,
        echoes: Vec::new(),
        crossed: false,
    }
}

/// A record that the server has and that nobody edited.
pub(super) fn known(version: &str) -> Record {
    let base = Base { version: Some(Version::new(version)), value: Some(payload("base")) };
    Record { base: Some(base), ..Record::default() }
}

/// A record that can be sent.
pub(super) fn ready(seq: u64) -> Record {
    Record { queued: Some(intention(seq)), ..Record::default() }
}

/// An operation that was not taken and is to be sent again.
pub(super) fn flight(intention: Intention) -> Flight {
    Flight {
        intention,
        if_match: None,
        frozen: None,
        attempts: 0,
        sent: Sent::NotTaken,
        due: Some(at(0)),
        look_first: false,
    }
}

/// A record that was sent and is to be sent again.
pub(super) fn waiting(seq: u64, due: DateTime<Utc>) -> Record {
    let flight = Flight { attempts: 1, sent: Sent::InDoubt, due: Some(due), ..flight(intention(seq)) };
    Record { flight: Some(flight), ..Record::default() }
}

/// A record that waits for the user.
pub(super) fn parked(seq: u64) -> Record {
    let refusal = Refusal { status: 422, problem: None };
    let reason = ParkReason::Refused { refusal, seen: None };
    let parked = Parked {
        intention: intention(seq),
        if_match: None,
        frozen: None,
        reason,
        since: at(0),
        sent: Sent::NotTaken,
    };
    Record { parked: Some(parked), ..Record::default() }
}

/// A record that waits for another one.
pub(super) fn blocked(seq: u64, on: &RecordRef) -> Record {
    Record { blocked_on: Some(on.clone()), ..ready(seq) }
}

/// A record that can be sent and refers to others.
pub(super) fn referring(seq: u64, to: &[&RecordRef]) -> Record {
    let references = to.iter().map(|name| (*name).clone()).collect();
    Record { queued: Some(Intention { references, ..intention(seq) }), ..Record::default() }
}

/// The names alone.
pub(super) fn names(found: &[(RecordRef, Record)]) -> Vec<&str> {
    found.iter().map(|(name, _)| name.key.as_str()).collect()
}
