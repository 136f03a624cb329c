//! The queues: one for each entity of each account, named by a number.

use rusqlite::params;

use super::statements;
use super::transaction::SqliteTransaction;
use crate::record::EntityName;
use crate::storage::StorageError;

impl SqliteTransaction<'_> {
    /// The number of an entity's queue; `None` when nothing was ever known of the entity.
    pub(super) fn find_queue(&self, entity: &EntityName) -> Result<Option<i64>, StorageError> {
        let known = if self.is_alone() { None } else { self.numbers.find(self.principal, entity) };
        if known.is_some() {
            return Ok(known);
        }
        let parameters = params![self.principal(), entity.as_str()];
        let found = self.first(statements::FIND_QUEUE, parameters, |row| self.number(row, 0))?;
        if let Some(found) = found {
            self.remember_queue(entity, found);
        }
        Ok(found)
    }

    pub(super) fn queue(&self, entity: &EntityName) -> Result<i64, StorageError> {
        if let Some(found) = self.find_queue(entity)? {
            return Ok(found);
        }
        let parameters = params![self.principal(), entity.as_str()];
        let made = self.first(statements::MAKE_QUEUE, parameters, |row| self.number(row, 0))?;
        let made = made.ok_or_else(|| self.failures.note(rusqlite::Error::QueryReturnedNoRows))?;
        self.remember_queue(entity, made);
        Ok(made)
    }

    fn remember_queue(&self, entity: &EntityName, number: i64) {
        if !self.is_alone() {
            self.numbers.remember(self.principal, entity, number);
        }
    }

    /// The queues with something in them.
    pub(super) fn busy_queues(&self) -> Result<Vec<(i64, EntityName)>, StorageError> {
        let mut queues = self.queues()?;
        queues.retain(|(queue, _)| self.is_busy(*queue));
        Ok(queues)
    }

    pub(super) fn queues(&self) -> Result<Vec<(i64, EntityName)>, StorageError> {
        self.all(statements::QUEUES, [self.principal()], |row| {
            Ok((self.number(row, 0)?, EntityName::from_stored(self.text(row, 1)?)))
        })
    }

    /// Whether any record of the queue may have a pending edit.
    pub(super) fn is_busy(&self, queue: i64) -> bool {
        self.is_alone() || !self.live.is_empty(queue)
    }
}
