//! A storage in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};

use super::{Counts, Cursor, SetAside, Storage, StorageError, StorageLock, Transaction, Work};
use crate::record::{EntityName, Lane, OperationId, Principal, Record, RecordRef};

/// Records, queue and cursors in memory: for tests, and for programs that need nothing after their end. Clones share
/// their data, so a second engine on a clone finds what the first one left.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage {
    accounts: Arc<Mutex<BTreeMap<Principal, Account>>>,
    owned: Arc<AtomicBool>,
}

impl MemoryStorage {
    /// An empty storage.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn accounts(&self) -> MutexGuard<'_, BTreeMap<Principal, Account>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn transact(&self, principal: &Principal, work: Work) -> Result<(), StorageError> {
        let mut accounts = self.accounts();
        let last_seq = accounts.values().filter_map(Account::last_seq).max().unwrap_or(0);
        let account = accounts.entry(principal.clone()).or_default();
        let mut transaction = MemoryTransaction { account, last_seq, undo: Vec::new() };
        let result = work(&mut transaction);
        if result.is_err() {
            transaction.roll_back();
        }
        result
    }

    fn lock(&self) -> Result<StorageLock, StorageError> {
        if self.owned.swap(true, Ordering::AcqRel) {
            return Err(StorageError::Locked { name: "the storage in memory".to_owned() });
        }
        Ok(StorageLock::new(Possession(Arc::clone(&self.owned))))
    }
}

/// Gives the storage free when it is dropped.
struct Possession(Arc<AtomicBool>);

impl Drop for Possession {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// The data of one principal, and what finds it again.
#[derive(Debug, Default)]
struct Account {
    records: BTreeMap<RecordRef, Record>,
    /// Every record with a pending edit.
    pending: BTreeSet<(u64, RecordRef)>,
    ready: BTreeSet<(u64, RecordRef)>,
    waiting: BTreeSet<(DateTime<Utc>, u64, RecordRef)>,
    parked: BTreeSet<(u64, RecordRef)>,
    parked_ids: BTreeMap<OperationId, RecordRef>,
    /// From a record to those that are blocked on it.
    blocked: BTreeSet<(RecordRef, RecordRef)>,
    /// From a record to those that refer to it in an operation that waits.
    references: BTreeSet<(RecordRef, u64, RecordRef)>,
    revisions: BTreeSet<(u64, RecordRef)>,
    counts: BTreeMap<EntityName, Counts>,
    cursors: BTreeMap<EntityName, Cursor>,
    notes: BTreeMap<String, String>,
    aside: BTreeMap<(EntityName, String), SetAside>,
}

impl Account {
    fn last_seq(&self) -> Option<u64> {
        self.revisions.last().map(|(revision, _)| *revision)
    }

    /// Puts a record in place, or removes it, and returns what was there.
    fn replace(&mut self, name: &RecordRef, record: Option<Record>) -> Option<Record> {
        let before = match record.filter(|record| !record.is_empty()) {
            Some(record) => {
                let before = self.records.insert(name.clone(), record);
                self.unindex(name, before.as_ref());
                self.index(name);
                before
            }
            None => {
                let before = self.records.remove(name);
                self.unindex(name, before.as_ref());
                before
            }
        };
        before
    }

    fn index(&mut self, name: &RecordRef) {
        let Some(record) = self.records.get(name) else { return };
        let lane = record.lane();
        if let Some(seq) = lane.seq() {
            self.pending.insert((seq, name.clone()));
        }
        let counts = self.counts.entry(name.entity.clone()).or_default();
        match lane {
            Lane::Idle => {}
            Lane::Parked { seq } => {
                counts.parked += 1;
                self.parked.insert((seq, name.clone()));
            }
            Lane::Ready { seq } => {
                counts.waiting += 1;
                self.ready.insert((seq, name.clone()));
            }
            Lane::Waiting { seq, due } => {
                counts.waiting += 1;
                self.waiting.insert((due, seq, name.clone()));
            }
            Lane::Blocked { .. } => counts.waiting += 1,
        }
        if let Some(parked) = &record.parked {
            self.parked_ids.insert(parked.intention.id, name.clone());
        }
        if let Some(blocker) = &record.blocked_on {
            self.blocked.insert((blocker.clone(), name.clone()));
        }
        for (parent, seq) in record.waiting_references() {
            self.references.insert((parent.clone(), seq, name.clone()));
        }
        if let Some(newest) = record.newest() {
            self.revisions.insert((newest.revision.max(newest.seq), name.clone()));
        }
    }

