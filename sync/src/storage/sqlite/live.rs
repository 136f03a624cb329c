//! What is remembered of the outbox besides the file: how many records of each queue wait, which rows are
//! [fresh](super::fresh), and what is [under way](super::under_way).
//!
//! In the file, the first two would make every push write another page. The counts are saved when the file is closed, and no row
//! is fresh then.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};

use super::entered::Entered;
use super::fresh::{Fresh, FreshRow, REACH};
use super::place::{LANES, Place, PlaceLane};
use super::rows::number;
use super::statements;
use super::under_way::UnderWay;
use crate::record::{Record, RecordKey};
use crate::storage::Counts;

/// The outbox as the open transaction sees it.
#[derive(Debug)]
pub(super) struct Live {
    inner: RefCell<Inner>,
    /// Whether nobody else writes the file. If somebody may, the counts are those of when it was opened.
    exact: bool,
    /// Whether nobody can tell what became of a transaction.
    doubtful: Cell<bool>,
    /// What was seen of other programs' changes.
    data_version: Cell<Option<i64>>,
}

#[derive(Debug, Default)]
struct Inner {
    queues: BTreeMap<i64, Count>,
    /// The greatest number that any operation had since the file was opened, and of those that it had then.
    last_number: i64,
    fresh: Fresh,
    entered: Entered,
    under_way: UnderWay,
    /// What the open transaction changed, to be taken back when it is.
    uncommitted: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    /// So many more.
    Count { queue: i64, by: Count },
    /// Where a fresh row stood before.
    Fresh { queue: i64, key: RecordKey, before: Option<Place> },
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
    /// Takes the counts that were saved out of the file, or else counts the rows, which reads one index and the ends of the lanes:
    /// after a crash.
    pub(super) fn take(connection: &Connection) -> rusqlite::Result<Self> {
        Self::load(connection, TAKE_SAVED, true)
    }

