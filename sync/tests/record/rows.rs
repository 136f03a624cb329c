//! Rows, written out part by part.

use chrono::{DateTime, TimeDelta, Utc};
use sync::record::{
    Base, EntityName, Flight, Frozen, Intention, OperationId, ParkReason, Parked, Record, RecordKey,
    RecordRef, Refusal, Rounds, Rules, Sent, ServerCopy, Stamp, Version, Write,
};
use uuid::Uuid;

use crate::server::payload;

/// The strategy needs the ancestor.
pub const KEEPS: Rules = Rules { keeps_base: true, ..FORGETS };
/// It does not.
pub const FORGETS: Rules = Rules {
    keeps_base: false,
    updated_at_member: None,
    unordered: &[],
    merges: false,
    optional: &[],
    reread: None,
    references: None,
};

pub fn at(second: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::seconds(second)
}

pub fn id(number: u64) -> OperationId {
    OperationId::from_uuid(Uuid::from_u128(number.into()))
}

pub fn stamp(number: u64) -> Stamp {
    let rounds = Rounds { limit: 3, later: at(900) };
    Stamp { id: id(number), seq: number, now: at(100), rounds }
}

pub fn name(key: &str) -> RecordRef {
    RecordRef::new(EntityName::new("Note"), RecordKey::new(key).unwrap())
}

pub fn create(value: u32) -> Write {
    Write::Create(payload(value))
}

pub fn update(value: u32) -> Write {
    Write::Update(payload(value))
}

pub fn overwrite(value: u32) -> Write {
    Write::Overwrite(payload(value))
}

/// The operation with this number, as it was pushed.
pub fn intention(number: u64, write: Write) -> Intention {
    Intention {
        id: id(number),
        seq: number,
        revision: number,
        made_at: at(0),
        write,
        references: Vec::new(),
        decided: None,
        leaves: Vec::new(),
        not_before: None,
        rounds: 0,
        echoes: Vec::new(),
        crossed: false,
    }
}

pub fn flight(number: u64, write: Write) -> Flight {
    Flight {
        intention: intention(number, write),
        if_match: None,
        frozen: Some(Frozen::default()),
        attempts: 0,
        sent: Sent::UnderWay,
        due: None,
        look_first: false,
    }
}

pub fn refused() -> ParkReason {
    ParkReason::Refused { refusal: Refusal { status: 422, problem: None }, seen: None }
}

pub fn parked(number: u64, write: Write, reason: ParkReason) -> Parked {
    Parked {
        intention: intention(number, write),
        if_match: Some(Version::new("1")),
        frozen: Some(Frozen::default()),
        reason,
        since: at(0),
        sent: Sent::NotTaken,
    }
}

/// What the server is known to have.
#[allow(clippy::unnecessary_wraps, reason = "it is what stands in a row")]
pub fn based(version: Option<&str>, value: Option<u32>) -> Option<Base> {
    Some(Base { version: version.map(Version::new), value: value.map(payload) })
}

pub fn present(version: Option<&str>, value: u32) -> ServerCopy {
    ServerCopy::Present { version: version.map(Version::new), value: payload(value) }
}

/// A record whose only part is an operation that waits.
pub fn queued(intention: Intention) -> Record {
    Record { queued: Some(intention), ..Record::default() }
}

/// A record whose only part is an operation that was sent.
pub fn flying(flight: Flight) -> Record {
    Record { flight: Some(flight), ..Record::default() }
}

/// A record whose only part is an operation that waits for the user.
pub fn aside(parked: Parked) -> Record {
    Record { parked: Some(parked), ..Record::default() }
}