    fn unindex(&mut self, name: &RecordRef, record: Option<&Record>) {
        let Some(record) = record else { return };
        let lane = record.lane();
        if let Some(seq) = lane.seq() {
            self.pending.remove(&(seq, name.clone()));
        }
        let counts = self.counts.entry(name.entity.clone()).or_default();
        match lane {
            Lane::Idle => {}
            Lane::Parked { seq } => {
                counts.parked -= 1;
                self.parked.remove(&(seq, name.clone()));
            }
            Lane::Ready { seq } => {
                counts.waiting -= 1;
                self.ready.remove(&(seq, name.clone()));
            }
            Lane::Waiting { seq, due } => {
                counts.waiting -= 1;
                self.waiting.remove(&(due, seq, name.clone()));
            }
            Lane::Blocked { .. } => counts.waiting -= 1,
        }
        if let Some(parked) = &record.parked {
            self.parked_ids.remove(&parked.intention.id);
        }
        if let Some(blocker) = &record.blocked_on {
            self.blocked.remove(&(blocker.clone(), name.clone()));
        }
        for (parent, seq) in record.waiting_references() {
            self.references.remove(&(parent.clone(), seq, name.clone()));
        }
        if let Some(newest) = record.newest() {
            self.revisions.remove(&(newest.revision.max(newest.seq), name.clone()));
        }
    }

    fn found(&self, name: &RecordRef) -> Option<(RecordRef, Record)> {
        self.records.get(name).map(|record| (name.clone(), record.clone()))
    }

    fn after<'a>(
        &'a self,
        places: &'a BTreeSet<(u64, RecordRef)>,
        entity: Option<&'a EntityName>,
        after: Option<u64>,
    ) -> impl Iterator<Item = (RecordRef, Record)> + 'a {
        places
            .iter()
            .filter(move |(seq, _)| after.is_none_or(|after| *seq > after))
            .filter(move |(_, name)| entity.is_none_or(|entity| name.entity == *entity))
            .filter_map(|(_, name)| self.found(name))
    }
}

/// How one change is taken back.
enum Undo {
    Record(RecordRef, Option<Record>),
    Cursor(EntityName, Option<Cursor>),
    Note(String, Option<String>),
    Aside((EntityName, String), Option<SetAside>),
}

struct MemoryTransaction<'a> {
    account: &'a mut Account,
    last_seq: u64,
    undo: Vec<Undo>,
}

impl MemoryTransaction<'_> {
    fn roll_back(&mut self) {
        while let Some(undo) = self.undo.pop() {
            match undo {
                Undo::Record(name, record) => {
                    self.account.replace(&name, record);
                }
                Undo::Cursor(entity, cursor) => restore(&mut self.account.cursors, entity, cursor),
                Undo::Note(name, text) => restore(&mut self.account.notes, name, text),
                Undo::Aside(identity, item) => restore(&mut self.account.aside, identity, item),
            }
        }
    }
}

fn restore<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

