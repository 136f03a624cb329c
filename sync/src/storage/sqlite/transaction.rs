//! [`Transaction`] over a SQLite connection.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Params, Row, params};

use super::failure::Failures;
use super::rows::{self, Columns, moment, number, size};
use super::statements;
use crate::record::{EntityName, OperationId, Principal, Record, RecordKey, RecordRef};
use crate::storage::{Counts, Cursor, SetAside, StorageError, Transaction};

/// A transaction on a [`SqliteStorage`](super::SqliteStorage), which the user's own statements can join.
#[derive(Debug)]
pub struct SqliteTransaction<'a> {
    connection: &'a Connection,
    principal: &'a Principal,
    failures: &'a Failures,
}

/// The lanes of records with a pending edit, by [`Lane::name`](crate::record::Lane::name).
const LANES: [&str; 4] = ["ready", "waiting", "blocked", "parked"];

impl<'a> SqliteTransaction<'a> {
    pub(super) fn new(connection: &'a Connection, principal: &'a Principal, failures: &'a Failures) -> Self {
        Self { connection, principal, failures }
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

    fn due_between(
        &self,
        after: &str,
        until: &str,
        limit: usize,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        let parameters = params![self.principal(), after, until, size(limit)];
        self.all(statements::DUE, parameters, rows::read_named)
    }
}

impl Transaction for SqliteTransaction<'_> {
    fn record(&mut self, name: &RecordRef) -> Result<Option<Record>, StorageError> {
        let parameters = params![self.principal(), name.entity.as_str(), name.key.as_str()];
        self.first(statements::RECORD, parameters, |row| rows::read(row, name))
    }

    fn put(&mut self, name: &RecordRef, record: &Record) -> Result<(), StorageError> {
        let (principal, entity, key) = (self.principal(), name.entity.as_str(), name.key.as_str());
        if record.is_empty() {
            self.execute(statements::REMOVE, params![principal, entity, key])?;
            return Ok(());
        }
        let columns = Columns::of(name, record)?;
        self.execute(
            statements::PUT,
            params![
                principal,
                entity,
                key,
                columns.lane,
                columns.seq,
                columns.revision,
                columns.due,
                columns.on_server,
                columns.base_version,
                columns.base_value,
                columns.flight,
                columns.queued,
                columns.parked,
                columns.parked_id,
                columns.blocked_on.map(|on| on.entity.as_str()),
                columns.blocked_on.map(|on| on.key.as_str()),
                columns.has_references,
            ],
        )?;
        if columns.has_references {
            for (parent, seq) in rows::foreign_references(name, record) {
                let (parent_entity, parent_key) = (parent.entity.as_str(), parent.key.as_str());
                let parameters = params![principal, parent_entity, parent_key, number(seq), entity, key];
                self.execute(statements::REFER, parameters)?;
            }
        }
        Ok(())
    }

    fn sendable(
        &mut self,
        now: DateTime<Utc>,
        horizon: TimeDelta,
        limit: usize,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        let latest = now.checked_add_signed(horizon).unwrap_or(DateTime::<Utc>::MAX_UTC).max(now);
        let mut found = self.due_between("", &moment(now), limit)?;
        if found.len() < limit {
            // `~` sorts after every digit.
            found.extend(self.due_between(&moment(latest), "~", limit - found.len())?);
        }
        if found.len() < limit {
            found.extend(self.queued(&["ready"], None, None, limit - found.len())?);
        }
        Ok(found)
    }

    fn next_due(&mut self) -> Result<Option<DateTime<Utc>>, StorageError> {
        let Some(due) = self.cell(statements::NEXT_DUE, [self.principal()])? else { return Ok(None) };
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
        self.queued(&LANES, entity, after, limit)
    }

    fn parked(
        &mut self,
        entity: Option<&EntityName>,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        self.queued(&["parked"], entity, after, limit)
    }

    fn parked_by_id(&mut self, id: OperationId) -> Result<Option<(RecordRef, Record)>, StorageError> {
        let parameters = params![self.principal(), id.to_string()];
        self.first(statements::PARKED_BY_ID, parameters, rows::read_named)
    }

    fn release(&mut self, on: &RecordRef) -> Result<u64, StorageError> {
        let parameters = params![self.principal(), on.entity.as_str(), on.key.as_str()];
        let freed = self.execute(statements::RELEASE, parameters)?;
        Ok(u64::try_from(freed).unwrap_or(u64::MAX))
    }

    fn earlier_child(&mut self, parent: &RecordRef, before: u64) -> Result<Option<RecordRef>, StorageError> {
        let (entity, key) = (parent.entity.as_str(), parent.key.as_str());
        let parameters = params![self.principal(), entity, key, number(before)];
        self.first(statements::EARLIER_CHILD, parameters, rows::read_name)
    }

    fn counts(&mut self) -> Result<Vec<(EntityName, Counts)>, StorageError> {
        self.all(statements::COUNTS, [self.principal()], |row| {
            let entity = EntityName::from_stored(self.text(row, 0)?);
            let (waiting, parked) = (self.number(row, 1)?, self.number(row, 2)?);
            Ok((entity, Counts { waiting: unsigned(waiting), parked: unsigned(parked) }))
        })
    }

    fn last_seq(&mut self) -> Result<u64, StorageError> {
        let last = self.first(statements::LAST_SEQ, [], |row| self.number(row, 0))?;
        Ok(last.map_or(0, unsigned))
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

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
