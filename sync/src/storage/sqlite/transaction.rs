//! [`Transaction`] over a SQLite connection.

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row, ToSql, params};

use super::failure::Failures;
use super::live::Live;
use super::numbers::Numbers;
use super::place::{LANE_STEP, LANES, Place, PlaceLane};
use super::places::First;
use super::rows::{self, Columns, moment, number, size};
use super::statements;
use super::thread::OwnWork;
use crate::record::{
    Base, EntityName, OperationId, Payload, Principal, Record, RecordKey, RecordRef, Version,
};
use crate::storage::{Counts, Cursor, SetAside, StorageError, Transaction};

/// A transaction on a [`SqliteStorage`](super::SqliteStorage), which the user's own statements can join.
#[derive(Debug)]
pub struct SqliteTransaction<'a> {
    connection: &'a Connection,
    principal: &'a Principal,
    pub(super) failures: &'a Failures,
    numbers: &'a Numbers,
    live: &'a Live,
    /// The records that were read and not written since: mostly they are written next.
    found: HashMap<RecordRef, Found>,
    /// In work that has the connection at hand: the records that were written, and the lanes in which they were before. Such work
    /// may undo a part of itself, so what is remembered besides the file is not relied on.
    touched: Option<BTreeMap<(i64, RecordKey), Option<PlaceLane>>>,
}

/// Where a record was found.
#[derive(Debug)]
struct Found {
    place: Option<Place>,
    has_base: bool,
}

