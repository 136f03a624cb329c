//! Running prepared statements, and telling why one failed.

use rusqlite::{Params, Row};

use super::rows;
use super::transaction::SqliteTransaction;
use crate::record::{RecordKey, RecordRef};
use crate::storage::{Cause, StorageError};

impl SqliteTransaction<'_> {
    /// Outside of a transaction, nothing is read or written. SQLite gives one up when the disk is full, and the user's own statements
    /// may end it; what was written then would stay, and nobody would know of it.
    pub(super) fn still_open(&self) -> Result<(), StorageError> {
        if self.connection.is_autocommit() { Err(self.failures.why_it_ended()) } else { Ok(()) }
    }

    pub(super) fn execute(&self, sql: &'static str, parameters: impl Params) -> Result<usize, StorageError> {
        self.still_open()?;
        let (mut parameters, mut changed) = (Some(parameters), 0);
        let executed = self.statements.with(sql, &mut |statement| {
            if let Some(parameters) = parameters.take() {
                changed = statement.execute(parameters)?;
            }
            Ok(())
        });
        executed.map(|()| changed).map_err(|error| self.failures.note(error))
    }

    /// What to say of something that does not belong into the file.
    pub(super) fn damaged(&self, what: impl Into<Cause>) -> StorageError {
        self.failures.damaged(what)
    }

    pub(super) fn read_name(&self, row: &Row<'_>) -> Result<RecordRef, StorageError> {
        rows::read_name(row).map_err(|what| self.damaged(what))
    }

    pub(super) fn read_key(&self, row: &Row<'_>, column: usize) -> Result<RecordKey, StorageError> {
        rows::read_key(row, column).map_err(|what| self.damaged(what))
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

    /// Hands rows on until `read` says that it has enough, by `false`.
    pub(super) fn each(
        &self,
        sql: &'static str,
        parameters: impl Params,
        mut read: impl FnMut(&Row<'_>) -> Result<bool, StorageError>,
    ) -> Result<(), StorageError> {
        self.still_open()?;
        let (mut parameters, mut outcome) = (Some(parameters), Ok(()));
        let stepped = self.statements.with(sql, &mut |statement| {
            let Some(parameters) = parameters.take() else { return Ok(()) };
            let mut rows = statement.query(parameters)?;
            while let Some(row) = rows.next()? {
                match read(row) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        outcome = Err(error);
                        break;
                    }
                }
            }
            Ok(())
        });
        stepped.map_err(|error| self.failures.note(error))?;
        outcome
    }

    pub(super) fn first<T>(
        &self,
        sql: &'static str,
        parameters: impl Params,
        mut read: impl FnMut(&Row<'_>) -> Result<T, StorageError>,
    ) -> Result<Option<T>, StorageError> {
        let mut found = None;
        self.each(sql, parameters, |row| {
            found = Some(read(row)?);
            Ok(false)
        })?;
        Ok(found)
    }

    pub(super) fn all<T>(
        &self,
        sql: &'static str,
        parameters: impl Params,
        read: impl Fn(&Row<'_>) -> Result<T, StorageError>,
    ) -> Result<Vec<T>, StorageError> {
        let mut found = Vec::new();
        self.each(sql, parameters, |row| {
            found.push(read(row)?);
            Ok(true)
        })?;
        Ok(found)
    }

    /// The same for SQL that is made as it is needed; the connection's own cache keeps that.
    pub(super) fn all_made<T>(
        &self,
        sql: &str,
        parameters: impl Params,
        read: impl Fn(&Row<'_>) -> Result<T, StorageError>,
    ) -> Result<Vec<T>, StorageError> {
        self.still_open()?;
        let failed = |error| self.failures.note(error);
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let mut rows = statement.query(parameters).map_err(failed)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            found.push(read(row)?);
        }
        Ok(found)
    }

    pub(super) fn cell(
        &self,
        sql: &'static str,
        parameters: impl Params,
    ) -> Result<Option<String>, StorageError> {
        self.first(sql, parameters, |row| self.text(row, 0))
    }
}
