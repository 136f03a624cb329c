//! A record as a row, and back.

use chrono::{DateTime, Utc};
use rusqlite::Row;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::record::{EntityName, Lane, Record, RecordKey, RecordRef};
use crate::storage::StorageError;

/// The columns of a record, in the order in which [`record`] reads them.
pub(super) const COLUMNS: &str = "base, flight, queued, parked, blocked_on, blocked_key";

/// The columns of a record and its name, in the order in which [`named`] reads them.
pub(super) const NAMED: &str = "base, flight, queued, parked, blocked_on, blocked_key, entity, key";

/// What is written of a record.
pub(super) struct Columns {
    pub(super) lane: Option<&'static str>,
    pub(super) seq: Option<i64>,
    pub(super) revision: Option<i64>,
    pub(super) due: Option<i64>,
    pub(super) base: Option<String>,
    pub(super) flight: Option<String>,
    pub(super) queued: Option<String>,
    pub(super) parked: Option<String>,
    pub(super) parked_id: Option<String>,
}

impl Columns {
    pub(super) fn of(name: &RecordRef, record: &Record) -> Result<Self, StorageError> {
        let lane = record.lane();
        let due = match lane {
            Lane::Waiting { due, .. } => Some(due.timestamp_millis()),
            _ => None,
        };
        let newest = record.newest().map(|newest| newest.revision);
        Ok(Self {
            lane: lane.seq().map(|_| lane.name()),
            seq: lane.seq().map(signed),
            revision: newest.filter(|newest| lane.seq() != Some(*newest)).map(signed),
            due,
            base: text(name, record.base.as_ref())?,
            flight: text(name, record.flight.as_ref())?,
            queued: text(name, record.queued.as_ref())?,
            parked: text(name, record.parked.as_ref())?,
            parked_id: record.parked.as_ref().map(|parked| parked.intention.id.to_string()),
        })
    }
}

/// SQLite's integers are signed; an outbox never has 2⁶³ operations.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(super) fn time(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}

fn text<T: Serialize>(name: &RecordRef, part: Option<&T>) -> Result<Option<String>, StorageError> {
    part.map(serde_json::to_string)
        .transpose()
        .map_err(|error| StorageError::Row { record: name.clone(), reason: error.to_string() })
}

fn part<T: DeserializeOwned>(
    name: &RecordRef,
    row: &Row<'_>,
    column: usize,
) -> Result<Option<T>, StorageError> {
    let text = row.get_ref(column)?.as_str_or_null().map_err(|error| unreadable(name, &error))?;
    text.map(serde_json::from_str).transpose().map_err(|error| unreadable(name, &error))
}

fn unreadable(name: &RecordRef, reason: &dyn ToString) -> StorageError {
    StorageError::Row { record: name.clone(), reason: reason.to_string() }
}

/// Reads a row of [`COLUMNS`].
pub(super) fn record(name: &RecordRef, row: &Row<'_>) -> Result<Record, StorageError> {
    let blocked_on = match (row.get::<_, Option<String>>(4)?, row.get::<_, Option<String>>(5)?) {
        (Some(entity), Some(key)) => Some(self::name(entity, key)?),
        _ => None,
    };
    Ok(Record {
        base: part(name, row, 0)?,
        flight: part(name, row, 1)?,
        queued: part(name, row, 2)?,
        parked: part(name, row, 3)?,
        blocked_on,
    })
}

/// Reads a row of [`NAMED`].
pub(super) fn named(row: &Row<'_>) -> Result<(RecordRef, Record), StorageError> {
    let name = name(row.get(6)?, row.get(7)?)?;
    let record = record(&name, row)?;
    Ok((name, record))
}

/// A record's name out of its columns.
pub(super) fn name(entity: String, key: String) -> Result<RecordRef, StorageError> {
    let entity = EntityName::from_stored(entity);
    let key = RecordKey::new(key).map_err(|error| StorageError::Io(error.into()))?;
    Ok(RecordRef::new(entity, key))
}
