//! Running prepared statements, and telling why one failed.

use rusqlite::{CachedStatement, OptionalExtension, Params, Row};

use super::transaction::SqliteTransaction;
use crate::storage::StorageError;

impl<'a> SqliteTransaction<'a> {
    pub(super) fn statement(&self, sql: &str) -> Result<CachedStatement<'a>, StorageError> {
        self.connection.prepare_cached(sql).map_err(|error| self.failures.note(error))
    }

    pub(super) fn execute(&self, sql: &str, parameters: impl Params) -> Result<usize, StorageError> {
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

    pub(super) fn cell(&self, sql: &str, parameters: impl Params) -> Result<Option<String>, StorageError> {
        let cell = self.statement(sql)?.query_row(parameters, |row| row.get(0)).optional();
        cell.map_err(|error| self.failures.note(error))
    }
}