    /// The same for reading only.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        Self::load(connection, SAVED, false)
    }

    fn load(connection: &Connection, saved: &str, exact: bool) -> rusqlite::Result<Self> {
        // At one moment, whoever else may write meanwhile.
        let moment = connection.unchecked_transaction()?;
        let saved = counted(connection, saved)?;
        let inner = if saved.is_empty() {
            Inner::found(connection)?
        } else {
            Inner { queues: saved, ..Inner::default() }
        };
        let last_number = last_number(connection)?;
        // A reader looks for fresh rows before its first answer.
        let seen = if exact { Some(data_version(connection)?) } else { None };
        moment.commit()?;
        let mut inner = Inner { last_number, ..inner };
        inner.look_whether_all_are_fresh();
        let (doubtful, data_version) = (Cell::new(false), Cell::new(seen));
        Ok(Self { inner: RefCell::new(inner), exact, doubtful, data_version })
    }

    /// Only the file knows from now on what stayed of a transaction.
    pub(super) fn doubt(&self) {
        self.doubtful.set(true);
    }

    /// Counts anew, when there is a doubt; but not what a transaction has changed that may yet be undone.
    pub(super) fn settle_doubt(&self, connection: &Connection) -> rusqlite::Result<()> {
        if self.doubtful.get() && self.mark() == 0 {
            let found = Inner::found(connection)?;
            let mut inner = self.inner.borrow_mut();
            *inner = Inner { last_number: inner.last_number, ..found };
            self.doubtful.set(false);
        }
        Ok(())
    }

    /// Looks for fresh rows, when another process has written the file.
    pub(super) fn refresh(&self, connection: &Connection) -> rusqlite::Result<()> {
        let version = Some(data_version(connection)?);
        if self.data_version.get() != version {
            let inner = &mut *self.inner.borrow_mut();
            inner.fresh = Fresh::default();
            each_fresh(connection, |row| inner.fresh.add(row))?;
            self.data_version.set(version);
        }
        Ok(())
    }

    /// Saves the counts and leaves no row fresh, so that opening the file again neither counts nor searches. When that fails, it
    /// will.
    pub(super) fn save(&self, connection: &Connection) -> rusqlite::Result<()> {
        let transaction = connection.unchecked_transaction()?;
        if self.data_version.get() != Some(data_version(connection)?) {
            // Another program has written the file meanwhile, or another connection of the application: a person may have deleted rows.
            transaction.execute(SWEEP, [])?;
            self.doubt();
        }
        self.settle_doubt(connection)?;
        for row in self.inner.borrow().fresh.all() {
            transaction.prepare_cached(statements::ENTER_NAME)?.execute(row.entry())?;
        }
        for (queue, count) in &self.inner.borrow().queues {
            transaction.prepare_cached(SAVE)?.execute(params![queue, count.waiting, count.parked])?;
        }
        transaction.commit()
    }

    pub(super) fn count(&self, queue: i64) -> Counts {
        let count = self.inner.borrow().queues.get(&queue).copied().unwrap_or_default();
        let unsigned = |count: i64| u64::try_from(count).unwrap_or(0);
        Counts { waiting: unsigned(count.waiting), parked: unsigned(count.parked) }
    }

    /// The greatest number that any operation had.
    pub(super) fn last_number(&self) -> i64 {
        self.inner.borrow().last_number
    }

    /// An operation has this number.
    pub(super) fn note_number(&self, number: i64) {
        let mut inner = self.inner.borrow_mut();
        inner.last_number = inner.last_number.max(number);
    }

    /// A record of a queue changed its lane.
    pub(super) fn moved(&self, queue: i64, from: Option<PlaceLane>, to: Option<PlaceLane>) {
        if from == to {
            return;
        }
        let weight = |lane: Option<PlaceLane>| lane.map(Count::of).unwrap_or_default();
        let change = weight(to).less(weight(from));
        let mut inner = self.inner.borrow_mut();
        inner.apply(queue, change);
        inner.uncommitted.push(Change::Count { queue, by: change });
    }

    /// Where a fresh row stands.
    pub(super) fn fresh(&self, queue: i64, key: &RecordKey) -> Option<Place> {
        self.inner.borrow().fresh.find(queue, key)
    }

    /// Whether the index of names may have this one.
    pub(super) fn may_be_entered(&self, queue: i64, key: &RecordKey) -> bool {
        !self.exact || self.inner.borrow().entered.may_have(queue, key)
    }

    /// The index of names has this one from now on.
    pub(super) fn note_entered(&self, queue: i64, key: &RecordKey) {
        self.inner.borrow_mut().entered.add(queue, key);
    }

    /// Whether nothing of a queue waits.
    pub(super) fn is_empty(&self, queue: i64) -> bool {
        self.exact && self.count(queue) == Counts::default()
    }

    /// A fresh row stands here from now on; `None`: it is gone, or is fresh no longer.
    pub(super) fn set_fresh(&self, queue: i64, key: &RecordKey, place: Option<Place>) {
        let mut inner = self.inner.borrow_mut();
        let before = inner.fresh.set(queue, key.clone(), place);
        if before != place {
            inner.uncommitted.push(Change::Fresh { queue, key: key.clone(), before });
        }
    }

    /// What a record is that is under way, and where it stands.
    pub(super) fn under_way(&self, queue: i64, key: &RecordKey) -> Option<(Place, Record)> {
        self.inner.borrow().under_way.find(queue, key)
    }

    /// A record was written, which is to be remembered as long as it is under way.
    pub(super) fn wrote(&self, queue: i64, key: &RecordKey, place: Place, record: &Record) {
        self.inner.borrow_mut().under_way.wrote(queue, key, place, record);
    }

    /// Nothing is to be remembered of a record.
    pub(super) fn forget(&self, queue: i64, key: &RecordKey) {
        self.inner.borrow_mut().under_way.forget(queue, key);
    }

    /// The names of a queue's fresh rows after this one, in their order.
    pub(super) fn fresh_keys(&self, queue: i64, after: Option<&RecordKey>, limit: usize) -> Vec<RecordKey> {
        self.inner.borrow().fresh.after(queue, after).take(limit).map(|row| row.key).collect()
    }

    pub(super) fn all_fresh(&self) -> Vec<FreshRow> {
        self.inner.borrow().fresh.all().collect()
    }

    /// The fresh rows that have to be entered now.
    pub(super) fn due_names(&self) -> Vec<FreshRow> {
        let inner = &mut *self.inner.borrow_mut();
        inner.fresh.due(inner.last_number.unsigned_abs())
    }

    /// How much of the open transaction there is, for [`undo_to`](Self::undo_to).
    pub(super) fn mark(&self) -> usize {
        self.inner.borrow().uncommitted.len()
    }

    /// Takes back what came after the mark.
    pub(super) fn undo_to(&self, mark: usize) {
        let mut inner = self.inner.borrow_mut();
        inner.under_way.forget_all();
        while inner.uncommitted.len() > mark {
            match inner.uncommitted.pop() {
                Some(Change::Count { queue, by }) => inner.apply(queue, Count::default().less(by)),
                Some(Change::Fresh { queue, key, before }) => drop(inner.fresh.set(queue, key, before)),
                None => {}
            }
        }
    }

    /// The transaction was committed.
    pub(super) fn keep(&self) {
        let inner = &mut *self.inner.borrow_mut();
        inner.uncommitted.clear();
        inner.uncommitted.shrink_to(KEPT);
        inner.look_whether_all_are_fresh();
    }
}

impl Inner {
    /// What the rows say, but for the newest number.
    fn found(connection: &Connection) -> rusqlite::Result<Self> {
        let mut inner = Self { queues: counted(connection, ENTERED)?, ..Self::default() };
        for (queue, parked) in counted(connection, PARKED)? {
            inner.apply(queue, parked);
        }
        each_fresh(connection, |row| {
            inner.apply(row.place.queue(), Count::of(row.place.lane()));
            inner.fresh.add(row);
        })?;
        Ok(inner)
    }