impl<'a> SqliteTransaction<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        principal: &'a Principal,
        failures: &'a Failures,
        numbers: &'a Numbers,
        live: &'a Live,
    ) -> Self {
        Self { connection, principal, failures, numbers, live, found: HashMap::new(), touched: None }
    }

    /// Runs work that has the connection at hand. It may undo what it did with savepoints of its own, so the counts are
    /// put right afterwards.
    pub(super) fn run_alone(&mut self, work: OwnWork) -> Result<(), StorageError> {
        let mark = self.live.mark();
        self.touched = Some(BTreeMap::new());
        work(self)?;
        self.live.undo_to(mark);
        for ((queue, key), before) in self.touched.iter().flatten() {
            let now = self.find_place(*queue, key)?;
            self.live.moved(*queue, *before, now.map(Place::lane));
        }
        Ok(())
    }

    /// The connection, for statements on tables of your own in the same file: they are committed, or rolled back,
    /// together with everything else in this transaction.
    ///
    /// Leave `BEGIN`, `COMMIT` and `ROLLBACK` to the storage (savepoints of your own are fine), and only read the tables
    /// `records` and `sync_…`.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        self.connection
    }

    fn statement(&self, sql: &str) -> Result<CachedStatement<'a>, StorageError> {
        self.connection.prepare_cached(sql).map_err(|error| self.failures.note(error))
    }

    fn execute(&self, sql: &str, parameters: impl Params) -> Result<usize, StorageError> {
        self.statement(sql)?.execute(parameters).map_err(|error| self.failures.note(error))
    }

    pub(super) fn principal(&self) -> &str {
        self.principal.as_str()
    }

    pub(super) fn text(&self, row: &Row<'_>, column: usize) -> Result<String, StorageError> {
        row.get(column).map_err(|error| self.failures.note(error))
    }

    pub(super) fn number(&self, row: &Row<'_>, column: usize) -> Result<i64, StorageError> {
        row.get(column).map_err(|error| self.failures.note(error))
    }

    pub(super) fn first<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        read: impl FnOnce(&Row<'_>) -> Result<T, StorageError>,
    ) -> Result<Option<T>, StorageError> {
        let mut statement = self.statement(sql)?;
        let mut rows = statement.query(parameters).map_err(|error| self.failures.note(error))?;
        rows.next().map_err(|error| self.failures.note(error))?.map(read).transpose()
    }

    pub(super) fn all<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        read: impl Fn(&Row<'_>) -> Result<T, StorageError>,
    ) -> Result<Vec<T>, StorageError> {
        let mut statement = self.statement(sql)?;
        let mut rows = statement.query(parameters).map_err(|error| self.failures.note(error))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(|error| self.failures.note(error))? {
            found.push(read(row)?);
        }
        Ok(found)
    }

    fn cell(&self, sql: &str, parameters: impl Params) -> Result<Option<String>, StorageError> {
        let cell = self.statement(sql)?.query_row(parameters, |row| row.get(0)).optional();
        cell.map_err(|error| self.failures.note(error))
    }

    /// The number of an entity's queue; `None` when nothing was ever known of the entity.
    pub(super) fn find_queue(&self, entity: &EntityName) -> Result<Option<i64>, StorageError> {
        let known = if self.is_alone() { None } else { self.numbers.find(self.principal, entity) };
        if known.is_some() {
            return Ok(known);
        }
        let parameters = params![self.principal(), entity.as_str()];
        let found = self.first(statements::FIND_QUEUE, parameters, |row| self.number(row, 0))?;
        if let Some(found) = found {
            self.numbers.remember(self.principal, entity, found);
        }
        Ok(found)
    }

    fn queue(&self, entity: &EntityName) -> Result<i64, StorageError> {
        if let Some(found) = self.find_queue(entity)? {
            return Ok(found);
        }
        let parameters = params![self.principal(), entity.as_str()];
        let mut statement = self.statement(statements::MAKE_QUEUE)?;
        let made = statement.query_row(parameters, |row| row.get(0));
        let made = made.map_err(|error| self.failures.note(error))?;
        self.numbers.remember(self.principal, entity, made);
        Ok(made)
    }

    /// The queues with something in them.
    pub(super) fn busy_queues(&self) -> Result<Vec<(i64, EntityName)>, StorageError> {
        let mut queues = self.queues()?;
        queues.retain(|(queue, _)| self.is_busy(*queue));
        Ok(queues)
    }

    fn queues(&self) -> Result<Vec<(i64, EntityName)>, StorageError> {
        self.all(statements::QUEUES, [self.principal()], |row| {
            Ok((self.number(row, 0)?, EntityName::from_stored(self.text(row, 1)?)))
        })
    }

    /// Spares the next `put` of this record the search.
    pub(super) fn remember(&mut self, name: &RecordRef, place: Option<Place>, record: &Record) {
        if !self.is_alone() {
            self.found.insert(name.clone(), Found { place, has_base: record.base.is_some() });
        }
    }

    fn is_alone(&self) -> bool {
        self.touched.is_some()
    }

    /// Whether any record of the queue may have a pending edit.
    fn is_busy(&self, queue: i64) -> bool {
        self.is_alone() || self.live.count(queue) != Counts::default()
    }

    /// Where a record stands in the outbox. Nothing is looked up in a queue that is empty, as it is in most pulls.
    fn find_place(&self, queue: i64, key: &RecordKey) -> Result<Option<Place>, StorageError> {
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
                let value = base.value.as_ref().map(Payload::as_str);
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
                self.execute(statements::REMOVE_PENDING, [before.id()])?;
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
                self.execute(
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

impl Transaction for SqliteTransaction<'_> {
    fn record(&mut self, name: &RecordRef) -> Result<Option<Record>, StorageError> {
        let Some(queue) = self.find_queue(&name.entity)? else { return Ok(None) };
        let place = self.find_place(queue, &name.key)?;
        let record = if let Some(place) = place {
            self.first(statements::AT_PLACE, [place.id()], |row| rows::read(row, name))?
        } else {
            let parameters = params![queue, name.key.as_str()];
            self.first(statements::BASE, parameters, |row| rows::read_base(row, name))?
        };
        self.remember(name, place, record.as_ref().unwrap_or(&Record::default()));
        Ok(record)
    }

    fn put(&mut self, name: &RecordRef, record: &Record) -> Result<(), StorageError> {
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

    fn sendable(
        &mut self,
        now: DateTime<Utc>,
        horizon: TimeDelta,
        limit: usize,
        except: &HashSet<RecordRef>,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        let latest = now.checked_add_signed(horizon).unwrap_or(DateTime::<Utc>::MAX_UTC).max(now);
        let mut found = self.due_between("", &moment(now), First::new(limit, except))?;
        if found.len() < limit {
            // `~` sorts after every digit.
            let first = First::new(limit - found.len(), except);
            found.extend(self.due_between(&moment(latest), "~", first)?);
        }
        if found.len() < limit {
            let first = First::new(limit - found.len(), except);
            found.extend(self.in_lanes(&[PlaceLane::Ready], None, None, first)?);
        }
        Ok(found)
    }

    fn next_due(&mut self) -> Result<Option<DateTime<Utc>>, StorageError> {
        let mut earliest: Option<String> = None;
        for (queue, _) in self.busy_queues()? {
            let due = self.cell(statements::NEXT_DUE, [queue])?;
            earliest = earliest.into_iter().chain(due).min();
        }
        let Some(due) = earliest else { return Ok(None) };
        match DateTime::parse_from_rfc3339(&due) {
            Ok(due) => Ok(Some(due.to_utc())),
            Err(error) => Err(StorageError::Corrupt(format!("the due time `{due}`: {error}").into())),
        }
    }

    fn pending(
        &mut self,
        entity: Option<&EntityName>,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        self.in_lanes(&LANES, entity, after, First::new(limit, &HashSet::new()))
    }

    fn parked(
        &mut self,
        entity: Option<&EntityName>,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        self.in_lanes(&[PlaceLane::Parked], entity, after, First::new(limit, &HashSet::new()))
    }

    fn parked_by_id(&mut self, id: OperationId) -> Result<Option<(RecordRef, Record)>, StorageError> {
        let parameters = params![self.principal(), id.to_string()];
        self.first(statements::PARKED_BY_ID, parameters, rows::read_named)
    }

    fn release(&mut self, on: &RecordRef) -> Result<u64, StorageError> {
        let Some(queue) = self.find_queue(&on.entity)? else { return Ok(0) };
        let freed = self.execute(statements::RELEASE, params![queue, on.key.as_str(), LANE_STEP])?;
        // They stand elsewhere now.
        self.found.clear();
        Ok(u64::try_from(freed).unwrap_or(u64::MAX))
    }

    fn earlier_child(&mut self, parent: &RecordRef, before: u64) -> Result<Option<RecordRef>, StorageError> {
        let Some(queue) = self.find_queue(&parent.entity)? else { return Ok(None) };
        let parameters = params![queue, parent.key.as_str(), number(before)];
        self.first(statements::EARLIER_CHILD, parameters, rows::read_name)
    }

    fn counts(&mut self) -> Result<Vec<(EntityName, Counts)>, StorageError> {
        let counted = |(queue, entity)| (entity, self.live.count(queue));
        let counts = self.queues()?.into_iter().map(counted);
        Ok(counts.filter(|(_, count)| *count != Counts::default()).collect())
    }

    fn last_seq(&mut self) -> Result<u64, StorageError> {
        Ok(u64::try_from(self.live.last_number()).unwrap_or(0))
    }

    fn cursor(&mut self, entity: &EntityName) -> Result<Option<Cursor>, StorageError> {
        let cursor = self.cell(statements::CURSOR, params![self.principal(), entity.as_str()])?;
        Ok(cursor.map(Cursor::new))
    }

    fn set_cursor(&mut self, entity: &EntityName, cursor: Option<&Cursor>) -> Result<(), StorageError> {
        let (principal, entity) = (self.principal(), entity.as_str());
        match cursor {
            Some(cursor) => {
                self.execute(statements::SET_CURSOR, params![principal, entity, cursor.as_str()])?
            }
            None => self.execute(statements::FORGET_CURSOR, params![principal, entity])?,
        };
        Ok(())
    }

    fn note(&mut self, name: &str) -> Result<Option<String>, StorageError> {
        self.cell(statements::NOTE, params![self.principal(), name])
    }

    fn set_note(&mut self, name: &str, text: Option<&str>) -> Result<(), StorageError> {
        let principal = self.principal();
        match text {
            Some(text) => self.execute(statements::SET_NOTE, params![principal, name, text])?,
            None => self.execute(statements::FORGET_NOTE, params![principal, name])?,
        };
        Ok(())
    }

    fn set_aside(&mut self, item: &SetAside) -> Result<(), StorageError> {
        let parameters = params![
            self.principal(),
            item.entity.as_str(),
            item.identity(),
            item.key.as_ref().map(RecordKey::as_str),
            item.item,
            item.error,
            moment(item.since),
        ];
        self.execute(statements::SET_ASIDE, parameters)?;
        Ok(())
    }

    fn items_aside(&mut self, entity: &EntityName, limit: usize) -> Result<Vec<SetAside>, StorageError> {
        let parameters = params![self.principal(), entity.as_str(), size(limit)];
        self.all(statements::ITEMS_ASIDE, parameters, |row| {
            let read = || -> rusqlite::Result<_> {
                Ok((row.get::<_, Option<String>>(0)?, row.get(1)?, row.get(2)?, row.get::<_, String>(3)?))
            };
            let (key, item, error, since) = read().map_err(|error| self.failures.note(error))?;
            let corrupt = |error: crate::BoxError| StorageError::Corrupt(error);
            let key = key.map(RecordKey::new).transpose().map_err(|error| corrupt(error.into()))?;
            let since = DateTime::parse_from_rfc3339(&since).map_err(|error| corrupt(error.into()))?;
            Ok(SetAside { entity: entity.clone(), key, item, error, since: since.to_utc() })
        })
    }

    fn forget_aside(&mut self, name: &RecordRef) -> Result<(), StorageError> {
        let parameters = params![self.principal(), name.entity.as_str(), name.key.as_str()];
        self.execute(statements::FORGET_ASIDE, parameters)?;
        Ok(())
    }
}
