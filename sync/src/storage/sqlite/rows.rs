//! From rows to a [`Record`] and back.

use chrono::{DateTime, Datelike, Utc};
use rusqlite::Row;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::record::{Base, EntityName, Payload, Record, RecordKey, RecordRef, Version};
use crate::storage::StorageError;

/// Where the columns stand in every statement that selects records.
mod column {
    pub(super) const ENTITY: usize = 0;
    pub(super) const KEY: usize = 1;
    pub(super) const ON_SERVER: usize = 2;
    pub(super) const BASE_VERSION: usize = 3;
    // The value follows the version.
    pub(super) const FLIGHT: usize = 5;
    pub(super) const QUEUED: usize = 6;
    pub(super) const PARKED: usize = 7;
    pub(super) const BLOCKED_ENTITY: usize = 8;
    pub(super) const BLOCKED_KEY: usize = 9;
    // After these, where a statement tells no names: the number of the blocker's queue, and its key.
    pub(super) const BLOCKED_QUEUE: usize = 10;
}

/// The name of a record, from the first two columns. Without it, nobody knows what a row is about: the error is what is wrong with
/// the file.
pub(super) fn read_name(row: &Row<'_>) -> Result<RecordRef, String> {
    let entity = part(row, column::ENTITY).map_err(|reason| format!("the entity of a row: {reason}"))?;
    Ok(RecordRef::new(EntityName::from_stored(entity.to_owned()), read_key(row, column::KEY)?))
}

/// The key of a record, or what is wrong with the file.
pub(super) fn read_key(row: &Row<'_>, index: usize) -> Result<RecordKey, String> {
    let unfit = |reason: String| format!("the key of a row: {reason}");
    RecordKey::new(part(row, index).map_err(unfit)?).map_err(|error| unfit(error.to_string()))
}

fn part<'row>(row: &'row Row<'_>, index: usize) -> Result<&'row str, String> {
    text(row, index)?.ok_or_else(|| "it is NULL".to_owned())
}

/// The record of a row whose name is known.
pub(super) fn read(row: &Row<'_>, name: &RecordRef) -> Result<Record, StorageError> {
    read_columns(row).map_err(|reason| StorageError::Row { record: name.clone(), reason })
}

fn read_columns(row: &Row<'_>) -> Result<Record, String> {
    let on_server = row.get::<_, bool>(column::ON_SERVER).map_err(|error| error.to_string())?;
    let base = if on_server { Some(base(row, column::BASE_VERSION)?) } else { None };
    let blocked_on = match (text(row, column::BLOCKED_ENTITY)?, text(row, column::BLOCKED_KEY)?) {
        (Some(entity), Some(key)) => {
            let key = RecordKey::new(key).map_err(|error| format!("blocked_key: {error}"))?;
            Some(RecordRef::new(EntityName::from_stored(entity.to_owned()), key))
        }
        _ => None,
    };
    Ok(Record {
        base,
        flight: json(row, column::FLIGHT, "flight")?,
        queued: json(row, column::QUEUED, "queued")?,
        parked: json(row, column::PARKED, "parked")?,
        blocked_on,
    })
}

/// The number of the queue of the record that this one is blocked on, and its key.
pub(super) fn read_blocker(
    row: &Row<'_>,
    name: &RecordRef,
) -> Result<Option<(i64, RecordKey)>, StorageError> {
    let unfit = |reason: String| StorageError::Row { record: name.clone(), reason };
    let queue: Option<i64> =
        row.get(column::BLOCKED_QUEUE).map_err(|error| unfit(format!("blocked_queue: {error}")))?;
    let key = text(row, column::BLOCKED_QUEUE + 1).map_err(unfit)?;
    let key = key.map(RecordKey::new).transpose().map_err(|error| unfit(format!("blocked_key: {error}")))?;
    Ok(queue.zip(key))
}

/// What the server has of a record, from a row of `sync_bases`.
pub(super) fn read_base(row: &Row<'_>, name: &RecordRef) -> Result<Base, StorageError> {
    base(row, 0).map_err(|reason| StorageError::Row { record: name.clone(), reason })
}

/// Two columns: the version and the value.
fn base(row: &Row<'_>, first: usize) -> Result<Base, String> {
    let version = text(row, first)?.map(Version::new);
    let value = text(row, first + 1)?.map(Payload::from_stored).transpose();
    Ok(Base { version, value: value.map_err(|error| format!("the base is not JSON: {error}"))? })
}

fn text<'row>(row: &'row Row<'_>, index: usize) -> Result<Option<&'row str>, String> {
    let value = row.get_ref(index).map_err(|error| error.to_string())?;
    value.as_str_or_null().map_err(|error| error.to_string())
}

fn json<T: DeserializeOwned>(row: &Row<'_>, index: usize, name: &str) -> Result<Option<T>, String> {
    let Some(text) = text(row, index)? else { return Ok(None) };
    serde_json::from_str(text).map(Some).map_err(|error| format!("{name} cannot be read: {error}"))
}

/// What the columns of a record with a pending edit are to be. Its name and place stand elsewhere, and so do its base and what it is
/// blocked on.
pub(super) struct Columns {
    pub(super) revision: i64,
    pub(super) due: Option<String>,
    pub(super) flight: Option<String>,
    pub(super) queued: Option<String>,
    pub(super) parked: Option<String>,
    pub(super) parked_id: Option<String>,
    pub(super) has_references: bool,
}

impl Columns {
    pub(super) fn of(name: &RecordRef, record: &Record) -> serde_json::Result<Self> {
        let not_before = || record.queued.as_ref().and_then(|queued| queued.not_before);
        // A blocked record keeps its due time: that is what it falls back to when it is released.
        let due = record.flight.as_ref().map_or_else(not_before, |flight| flight.due);
        Ok(Self {
            revision: record.greatest_number().map_or(0, number),
            due: due.map(moment),
            flight: encode(record.flight.as_ref())?,
            queued: encode(record.queued.as_ref())?,
            parked: encode(record.parked.as_ref())?,
            parked_id: record.parked.as_ref().map(|parked| parked.intention.id.to_string()),
            has_references: foreign_references(name, record).next().is_some(),
        })
    }
}

/// Whether a record has nothing in the columns that most records leave empty.
pub(super) fn is_plain(name: &RecordRef, record: &Record) -> bool {
    record.parked.is_none()
        && record.blocked_on.is_none()
        && foreign_references(name, record).next().is_none()
}

/// What a record waits to have a place behind, without itself.
pub(super) fn foreign_references<'a>(
    name: &'a RecordRef,
    record: &'a Record,
) -> impl Iterator<Item = (&'a RecordRef, u64)> {
    record.waiting_references().filter(move |(parent, _)| *parent != name)
}

fn encode<T: Serialize>(value: Option<&T>) -> serde_json::Result<Option<String>> {
    value.map(serde_json::to_string).transpose()
}

/// SQLite's integers are signed. No device makes 2^63 edits.
pub(super) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A limit for SQLite, which means none by a number that is large enough.
pub(super) fn size(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// A time as text that sorts like the time: always nine decimals, and a year of four digits.
pub(super) fn moment(time: DateTime<Utc>) -> String {
    match time.year() {
        ..0 => "0000-01-01T00:00:00.000000000Z".to_owned(),
        0..=9999 => crate::record::moment::long(time),
        _ => "9999-12-31T23:59:59.999999999Z".to_owned(),
    }
}
