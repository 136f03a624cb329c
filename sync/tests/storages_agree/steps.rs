//! What work does in a transaction.

use chrono::{DateTime, Utc};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use sync::record::{Base, EntityName, Intention, Payload, Record, RecordRef};
use sync::storage::{Cursor, IndexEntry, StorageError, Transaction};

use crate::look::{Seen, look};
use crate::samples::{
    ENTITIES, base, due, entries, flight, new, numbered, parked, payload, record, some_name,
};

/// So many numbers a step may give out.
pub const NUMBERS: u64 = 12;

#[derive(Debug, Clone)]
pub enum Step {
    /// A record is written, whatever there was.
    Put(RecordRef, Box<Record>),
    /// It is written after it was read.
    Change(RecordRef, Change),
    Release(RecordRef),
    Enter(RecordRef, Vec<IndexEntry>),
    ClearIndex(EntityName),
    /// A note and a cursor are left, or removed.
    Leave(Option<String>),
    Look,
}

/// What becomes of a record that was read.
#[derive(Debug, Clone)]
pub enum Change {
    /// Another one takes its place.
    Replace(Box<Record>),
    /// The edit that waits becomes another one, and keeps its place.
    Edit(Payload),
    /// It is sent.
    Launch(Option<DateTime<Utc>>),
    /// The server has taken it.
    Settle(Base),
    /// The server has refused it.
    Park,
}

/// What a step tells.
#[derive(Debug, PartialEq)]
pub enum Told {
    Nothing,
    Record(Option<Box<Record>>),
    Released(u64),
    Everything(Box<Seen>),
}

pub fn step() -> impl Strategy<Value = Step> {
    let change = prop_oneof![
        2 => record().prop_map(|record| Change::Replace(Box::new(record))),
        2 => payload().prop_map(Change::Edit),
        1 => due().prop_map(Change::Launch),
        1 => base().prop_map(Change::Settle),
        1 => Just(Change::Park),
    ];
    prop_oneof![
        4 => (some_name(), record()).prop_map(|(name, record)| Step::Put(name, Box::new(record))),
        6 => (some_name(), change).prop_map(|(name, change)| Step::Change(name, change)),
        1 => some_name().prop_map(Step::Release),
        2 => (some_name(), entries()).prop_map(|(name, entries)| Step::Enter(name, entries)),
        1 => select(ENTITIES.to_vec()).prop_map(Step::ClearIndex),
        1 => of("[ab]").prop_map(Step::Leave),
        1 => Just(Step::Look),
    ]
}

impl Step {
    /// Takes the step; what it writes has this number, or one of those after it.
    pub fn take(&self, number: u64, tx: &mut dyn Transaction) -> Result<Told, StorageError> {
        match self {
            Self::Put(name, record) => tx.put(name, &numbered(record, number))?,
            Self::Change(name, change) => {
                let before = tx.record(name)?;
                tx.put(name, &change.of(before.clone().unwrap_or_default(), number))?;
                return Ok(Told::Record(before.map(Box::new)));
            }
            Self::Release(on) => return tx.release(on).map(Told::Released),
            Self::Enter(name, entries) => tx.set_index(name, entries)?,
            Self::ClearIndex(entity) => tx.clear_index(entity)?,
            Self::Leave(text) => {
                tx.set_note("note", text.as_deref())?;
                tx.set_cursor(&ENTITIES[0], text.as_deref().map(Cursor::new).as_ref())?;
            }
            Self::Look => return look(tx).map(|seen| Told::Everything(Box::new(seen))),
        }
        Ok(Told::Nothing)
    }
}

impl Change {
    fn of(&self, mut record: Record, number: u64) -> Record {
        match self {
            Self::Replace(other) => record = numbered(other, number),
            Self::Edit(value) => {
                let newest = new(number, value.clone());
                record.queued = Some(match record.queued {
                    Some(earlier) => Intention { write: newest.write, revision: number, ..earlier },
                    None => newest,
                });
            }
            Self::Launch(due) if record.flight.is_none() => {
                record.flight = record.queued.take().map(|queued| flight(queued, *due));
            }
            Self::Settle(base) if record.flight.is_some() => {
                record = Record { base: Some(base.clone()), flight: None, blocked_on: None, ..record };
            }
            Self::Park => {
                if let Some(refused) = record.flight.take() {
                    record = Record { parked: Some(parked(refused.intention)), blocked_on: None, ..record };
                }
            }
            Self::Launch(_) | Self::Settle(_) => {}
        }
        record
    }
}
