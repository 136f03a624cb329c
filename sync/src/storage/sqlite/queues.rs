//! The outbox in order, over one or many entities: a merge of their queues.
//!
//! The index has a queue for each entity and lane. That makes a push write one page less than an index for each question would;
//! the price is a look into each entity's queue here, which has nothing to do with how long the queues are.

use rusqlite::params;

use super::rows::{self, number, size};
use super::statements;
use super::transaction::SqliteTransaction;
use crate::record::{EntityName, Record, RecordRef};
use crate::storage::StorageError;

impl SqliteTransaction<'_> {
    /// Up to `limit` records in these lanes, by place in the outbox, from after the given place on.
    pub(super) fn queued(
        &self,
        lanes: &[&str],
        entity: Option<&EntityName>,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        let after = after.map_or(-1, number);
        let entities = match entity {
            Some(entity) => vec![entity.as_str().to_owned()],
            None => self.all(statements::QUEUES, [self.principal()], |row| self.text(row, 0))?,
        };
        if let ([lane], [entity]) = (lanes, &*entities) {
            let parameters = params![self.principal(), entity, lane, after, i64::MAX, size(limit)];
            return self.all(statements::QUEUE, parameters, rows::read_named);
        }
        let mut places = Vec::new();
        for entity in &entities {
            for lane in lanes {
                self.merge(&mut places, entity, lane, after, limit)?;
            }
        }
        let mut found = Vec::with_capacity(places.len());
        for (_, id) in places {
            found.extend(self.first(statements::ROW, [id], rows::read_named)?);
        }
        Ok(found)
    }

    /// Takes those places of a queue over that belong to the first `limit`.
    fn merge(
        &self,
        places: &mut Vec<(i64, i64)>,
        entity: &str,
        lane: &str,
        after: i64,
        limit: usize,
    ) -> Result<(), StorageError> {
        let before = match places.last() {
            Some((last, _)) if places.len() >= limit => *last,
            _ => i64::MAX,
        };
        let parameters = params![self.principal(), entity, lane, after, before, size(limit)];
        let more = self.all(statements::QUEUE_PLACES, parameters, |row| {
            Ok((self.number(row, 0)?, self.number(row, 1)?))
        })?;
        if !more.is_empty() {
            places.extend(more);
            places.sort_unstable();
            places.truncate(limit);
        }
        Ok(())
    }
}
