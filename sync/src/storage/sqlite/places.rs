//! The outbox in order, over one or many queues: a merge of their places.
//!
//! Each queue is in the order of its lanes. That makes a push write one page less than an index for each question would; the price
//! is a look into each queue here, which has nothing to do with how long the queues are.

use std::collections::HashSet;

use rusqlite::{Params, params};

use super::names::disagreement;
use super::place::{Place, PlaceLane};
use super::rows::size;
use super::statements;
use super::transaction::SqliteTransaction;
use crate::record::{EntityName, Record, RecordRef};
use crate::storage::StorageError;

/// Where a record comes: by its due time where that decides, then by its place in the outbox.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Turn {
    due: Option<String>,
    seq: u64,
    place: Place,
    name: RecordRef,
}

/// The first of those that are looked at.
pub(super) struct First<'a> {
    turns: Vec<Turn>,
    limit: usize,
    except: &'a HashSet<RecordRef>,
}

impl<'a> First<'a> {
    pub(super) fn new(limit: usize, except: &'a HashSet<RecordRef>) -> Self {
        Self { turns: Vec::new(), limit, except }
    }

    /// How many have to be looked at at most, so that enough are left.
    fn to_look_at(&self) -> i64 {
        size(self.limit.saturating_add(self.except.len()))
    }

    fn admits(&self, name: &RecordRef) -> bool {
        self.except.is_empty() || !self.except.contains(name)
    }

    /// Takes over what belongs to the first.
    fn merge(&mut self, mut more: Vec<Turn>) {
        if self.turns.is_empty() {
            self.turns = more;
        } else if !more.is_empty() {
            self.turns.append(&mut more);
            self.turns.sort_unstable();
            self.turns.truncate(self.limit);
        }
    }
}

impl SqliteTransaction<'_> {
    /// The first records in these lanes, by place in the outbox, from after the given place on.
    pub(super) fn in_lanes(
        &mut self,
        lanes: &[PlaceLane],
        entity: Option<&EntityName>,
        after: Option<u64>,
        mut first: First<'_>,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        let queues = match entity {
            Some(entity) => Vec::from_iter(self.find_queue(entity)?.map(|queue| (queue, entity.clone()))),
            None => self.busy_queues()?,
        };
        for (queue, entity) in queues {
            for lane in lanes {
                let places = Place::lane_after(queue, *lane, after);
                let parameters = params![places.start, places.end, first.to_look_at()];
                first.merge(self.turns(&entity, statements::LANE_PLACES, parameters, &first)?);
            }
        }
        self.take(first)
    }

    /// The first records whose due time lies in between, the earliest first.
    pub(super) fn due_between(
        &mut self,
        after: &str,
        until: &str,
        mut first: First<'_>,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        for (queue, entity) in self.busy_queues()? {
            let parameters = params![queue, after, until, first.to_look_at()];
            first.merge(self.turns(&entity, statements::DUE_PLACES, parameters, &first)?);
        }
        self.take(first)
    }

    /// The first of one queue, which gives them in order.
    fn turns(
        &self,
        entity: &EntityName,
        sql: &'static str,
        parameters: impl Params,
        first: &First<'_>,
    ) -> Result<Vec<Turn>, StorageError> {
        let mut turns = Vec::new();
        if first.limit == 0 {
            return Ok(turns);
        }
        self.each(sql, parameters, |row| {
            let name = RecordRef::new(entity.clone(), self.read_key(row, 1)?);
            if first.admits(&name) {
                let place = Place::from_id(self.number(row, 0)?);
                let due = row.get(2).map_err(|error| self.failures.note(error))?;
                turns.push(Turn { due, seq: place.seq(), place, name });
            }
            Ok(turns.len() < first.limit)
        })?;
        Ok(turns)
    }

    fn take(&mut self, first: First<'_>) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        let mut taken = Vec::with_capacity(first.turns.len());
        for Turn { place, name, .. } in first.turns {
            let standing = Some(self.confirm(place, &name)?);
            let record = self.read(place.queue(), &name, standing)?;
            if !matches!(Place::of(place.queue(), record.lane()), Ok(Some(meant)) if meant == place) {
                return Err(disagreement(&name));
            }
            self.remember(&name, standing, &record);
            taken.push((name, record));
        }
        Ok(taken)
    }
}
