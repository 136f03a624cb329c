//! [`Transaction`] over a SQLite connection.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, params};

use super::failure::Failures;
use super::kept::Statements;
use super::live::Live;
use super::numbers::Numbers;
use super::place::{LANE_STEP, LANES, LANES_TO_SEND, PlaceLane};
use super::places::First;
use super::put::Found;
use super::rows::{self, moment, number, size};
use super::statements;
use super::thread::OwnWork;
use crate::record::{EntityName, OperationId, Principal, Record, RecordKey, RecordRef};
use crate::storage::{
    Counts, Cursor, IndexEntry, KEYLESS_ASIDE, Search, SetAside, StorageError, Transaction,
};

/// The records that were written, and the lanes in which they were before. By the number of the queue, which another entity may get
/// when the making of the first is undone.
type Touched = BTreeMap<(i64, RecordKey), (RecordRef, Option<PlaceLane>)>;

/// A transaction, which the user's own statements can join.
#[derive(Debug)]
pub(crate) struct SqliteTransaction<'a> {
    pub(super) connection: &'a Connection,
    pub(super) statements: &'a dyn Statements,
    pub(super) principal: &'a Principal,
    pub(super) failures: &'a Failures,
    pub(super) numbers: &'a Numbers,
    pub(super) live: &'a Live,
    /// The records that were read and not written since: mostly they are written next.
    pub(super) found: HashMap<RecordRef, Found>,
    /// The queues and keys of names that lead to no row.
    pub(super) astray: RefCell<HashSet<(i64, RecordKey)>>,
    /// In work that has the connection at hand: what was written. Such work may undo a part of itself, so what is remembered besides
    /// the file is not relied on.
    pub(super) touched: Option<Touched>,
}

impl<'a> SqliteTransaction<'a> {
    pub(super) fn new(
        connection: &'a Connection,
        statements: &'a dyn Statements,
        principal: &'a Principal,
        failures: &'a Failures,
        numbers: &'a Numbers,
        live: &'a Live,
    ) -> Self {
        Self {
            connection,
            statements,
            principal,
            failures,
            numbers,
            live,
            found: HashMap::new(),
            astray: RefCell::default(),
            touched: None,
        }
    }

    /// Runs work that has the connection at hand. It may undo what it did with savepoints of its own, so nothing that it does is
    /// remembered besides the file, and the counts are put right afterwards.
    pub(super) fn run_alone(&mut self, work: OwnWork) -> Result<(), StorageError> {
        self.enter_names(&self.live.all_fresh())?;
        let mark = self.live.mark();
        self.touched = Some(BTreeMap::new());
        work(self)?;
        self.live.undo_to(mark);
        for ((queue, _), (name, before)) in self.touched.iter().flatten() {
            let now = self.find_place(*queue, name)?;
            self.live.moved(*queue, *before, now.map(|standing| standing.place.lane()));
        }
        Ok(())
    }

    /// The connection, for statements on tables of the user's in the same file: they are committed, or rolled back, together with
    /// everything else in this transaction.
    pub(crate) fn connection(&self) -> &'a Connection {
        self.connection
    }

    pub(super) fn is_alone(&self) -> bool {
        self.touched.is_some()
    }
}