    /// When each row of each queue is fresh, the index of names is empty.
    fn look_whether_all_are_fresh(&mut self) {
        let rows: i64 = self.queues.values().map(|count| count.waiting + count.parked).sum();
        if i64::try_from(self.fresh.count()) == Ok(rows) {
            self.entered.clear();
        }
    }

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

/// Differs from before when somebody else has written (SQLite's documentation of `PRAGMA data_version`).
fn data_version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}

/// The last place of each lane says it, but for edits that were taken into an earlier place.
fn last_number(connection: &Connection) -> rusqlite::Result<i64> {
    let last: i64 = connection.prepare_cached(LAST_REVISION)?.query_row([], |row| row.get(0))?;
    let places = last_places(connection)?.into_iter().map(|place| number(place.seq()));
    Ok(places.fold(last, i64::max))
}

/// A row without an entry that was found, and its name if that can be read and it may do without. (Otherwise it is told of when its
/// turn comes.)
struct Unentered {
    place: Place,
    key: Option<RecordKey>,
}

impl Fresh {
    fn add(&mut self, Unentered { place, key }: Unentered) {
        if let Some(key) = key {
            self.set(place.queue(), key, Some(place));
        }
    }
}

/// Looks for the fresh rows. None stands further behind the last one of its lane than [`REACH`].
fn each_fresh(connection: &Connection, mut see: impl FnMut(Unentered)) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(FRESH)?;
    for last in last_places(connection)? {
        let places = Place::lane_after(last.queue(), last.lane(), last.seq().checked_sub(REACH));
        let mut rows = statement.query([places.start, places.end])?;
        while let Some(row) = rows.next()? {
            let key = row.get_ref(1)?.as_str().ok().and_then(|key| RecordKey::new(key).ok());
            see(Unentered { place: Place::from_id(row.get(0)?), key });
        }
    }
    Ok(())
}

/// The last place of each lane that has one.
fn last_places(connection: &Connection) -> rusqlite::Result<Vec<Place>> {
    let mut queues = connection.prepare_cached(QUEUES)?;
    let mut statement = connection.prepare_cached(LAST_PLACE)?;
    let mut places = Vec::new();
    for queue in queues.query_map([], |row| row.get(0))? {
        let queue = queue?;
        for lane in LANES {
            let lane = Place::lane_of(queue, lane);
            let last = statement.query_row([lane.start, lane.end], |row| row.get(0).map(Place::from_id));
            places.extend(last.optional()?);
        }
    }
    Ok(places)
}

/// Of how many changes of one transaction the memory is kept for the next.
const KEPT: usize = 1024;

const QUEUES: &str = "SELECT id FROM sync_queues";

const FRESH: &str = "
    SELECT id, CASE WHEN parked IS NULL AND blocked_queue IS NULL AND NOT has_references AND NOT EXISTS (
            SELECT 1 FROM sync_bases AS base WHERE base.queue = pending.queue AND base.key = pending.key
        ) THEN key END
    FROM sync_outbox AS pending WHERE id >= ?1 AND id < ?2 AND NOT EXISTS (
        SELECT 1 FROM sync_names AS name WHERE name.queue = pending.queue AND name.key = pending.key
    )";

/// Removes the entries that lead to no row: a row that was deleted while nobody knew may get one.
const SWEEP: &str = "
    DELETE FROM sync_names WHERE NOT EXISTS (
        SELECT 1 FROM sync_outbox AS pending
        WHERE pending.key = sync_names.key AND pending.id IN (
            (sync_names.queue << 43) + sync_names.seq,
            (sync_names.queue << 43) + (1 << 41) + sync_names.seq,
            (sync_names.queue << 43) + (2 << 41) + sync_names.seq,
            (sync_names.queue << 43) + (3 << 41) + sync_names.seq
        )
    )";

const SAVED: &str = "SELECT queue, waiting, parked FROM sync_counts";

const TAKE_SAVED: &str = "DELETE FROM sync_counts RETURNING queue, waiting, parked";

const SAVE: &str = "INSERT INTO sync_counts (queue, waiting, parked) VALUES (?1, ?2, ?3)";

/// How many rows have an entry, as if all of them waited.
pub(super) const ENTERED: &str = "SELECT queue, count(*), 0 FROM sync_names GROUP BY queue";

/// How many of them are parked, and so wait no longer. (A fresh row is none of these.)
pub(super) const PARKED: &str = "
    SELECT id >> 43, -count(*), count(*) FROM sync_outbox INDEXED BY sync_outbox_parked
    WHERE parked_id IS NOT NULL AND (id >> 41) & 3 = 3 GROUP BY id >> 43";

const LAST_REVISION: &str =
    "SELECT coalesce(max(revision), 0) FROM sync_outbox INDEXED BY sync_outbox_revised WHERE revision > seq";

const LAST_PLACE: &str = "SELECT id FROM sync_outbox WHERE id >= ?1 AND id < ?2 ORDER BY id DESC LIMIT 1";
