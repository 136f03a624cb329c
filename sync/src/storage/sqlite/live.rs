//! How many records of each queue wait: in memory while the file is open, saved when it is closed.
//!
//! In the file, these numbers would make every push write another page.

use std::cell::RefCell;
use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::place::{LANES, Place, PlaceLane};
use super::rows::number;
use crate::storage::Counts;

/// The counts as the open transaction sees them.
#[derive(Debug)]
pub(super) struct Live(RefCell<Inner>);

#[derive(Debug, Default)]
struct Inner {
    queues: BTreeMap<i64, Count>,
    /// The greatest number that any operation had since the file was opened, and of those that it had then.
    last_number: i64,
    /// What the open transaction changed, to be taken back when it is.
    uncommitted: Vec<(i64, Count)>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Count {
    waiting: i64,
    parked: i64,
}

impl Count {
    fn of(lane: PlaceLane) -> Self {
        match lane {
            PlaceLane::Ready | PlaceLane::Waiting | PlaceLane::Blocked => Self { waiting: 1, parked: 0 },
            PlaceLane::Parked => Self { waiting: 0, parked: 1 },
        }
    }

    fn less(self, other: Self) -> Self {
        Self { waiting: self.waiting - other.waiting, parked: self.parked - other.parked }
    }
}

impl Live {
    /// Takes the counts that were saved out of the file, or else counts the rows, which reads one index: after a crash.
    pub(super) fn take(connection: &Connection) -> rusqlite::Result<Self> {
        Self::load(connection, TAKE_SAVED)
    }

    /// The same for reading only.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        Self::load(connection, SAVED)
    }

    fn load(connection: &Connection, saved: &str) -> rusqlite::Result<Self> {
        let saved = counted(connection, saved)?;
        let queues = if saved.is_empty() { counted(connection, COUNT)? } else { saved };
        let last_number = last_number(connection, queues.keys().copied())?;
        Ok(Self(RefCell::new(Inner { queues, last_number, uncommitted: Vec::new() })))
    }

    /// Counts anew, when nobody can tell what became of a transaction.
    pub(super) fn recount(&self, connection: &Connection) -> rusqlite::Result<()> {
        let queues = counted(connection, COUNT)?;
        let mut inner = self.0.borrow_mut();
        inner.queues = queues;
        inner.uncommitted.clear();
        Ok(())
    }

    /// Saves the counts, so that opening the file again does not count. When that fails, it will.
    pub(super) fn save(&self, connection: &Connection) -> rusqlite::Result<()> {
        let transaction = connection.unchecked_transaction()?;
        for (queue, count) in &self.0.borrow().queues {
            transaction.prepare_cached(SAVE)?.execute(params![queue, count.waiting, count.parked])?;
        }
        transaction.commit()
    }

    pub(super) fn count(&self, queue: i64) -> Counts {
        let count = self.0.borrow().queues.get(&queue).copied().unwrap_or_default();
        let unsigned = |count: i64| u64::try_from(count).unwrap_or(0);
        Counts { waiting: unsigned(count.waiting), parked: unsigned(count.parked) }
    }

    /// The greatest number that any operation had.
    pub(super) fn last_number(&self) -> i64 {
        self.0.borrow().last_number
    }

    /// An operation has this number.
    pub(super) fn note_number(&self, number: i64) {
        let mut inner = self.0.borrow_mut();
        inner.last_number = inner.last_number.max(number);
    }

    /// A record of a queue changed its lane.
    pub(super) fn moved(&self, queue: i64, from: Option<PlaceLane>, to: Option<PlaceLane>) {
        if from == to {
            return;
        }
        let weight = |lane: Option<PlaceLane>| lane.map(Count::of).unwrap_or_default();
        let change = weight(to).less(weight(from));
        let mut inner = self.0.borrow_mut();
        inner.apply(queue, change);
        inner.uncommitted.push((queue, change));
    }

    /// How much of the open transaction there is, for [`undo_to`](Self::undo_to).
    pub(super) fn mark(&self) -> usize {
        self.0.borrow().uncommitted.len()
    }

    /// Takes back what came after the mark.
    pub(super) fn undo_to(&self, mark: usize) {
        let mut inner = self.0.borrow_mut();
        while inner.uncommitted.len() > mark {
            if let Some((queue, change)) = inner.uncommitted.pop() {
                inner.apply(queue, Count::default().less(change));
            }
        }
    }

    /// The transaction was committed.
    pub(super) fn keep(&self) {
        self.0.borrow_mut().uncommitted.clear();
    }
}

impl Inner {
    fn apply(&mut self, queue: i64, change: Count) {
        let count = self.queues.entry(queue).or_default();
        count.waiting += change.waiting;
        count.parked += change.parked;
    }
}

fn counted(connection: &Connection, sql: &str) -> rusqlite::Result<BTreeMap<i64, Count>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement
        .query_map([], |row| Ok((row.get(0)?, Count { waiting: row.get(1)?, parked: row.get(2)? })))?;
    rows.collect()
}

/// The last place of each lane says it, but for edits that were taken into an earlier place.
fn last_number(connection: &Connection, queues: impl Iterator<Item = i64>) -> rusqlite::Result<i64> {
    let mut last: i64 = connection.prepare_cached(LAST_REVISION)?.query_row([], |row| row.get(0))?;
    let mut statement = connection.prepare_cached(LAST_PLACE)?;
    for queue in queues {
        for lane in LANES {
            let lane = Place::lane_of(queue, lane);
            let place = statement.query_row([lane.start, lane.end], |row| row.get(0)).optional()?;
            last = place.map_or(last, |place| last.max(number(Place::from_id(place).seq())));
        }
    }
    Ok(last)
}

const SAVED: &str = "SELECT queue, waiting, parked FROM sync_counts";

const TAKE_SAVED: &str = "DELETE FROM sync_counts RETURNING queue, waiting, parked";

const SAVE: &str = "INSERT INTO sync_counts (queue, waiting, parked) VALUES (?1, ?2, ?3)";

/// Answered from the index of names, which has each row's place.
pub(super) const COUNT: &str = "
    SELECT queue, sum((id >> 41) & 3 <> 3), sum((id >> 41) & 3 = 3)
    FROM sync_outbox INDEXED BY sync_outbox_name GROUP BY queue";

const LAST_REVISION: &str =
    "SELECT coalesce(max(revision), 0) FROM sync_outbox INDEXED BY sync_outbox_revised WHERE revision > seq";

const LAST_PLACE: &str = "SELECT id FROM sync_outbox WHERE id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT 1";
