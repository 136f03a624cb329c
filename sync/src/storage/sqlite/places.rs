//! The outbox in order, over one or many queues: a merge of their places.
//!
//! Each queue is in the order of its lanes. That makes a push write one page less than an index for each question would; the price
//! is a look into each queue here, which has nothing to do with how long the queues are.

use rusqlite::params;

use super::place::{Place, PlaceLane};
use super::rows::{self, size};
use super::statements;
use super::transaction::SqliteTransaction;
use crate::record::{EntityName, Record, RecordRef};
use crate::storage::StorageError;

/// Where a record comes: by its due time where that decides, then by its place in the outbox.
type Turn = (Option<String>, u64, i64);

/// The first of those that were looked at.
struct First {
    turns: Vec<Turn>,
    limit: usize,
}

impl First {
    fn new(limit: usize) -> Self {
        Self { turns: Vec::new(), limit }
    }

    /// Takes over what belongs to the first.
    fn merge(&mut self, more: Vec<Turn>) {
        if !more.is_empty() {
            self.turns.extend(more);
            self.turns.sort_unstable();
            self.turns.truncate(self.limit);
        }
    }
}

impl SqliteTransaction<'_> {
    /// Up to `limit` records in these lanes, by place in the outbox, from after the given place on.
    pub(super) fn in_lanes(
        &self,
        lanes: &[PlaceLane],
        entity: Option<&EntityName>,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        let queues = match entity {
            Some(entity) => Vec::from_iter(self.find_queue(entity)?),
            None => self.busy_queues()?,
        };
        let mut first = First::new(limit);
        for queue in queues {
            for lane in lanes {
                let places = Place::lane_after(queue, *lane, after);
                let parameters = params![places.start, places.end, size(limit)];
                let more = self.all(statements::LANE_PLACES, parameters, |row| {
                    let id = self.number(row, 0)?;
                    Ok((None, Place::from_id(id).seq(), id))
                });
                first.merge(more?);
            }
        }
        self.at(first)
    }

    /// Up to `limit` records whose due time lies in between, the earliest first.
    pub(super) fn due_between(
        &self,
        after: &str,
        until: &str,
        limit: usize,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        let mut first = First::new(limit);
        for queue in self.busy_queues()? {
            let parameters = params![queue, after, until, size(limit)];
            let more = self.all(statements::DUE_PLACES, parameters, |row| {
                let id = self.number(row, 1)?;
                Ok((Some(self.text(row, 0)?), Place::from_id(id).seq(), id))
            });
            first.merge(more?);
        }
        self.at(first)
    }

    fn at(&self, first: First) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        let mut found = Vec::with_capacity(first.turns.len());
        for (_, _, id) in first.turns {
            found.extend(self.first(statements::AT_PLACE, [id], rows::read_named)?);
        }
        Ok(found)
    }
}