impl Transaction for SqliteTransaction<'_> {
    fn record(&mut self, name: &RecordRef) -> Result<Option<Record>, StorageError> {
        let Some(queue) = self.find_queue(&name.entity)? else { return Ok(None) };
        let (standing, record) = match self.find_under_way(queue, &name.key)? {
            Some((standing, record)) => (Some(standing), record),
            None => self.look_up(queue, name)?,
        };
        self.remember(name, standing, &record);
        Ok(Some(record).filter(|record| !record.is_empty()))
    }

    fn put(&mut self, name: &RecordRef, record: &Record) -> Result<(), StorageError> {
        self.write(name, record)
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
            Err(error) => Err(self.damaged(format!("the due time `{due}`: {error}"))),
        }
    }

    fn pending(
        &mut self,
        entity: Option<&EntityName>,
        after: Option<u64>,
        limit: usize,
        except: &HashSet<RecordRef>,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        self.in_lanes(&LANES, entity, after, First::new(limit, except))
    }

    fn oldest_waiting(
        &mut self,
        except: &HashSet<RecordRef>,
    ) -> Result<Option<(RecordRef, Record)>, StorageError> {
        Ok(self.in_lanes(&LANES_TO_SEND, None, None, First::new(1, except))?.pop())
    }

    fn parked(
        &mut self,
        entity: Option<&EntityName>,
        after: Option<u64>,
        limit: usize,
        except: &HashSet<RecordRef>,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        self.in_lanes(&[PlaceLane::Parked], entity, after, First::new(limit, except))
    }

    fn parked_by_id(&mut self, id: OperationId) -> Result<Option<(RecordRef, Record)>, StorageError> {
        let parameters = params![self.principal(), id.to_string()];
        self.first(statements::PARKED_BY_ID, parameters, |row| {
            let name = self.read_name(row)?;
            let record = rows::read(row, &name)?;
            Ok((name, record))
        })
    }

    fn based(
        &mut self,
        entity: &EntityName,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StorageError> {
        let Some(queue) = self.find_queue(entity)? else { return Ok(Vec::new()) };
        let parameters = params![queue, after.map(RecordKey::as_str), size(limit)];
        self.all(statements::BASED, parameters, |row| {
            rows::read_key(row, 0).map_err(|what| self.damaged(what))
        })
    }

    fn kept_count(&mut self, entity: &EntityName) -> Result<u64, StorageError> {
        let Some(queue) = self.find_queue(entity)? else { return Ok(0) };
        let count = self.first(statements::KEPT_COUNT, [queue], |row| self.number(row, 0))?;
        Ok(u64::try_from(count.unwrap_or(0)).unwrap_or(0))
    }

    fn set_index(&mut self, name: &RecordRef, entries: &[IndexEntry]) -> Result<(), StorageError> {
        self.enter(name, entries)
    }

    fn clear_index(&mut self, entity: &EntityName) -> Result<(), StorageError> {
        let Some(queue) = self.find_queue(entity)? else { return Ok(()) };
        self.execute(statements::CLEAR_INDEX, [queue]).map(drop)
    }

    fn find(
        &mut self,
        entity: &EntityName,
        search: &Search,
    ) -> Result<Vec<crate::storage::Place>, StorageError> {
        self.search(entity, search)
    }

    fn release(&mut self, on: &RecordRef) -> Result<u64, StorageError> {
        let Some(queue) = self.find_queue(&on.entity)? else { return Ok(0) };
        let freed = self.execute(statements::RELEASE, params![queue, on.key.as_str(), LANE_STEP])?;
        // They stand elsewhere now.
        self.found.clear();
        Ok(u64::try_from(freed).unwrap_or(u64::MAX))
    }

    fn earlier_child(
        &mut self,
        parent: &RecordRef,
        places: Range<u64>,
    ) -> Result<Option<(u64, RecordRef)>, StorageError> {
        let Some(queue) = self.find_queue(&parent.entity)? else { return Ok(None) };
        let parameters = params![queue, parent.key.as_str(), number(places.start), number(places.end)];
        self.first(statements::EARLIER_CHILD, parameters, |row| {
            // It is in the range, and so not negative.
            Ok((self.number(row, 2)?.unsigned_abs(), self.read_name(row)?))
        })
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
        if item.key.is_none() {
            let parameters = params![self.principal(), item.entity.as_str(), size(KEYLESS_ASIDE)];
            self.execute(statements::FORGET_OLDEST_ASIDE, parameters)?;
        }
        Ok(())
    }

    fn items_aside(&mut self, entity: &EntityName, limit: usize) -> Result<Vec<SetAside>, StorageError> {
        let parameters = params![self.principal(), entity.as_str(), size(limit)];
        self.all(statements::ITEMS_ASIDE, parameters, |row| {
            let read = || -> rusqlite::Result<_> {
                Ok((row.get::<_, Option<String>>(0)?, row.get(1)?, row.get(2)?, row.get::<_, String>(3)?))
            };
            let (key, item, error, since) = read().map_err(|error| self.failures.note(error))?;
            let key = key.map(RecordKey::new).transpose().map_err(|error| self.damaged(error))?;
            let since = DateTime::parse_from_rfc3339(&since).map_err(|error| self.damaged(error))?;
            Ok(SetAside { entity: entity.clone(), key, item, error, since: since.to_utc() })
        })
    }

    fn forget_aside(&mut self, name: &RecordRef) -> Result<(), StorageError> {
        let parameters = params![self.principal(), name.entity.as_str(), name.key.as_str()];
        self.execute(statements::FORGET_ASIDE, parameters)?;
        Ok(())
    }
}
