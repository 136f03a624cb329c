//! Names, records and values, few enough to meet again.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::collection::vec;
use proptest::option::{of, weighted};
use proptest::prelude::*;
use sync::record::{
    Base, EntityName, Flight, Intention, OperationId, ParkReason, Parked, Payload, Record, RecordKey,
    RecordRef, Refusal, Sent, Version, Write,
};
use sync::storage::{IndexEntry, IndexValue};
use uuid::Uuid;

pub const ENTITIES: [EntityName; 2] = [EntityName::new("Note"), EntityName::new("Task")];
pub const KEYS: usize = 6;

pub fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_790_000_000, 5).unwrap() + TimeDelta::seconds(seconds)
}

pub fn name(entity: usize, key: usize) -> RecordRef {
    RecordRef::new(ENTITIES[entity].clone(), RecordKey::new(format!("k{key}")).unwrap())
}

pub fn some_name() -> impl Strategy<Value = RecordRef> {
    (0..ENTITIES.len(), 0..KEYS).prop_map(|(entity, key)| name(entity, key))
}

pub fn payload() -> impl Strategy<Value = Payload> {
    (0..9).prop_map(|number| Payload::encode(&number).unwrap())
}

pub fn due() -> impl Strategy<Value = Option<DateTime<Utc>>> {
    of((0..20_i64).prop_map(at))
}

pub fn base() -> impl Strategy<Value = Base> {
    (of("[12]"), of(payload()))
        .prop_map(|(version, value)| Base { version: version.map(Version::new), value })
}

/// Most operations refer to nothing.
fn parents() -> impl Strategy<Value = Vec<RecordRef>> {
    weighted(0.3, vec(some_name(), 1..3)).prop_map(Option::unwrap_or_default)
}

/// Its numbers count from that of the operation, which it gets when it is written.
fn intention() -> impl Strategy<Value = Intention> {
    let decided = weighted(0.1, 0..4_u64);
    (payload(), 0..3_u64, parents(), parents(), due(), decided).prop_map(
        |(value, revision, references, leaves, not_before, decided)| Intention {
            revision,
            references,
            leaves,
            not_before,
            decided,
            ..new(0, value)
        },
    )
}

/// A first edit.
pub fn new(number: u64, value: Payload) -> Intention {
    Intention {
        id: id(number),
        seq: number,
        revision: number,
        made_at: at(0),
        write: Write::Create(value),
        references: Vec::new(),
        decided: None,
        leaves: Vec::new(),
        not_before: None,
        rounds: 0,
        echoes: Vec::new(),
        crossed: false,
    }
}

fn id(number: u64) -> OperationId {
    OperationId::from_uuid(Uuid::from_u128(number.into()))
}

pub fn flight(intention: Intention, due: Option<DateTime<Utc>>) -> Flight {
    Flight {
        intention,
        if_match: None,
        frozen: None,
        attempts: 0,
        sent: Sent::UnderWay,
        due,
        look_first: false,
    }
}

pub fn parked(intention: Intention) -> Parked {
    let reason = ParkReason::Refused { refusal: Refusal { status: 422, problem: None }, seen: None };
    Parked { intention, if_match: None, frozen: None, reason, since: at(0), sent: Sent::NotTaken }
}

/// Any that there can be, also an empty one, but for the numbers of its operations.
pub fn record() -> impl Strategy<Value = Record> {
    let flight = (intention(), due()).prop_map(|(intention, due)| flight(intention, due));
    (
        weighted(0.3, base()),
        weighted(0.3, flight),
        weighted(0.6, intention()),
        weighted(0.2, intention().prop_map(parked)),
        weighted(0.3, some_name()),
    )
        .prop_map(|(base, flight, queued, parked, on)| {
            let waits = flight.is_some() || queued.is_some();
            Record { base, flight, queued, parked, blocked_on: on.filter(|_| waits) }
        })
}

/// The record with operations from this number on, which takes four numbers for each of them.
pub fn numbered(record: &Record, number: u64) -> Record {
    let mut record = record.clone();
    let flight = record.flight.iter_mut().map(|flight| &mut flight.intention);
    let parked = record.parked.iter_mut().map(|parked| &mut parked.intention);
    let intentions = flight.chain(record.queued.iter_mut()).chain(parked);
    for (intention, number) in intentions.zip((number..).step_by(4)) {
        intention.id = id(number);
        intention.seq = number;
        intention.revision += number;
        intention.decided = intention.decided.map(|decided| number + decided);
    }
    record
}

fn value() -> impl Strategy<Value = IndexValue> {
    prop_oneof![
        Just(IndexValue::Null),
        any::<bool>().prop_map(IndexValue::Bool),
        (-1..4_i64).prop_map(IndexValue::Integer),
        (9_007_199_254_740_992..9_007_199_254_740_995_i64).prop_map(IndexValue::Integer),
        Just(IndexValue::real(1.5)),
        "[ab]?".prop_map(IndexValue::text),
    ]
}

/// Of both fields, or none.
pub fn entries() -> impl Strategy<Value = Vec<IndexEntry>> {
    weighted(0.9, [value(), value()]).prop_map(|values| {
        let entry = |(field, value)| IndexEntry { field, value };
        values
            .map(|values| ["rank", "colour"].into_iter().zip(values).map(entry).collect())
            .unwrap_or_default()
    })
}