impl Transaction for MemoryTransaction<'_> {
    fn record(&mut self, name: &RecordRef) -> Result<Option<Record>, StorageError> {
        Ok(self.account.records.get(name).cloned())
    }

    fn put(&mut self, name: &RecordRef, record: &Record) -> Result<(), StorageError> {
        let before = self.account.replace(name, Some(record.clone()));
        self.undo.push(Undo::Record(name.clone(), before));
        Ok(())
    }

    fn sendable(
        &mut self,
        now: DateTime<Utc>,
        horizon: TimeDelta,
        limit: usize,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        let latest = now.checked_add_signed(horizon).unwrap_or(DateTime::<Utc>::MAX_UTC);
        let waiting = &self.account.waiting;
        let due = waiting.iter().take_while(|(due, ..)| *due <= now);
        let beyond = waiting.iter().rev().take_while(|(due, ..)| *due > latest);
        let come = due.chain(beyond).map(|(.., name)| name);
        let ready = self.account.ready.iter().map(|(_, name)| name);
        Ok(come.chain(ready).take(limit).filter_map(|name| self.account.found(name)).collect())
    }

    fn next_due(&mut self) -> Result<Option<DateTime<Utc>>, StorageError> {
        Ok(self.account.waiting.first().map(|(due, ..)| *due))
    }

    fn pending(
        &mut self,
        entity: Option<&EntityName>,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        Ok(self.account.after(&self.account.pending, entity, after).take(limit).collect())
    }

    fn parked(
        &mut self,
        entity: Option<&EntityName>,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        Ok(self.account.after(&self.account.parked, entity, after).take(limit).collect())
    }

    fn parked_by_id(&mut self, id: OperationId) -> Result<Option<(RecordRef, Record)>, StorageError> {
        Ok(self.account.parked_ids.get(&id).and_then(|name| self.account.found(name)))
    }

    fn release(&mut self, on: &RecordRef) -> Result<u64, StorageError> {
        let blocked = self.account.blocked.iter().filter(|(blocker, _)| blocker == on);
        let freed: Vec<_> = blocked.map(|(_, name)| name.clone()).collect();
        for name in &freed {
            if let Some((_, record)) = self.account.found(name) {
                self.put(name, &Record { blocked_on: None, ..record })?;
            }
        }
        Ok(u64::try_from(freed.len()).unwrap_or(u64::MAX))
    }

    fn earlier_child(&mut self, parent: &RecordRef, before: u64) -> Result<Option<RecordRef>, StorageError> {
        let children = self.account.references.iter().filter(|(referred, ..)| referred == parent);
        let earlier = children.filter(|(_, seq, name)| *seq < before && name != parent);
        Ok(earlier.map(|(.., name)| name.clone()).next())
    }

    fn counts(&mut self) -> Result<Vec<(EntityName, Counts)>, StorageError> {
        let counts = self.account.counts.iter().filter(|(_, counts)| **counts != Counts::default());
        Ok(counts.map(|(entity, counts)| (entity.clone(), *counts)).collect())
    }

    fn last_seq(&mut self) -> Result<u64, StorageError> {
        Ok(self.last_seq.max(self.account.last_seq().unwrap_or(0)))
    }

    fn cursor(&mut self, entity: &EntityName) -> Result<Option<Cursor>, StorageError> {
        Ok(self.account.cursors.get(entity).cloned())
    }

    fn set_cursor(&mut self, entity: &EntityName, cursor: Option<&Cursor>) -> Result<(), StorageError> {
        let before = self.account.cursors.get(entity).cloned();
        restore(&mut self.account.cursors, entity.clone(), cursor.cloned());
        self.undo.push(Undo::Cursor(entity.clone(), before));
        Ok(())
    }

    fn note(&mut self, name: &str) -> Result<Option<String>, StorageError> {
        Ok(self.account.notes.get(name).cloned())
    }

    fn set_note(&mut self, name: &str, text: Option<&str>) -> Result<(), StorageError> {
        let before = self.account.notes.get(name).cloned();
        restore(&mut self.account.notes, name.to_owned(), text.map(ToOwned::to_owned));
        self.undo.push(Undo::Note(name.to_owned(), before));
        Ok(())
    }

    fn set_aside(&mut self, item: &SetAside) -> Result<(), StorageError> {
        let identity = (item.entity.clone(), item.identity().to_owned());
        let before = self.account.aside.insert(identity.clone(), item.clone());
        self.undo.push(Undo::Aside(identity, before));
        Ok(())
    }

    fn items_aside(&mut self, entity: &EntityName, limit: usize) -> Result<Vec<SetAside>, StorageError> {
        let mut items: Vec<_> =
            self.account.aside.values().filter(|item| item.entity == *entity).cloned().collect();
        items.sort_by_key(|item| item.since);
        items.truncate(limit);
        Ok(items)
    }

    fn forget_aside(&mut self, name: &RecordRef) -> Result<(), StorageError> {
        let identity = (name.entity.clone(), name.key.to_string());
        let before = self.account.aside.remove(&identity);
        self.undo.push(Undo::Aside(identity, before));
        Ok(())
    }
}
