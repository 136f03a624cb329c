//! A transaction that keeps count: every write of a record by the engine goes through here.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, TimeDelta, Utc};

use super::entities::{Entities, index};
use super::port::EntityPort;
use super::scope;
use crate::record::{EntityName, Lane, Record, RecordRef};
use crate::storage::{Counts, IndexEntry, StorageError, Transaction};

/// A storage transaction, and what it changes about the counts.
pub(crate) struct Ledger<'a> {
    pub(crate) tx: &'a mut dyn Transaction,
    entities: &'a Entities,
    changes: Changes,
}

/// What the row of a record holds.
pub(crate) enum Stored {
    /// The record, as this version of the program writes it.
    Current(Record),
    /// What an earlier version of the program stored, and this one cannot bring up to date: the row as it stands, and why.
    Outdated(Record, String),
    /// Nothing that can be read, and why.
    Damaged(String),
}

/// What was asked for.
pub(crate) struct Rows {
    pub(crate) records: Vec<(RecordRef, Record)>,
    /// Those that would be among them if they could be read.
    pub(crate) damaged: Vec<StorageError>,
}

/// What was read, unless it is a row that cannot be.
pub(crate) fn readable<T>(read: Result<T, StorageError>) -> Result<Option<T>, StorageError> {
    match read {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.damaged().is_some() => Ok(None),
        Err(error) => Err(error),
    }
}

/// How a transaction changes the counts; to be applied once it is durable.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    counts: BTreeMap<EntityName, (i64, i64)>,
    /// When the oldest of the edits was made that wait from now on.
    pub(crate) oldest_begun: Option<DateTime<Utc>>,
    /// The same of those that wait no more.
    pub(crate) oldest_ended: Option<DateTime<Utc>>,
    /// The records of replicas that were written.
    pub(crate) touched: Vec<Touched>,
    /// The entities of which records that wait for others may stand elsewhere now.
    pub(crate) freed: BTreeSet<EntityName>,
    /// The entities of which edits wait until everything was listed.
    pub(crate) held: BTreeSet<EntityName>,
}

/// A record of a replica that was written.
#[derive(Debug)]
pub(crate) struct Touched {
    pub(crate) name: RecordRef,
    /// By what it is found from now on; `None` when that has not changed, and when there is nothing of it to see.
    pub(crate) entries: Option<Vec<IndexEntry>>,
}

impl<'a> Ledger<'a> {
    pub(crate) fn new(tx: &'a mut dyn Transaction, entities: &'a Entities) -> Self {
        Self { tx, entities, changes: Changes::default() }
    }

    /// What the row of a record holds; an empty record where there is none.
    pub(crate) fn stored(&mut self, name: &RecordRef) -> Result<Stored, StorageError> {
        let record = match self.tx.record(name) {
            Ok(record) => record.unwrap_or_default(),
            Err(StorageError::Row { reason, .. }) => return Ok(Stored::Damaged(reason)),
            Err(error) => return Err(error),
        };
        match self.entities.upgraded(name, record.clone()) {
            Ok(record) => Ok(Stored::Current(record)),
            Err(StorageError::Upgrade { reason, .. }) => Ok(Stored::Outdated(record, reason)),
            Err(error) => Err(error),
        }
    }

    /// A record, as this version of the program writes it.
    pub(crate) fn record(&mut self, name: &RecordRef) -> Result<Record, StorageError> {
        match self.tx.record(name)? {
            Some(record) => self.entities.upgraded(name, record),
            None => Ok(Record::default()),
        }
    }

    /// A record whose edit is about to be replaced or given up: what of it cannot be upgraded any more is no ancestor of an edit.
    pub(crate) fn record_to_replace(&mut self, name: &RecordRef) -> Result<Record, StorageError> {
        match self.stored(name)? {
            Stored::Current(record) => Ok(record),
            Stored::Outdated(mut outdated, _) => {
                if let Some(base) = &mut outdated.base {
                    base.value = None;
                }
                Ok(outdated)
            }
            Stored::Damaged(reason) => Err(StorageError::Row { record: name.clone(), reason }),
        }
    }

    /// What can be sent, without those in `except`, as [`around_damage`](Self::around_damage) has it.
    pub(crate) fn sendable(
        &mut self,
        now: DateTime<Utc>,
        horizon: TimeDelta,
        limit: usize,
        except: &mut HashSet<RecordRef>,
    ) -> Result<Rows, StorageError> {
        self.around_damage(except, |tx, except| tx.sendable(now, horizon, limit, except))
    }

