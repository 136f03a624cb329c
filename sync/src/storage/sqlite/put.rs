//! Writing a record: its base and its pending edit, each where it belongs.

use rusqlite::{ToSql, params};

use super::place::Place;
use super::rows::{self, Columns, number};
use super::statements;
use super::transaction::SqliteTransaction;
use crate::record::{Base, Payload, Record, RecordKey, RecordRef, Version};
use crate::storage::StorageError;

/// Where a record was found.
#[derive(Debug)]
pub(super) struct Found {
    place: Option<Place>,
    has_base: bool,
}

impl SqliteTransaction<'_> {
    /// Stores a record, or removes its rows.
    pub(super) fn write(&mut self, name: &RecordRef, record: &Record) -> Result<(), StorageError> {
        let queue = self.queue(&name.entity)?;
        let found = match self.found.remove(name) {
            Some(found) => found,
            // Of the base nothing is known, so it is looked for.
            None => Found { place: self.find_place(queue, &name.key)?, has_base: true },
        };
        if found.has_base || record.base.is_some() {
            self.put_base(queue, name, record.base.as_ref())?;
        }
        self.put_pending(queue, name, found.place, record)
    }

    /// Spares the next `put` of this record the search.
    pub(super) fn remember(&mut self, name: &RecordRef, place: Option<Place>, record: &Record) {
        if !self.is_alone() {
            self.found.insert(name.clone(), Found { place, has_base: record.base.is_some() });
        }
    }

    /// Where a record stands in the outbox. Nothing is looked up in a queue that is empty, as it is in most pulls.
    pub(super) fn find_place(&self, queue: i64, key: &RecordKey) -> Result<Option<Place>, StorageError> {
        if !self.is_busy(queue) {
            return Ok(None);
        }
        let parameters = params![queue, key.as_str()];
        self.first(statements::FIND_PLACE, parameters, |row| self.number(row, 0).map(Place::from_id))
    }

    fn put_base(&self, queue: i64, name: &RecordRef, base: Option<&Base>) -> Result<(), StorageError> {
        let key = name.key.as_str();
        match base {
            Some(base) => {
                let version = base.version.as_ref().map(Version::as_str);
                let value = base.value.as_ref().map(Payload::to_stored).transpose();
                let value = value
                    .map_err(|error| StorageError::Row { record: name.clone(), reason: error.to_string() })?;
                self.execute(statements::PUT_BASE, params![queue, key, version, value])?
            }
            None => self.execute(statements::FORGET_BASE, params![queue, key])?,
        };
        Ok(())
    }

    fn put_pending(
        &mut self,
        queue: i64,
        name: &RecordRef,
        before: Option<Place>,
        record: &Record,
    ) -> Result<(), StorageError> {
        let unfit = |reason: String| StorageError::Row { record: name.clone(), reason };
        let place = Place::of(queue, record.lane()).map_err(|error| unfit(error.to_string()))?;
        match (before, place) {
            (None, None) => return Ok(()),
            (Some(before), None) => {
                if self.execute(statements::REMOVE_PENDING, [before.id()])? == 0 {
                    return Err(rows::disagreement(name));
                }
            }
            (before, Some(place)) => {
                let columns = Columns::of(name, record)
                    .map_err(|error| unfit(format!("it cannot be written as JSON: {error}")))?;
                let blocked_on = record.blocked_on.as_ref();
                let blocked_queue = blocked_on.map(|on| self.queue(&on.entity)).transpose()?;
                let (before, key) = (before.map(Place::id), name.key.as_str());
                let (sql, which): (_, &dyn ToSql) = match &before {
                    Some(before) => (statements::CHANGE_PENDING, before),
                    None => (statements::ADD_PENDING, &key),
                };
                let written = self.execute(
                    sql,
                    params![
                        which,
                        place.id(),
                        columns.revision,
                        columns.due,
                        columns.flight,
                        columns.queued,
                        columns.parked,
                        columns.parked_id,
                        blocked_queue,
                        blocked_on.map(|on| on.key.as_str()),
                        columns.has_references,
                    ],
                )?;
                if written == 0 {
                    return Err(rows::disagreement(name));
                }
                self.live.note_number(columns.revision);
                if columns.has_references {
                    self.refer(queue, name, record)?;
                }
            }
        }
        let (from, to) = (before.map(Place::lane), place.map(Place::lane));
        self.live.moved(queue, from, to);
        if let Some(touched) = &mut self.touched {
            touched.entry((queue, name.key.clone())).or_insert(from);
        }
        Ok(())
    }

    fn refer(&self, queue: i64, name: &RecordRef, record: &Record) -> Result<(), StorageError> {
        for (parent, seq) in rows::foreign_references(name, record) {
            let parent_queue = self.queue(&parent.entity)?;
            let parameters =
                params![parent_queue, parent.key.as_str(), number(seq), queue, name.key.as_str()];
            self.execute(statements::REFER, parameters)?;
        }
        Ok(())
    }
}