    /// When the oldest edit that waits to be sent was made, of those that can be read.
    pub(crate) fn oldest_made_at(&mut self) -> Result<Option<DateTime<Utc>>, StorageError> {
        let oldest = self.around_damage(&mut HashSet::new(), |tx, except| {
            Ok(tx.oldest_waiting(except)?.into_iter().collect())
        })?;
        Ok(oldest.records.first().and_then(|(_, record)| since(record)))
    }

    /// Asks for rows. One that cannot be read holds back itself and nothing else: it is added to `except`, and answered beside the
    /// others.
    pub(crate) fn around_damage(
        &mut self,
        except: &mut HashSet<RecordRef>,
        ask: impl Fn(&mut dyn Transaction, &HashSet<RecordRef>) -> Result<Vec<(RecordRef, Record)>, StorageError>,
    ) -> Result<Rows, StorageError> {
        let mut damaged = Vec::new();
        loop {
            match ask(self.tx, except) {
                Ok(records) => return Ok(Rows { records, damaged }),
                Err(error) if error.damaged().is_some_and(|record| except.insert(record.clone())) => {
                    damaged.push(error);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Writes a record, and frees those that waited for what it has become. `before` has to be the row as it is now, as this transaction
    /// read it: the counts, the index and the records that waited follow from what differs.
    pub(crate) fn put(
        &mut self,
        name: &RecordRef,
        before: &Record,
        after: &Record,
    ) -> Result<(), StorageError> {
        if before == after {
            return Ok(());
        }
        let replica = self.entities.replica(&name.entity);
        let let_go = replica.is_some() && !scope::keeps(self.entities, name, after);
        let after = &*if let_go { Cow::Owned(Record::default()) } else { self.leaving(name, before, after) };
        self.tx.put(name, after)?;
        let (was, is) = (weight(before.lane()), weight(after.lane()));
        let counts = self.changes.counts.entry(name.entity.clone()).or_default();
        counts.0 += is.0 - was.0;
        counts.1 += is.1 - was.1;
        self.changes.waits(since(before), since(after));
        if let Some(port) = replica {
            if before.view() == after.view() {
                self.changes.touched.push(Touched { name: name.clone(), entries: None });
            } else {
                let entries = after.view().map(|view| index(&**port, name, Some(view)));
                self.show(&**port, name, entries)?;
            }
        }
        let waiting = |record: &Record| record.oldest_waiting().map(|waiting| waiting.id);
        let advanced =
            waiting(before) != waiting(after) || (!before.admits_children() && after.admits_children());
        let mut freed = false;
        if advanced && !planted!(BlockedForEver) && before.is_pending() && self.is_linked(&name.entity) {
            freed = self.tx.release(name)? > 0;
        }
        // Those that wait for it say whether it waits for the user.
        let parked = |record: &Record| matches!(record.lane(), Lane::Parked { .. });
        if freed || (parked(before) != parked(after) && self.is_linked(&name.entity)) {
            self.changes.freed.extend(self.entities.waiting_for(&name.entity));
        }
        Ok(())
    }

    /// Edits of an entity wait from now on until everything was listed.
    pub(crate) fn hold(&mut self, entity: &EntityName) {
        self.changes.held.insert(entity.clone());
    }

    /// Whether this transaction has found that they do.
    pub(crate) fn is_held_from_now_on(&self, entity: &EntityName) -> bool {
        self.changes.held.contains(entity)
    }

    /// Frees those that wait for something that is no record.
    pub(crate) fn release(&mut self, stand_in: &RecordRef) -> Result<(), StorageError> {
        if self.tx.release(stand_in)? > 0 {
            self.changes.freed.insert(stand_in.entity.clone());
        }
        Ok(())
    }

    /// The record, with what waits knowing the parents that it has on the server as that is known now: those that the edit leaves are not
    /// deleted before it is through.
    fn leaving<'r>(&self, name: &RecordRef, before: &Record, after: &'r Record) -> Cow<'r, Record> {
        let is_news = before.queued != after.queued || before.base != after.base;
        let (Some(queued), Some(base), true) = (&after.queued, &after.base, is_news) else {
            return Cow::Borrowed(after);
        };
        let parents = self.entities.references(name, base);
        if parents.is_empty() {
            return Cow::Borrowed(after);
        }
        let mut queued = queued.clone();
        queued.leave(parents);
        Cow::Owned(Record { queued: Some(queued), ..after.clone() })
    }

    /// Writes a record of which nothing is known but what the server has, with no regard to what it was before. No edit of its entity
    /// waits.
    pub(crate) fn put_pulled(
        &mut self,
        port: &dyn EntityPort,
        name: &RecordRef,
        record: &Record,
        entries: Vec<IndexEntry>,
    ) -> Result<(), StorageError> {
        // Whoever waits for it does so because its row could not be read.
        if self.is_linked(&name.entity) && self.tx.release(name)? > 0 {
            self.changes.freed.extend(self.entities.waiting_for(&name.entity));
        }
        if !port.keeps() {
            return self.tx.put(name, record);
        }
        let outside = record.view().is_some() && !scope::holds(&self.entities.scope(&name.entity), &entries);
        let nothing = Record::default();
        let record = if outside { &nothing } else { record };
        self.tx.put(name, record)?;
        self.show(port, name, record.view().map(|_| entries))
    }

    /// Has a record of a replica found where it belongs now, and those who watch told of it.
    fn show(
        &mut self,
        port: &dyn EntityPort,
        name: &RecordRef,
        entries: Option<Vec<IndexEntry>>,
    ) -> Result<(), StorageError> {
        if port.indexes() && !planted!(IndexStandsStill) {
            self.tx.set_index(name, entries.as_deref().unwrap_or_default())?;
        }
        self.changes.touched.push(Touched { name: name.clone(), entries });
        Ok(())
    }

    pub(crate) fn entities(&self) -> &'a Entities {
        self.entities
    }

    pub(crate) fn is_linked(&self, entity: &EntityName) -> bool {
        self.entities.is_linked(entity)
    }

    pub(crate) fn into_changes(self) -> Changes {
        self.changes
    }
}

impl Changes {
    fn waits(&mut self, before: Option<DateTime<Utc>>, after: Option<DateTime<Utc>>) {
        if before != after {
            self.oldest_begun = self.oldest_begun.into_iter().chain(after).min();
            self.oldest_ended = self.oldest_ended.into_iter().chain(before).min();
        }
    }
}

/// Since when an edit of the record waits to be sent.
fn since(record: &Record) -> Option<DateTime<Utc>> {
    record.oldest_waiting().map(|waiting| waiting.made_at)
}

/// What a record counts for: waiting, parked.
fn weight(lane: Lane) -> (i64, i64) {
    match lane {
        Lane::Idle => (0, 0),
        Lane::Ready { .. } | Lane::Waiting { .. } | Lane::Blocked { .. } => (1, 0),
        Lane::Parked { .. } => (0, 1),
    }
}

/// The counts, right from the moment the engine is built.
///
/// Signed inside: a later transaction's change may be applied before an earlier one's.
#[derive(Debug, Default)]
pub(crate) struct Tally(BTreeMap<EntityName, (i64, i64)>);

impl Tally {
    pub(crate) fn new(counts: Vec<(EntityName, Counts)>) -> Self {
        let signed = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        Self(
            counts
                .into_iter()
                .map(|(name, counts)| (name, (signed(counts.waiting), signed(counts.parked))))
                .collect(),
        )
    }

    pub(crate) fn apply(&mut self, changes: &Changes) {
        for (entity, (waiting, parked)) in &changes.counts {
            let counts = self.0.entry(entity.clone()).or_default();
            counts.0 += waiting;
            counts.1 += parked;
        }
    }

    pub(crate) fn total(&self) -> Counts {
        let sum = self.0.values().fold((0, 0), |sum, counts| (sum.0 + counts.0, sum.1 + counts.1));
        unsigned(sum)
    }

    pub(crate) fn of(&self, entity: &str) -> Counts {
        self.iter().find(|(name, _)| name.as_str() == entity).map(|(_, counts)| counts).unwrap_or_default()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&EntityName, Counts)> {
        self.0.iter().map(|(name, counts)| (name, unsigned(*counts)))
    }
}

fn unsigned((waiting, parked): (i64, i64)) -> Counts {
    let count = |signed: i64| u64::try_from(signed).unwrap_or(0);
    Counts { waiting: count(waiting), parked: count(parked) }
}
