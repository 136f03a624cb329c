//! [`Transaction`] over maps, with a log of how to take each change back.

use std::collections::{BTreeMap, HashSet};
use std::ops::{Bound, Range};

use chrono::{DateTime, TimeDelta, Utc};

use super::account::{Account, Aside};
use super::fields::Fields;
use crate::record::{EntityName, OperationId, Record, RecordKey, RecordRef};
use crate::storage::{
    Counts, Cursor, IndexEntry, IndexValue, Place, Search, SetAside, StorageError, Transaction,
};

pub(super) struct MemoryTransaction<'a> {
    account: &'a mut Account,
    last_seq: &'a mut u64,
    last_seq_before: u64,
    undo: Vec<Undo>,
}

/// How one change is taken back.
enum Undo {
    Record(RecordRef, Option<Box<Record>>),
    Cursor(EntityName, Option<Cursor>),
    Note(String, Option<String>),
    /// All of an entity's items: there are few, if any.
    Aside(EntityName, Option<Aside>),
    /// What the index had of a record.
    Index(RecordRef, Vec<IndexEntry>),
    /// The index of a whole entity.
    Fields(EntityName, Option<Fields>),
}

impl<'a> MemoryTransaction<'a> {
    pub(super) fn new(account: &'a mut Account, last_seq: &'a mut u64) -> Self {
        Self { account, last_seq_before: *last_seq, last_seq, undo: Vec::new() }
    }

    pub(super) fn roll_back(mut self) {
        *self.last_seq = self.last_seq_before;
        while let Some(undo) = self.undo.pop() {
            match undo {
                Undo::Record(name, record) => {
                    self.account.replace(&name, record.map(|record| *record));
                }
                Undo::Cursor(entity, cursor) => restore(&mut self.account.cursors, entity, cursor),
                Undo::Note(name, text) => restore(&mut self.account.notes, name, text),
                Undo::Aside(entity, items) => restore(&mut self.account.aside, entity, items),
                Undo::Index(name, entries) => {
                    self.account.fields.entry(name.entity).or_default().set(&name.key, &entries);
                }
                Undo::Fields(entity, fields) => restore(&mut self.account.fields, entity, fields),
            }
        }
    }

    fn found<'n>(
        &self,
        names: impl Iterator<Item = &'n RecordRef>,
        limit: usize,
        except: &HashSet<RecordRef>,
    ) -> Vec<(RecordRef, Record)> {
        let names = names.filter(|name| !except.contains(*name));
        names.take(limit).filter_map(|name| self.account.found(name)).collect()
    }

    fn change_aside(&mut self, entity: &EntityName, change: impl FnOnce(&mut Aside)) {
        self.undo.push(Undo::Aside(entity.clone(), self.account.aside.get(entity).cloned()));
        change(self.account.aside.entry(entity.clone()).or_default());
    }
}

/// Puts a value in place, or takes it away, and says what was there.
fn replace<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) -> Option<V> {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    }
}

fn restore<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    replace(map, key, value);
}

impl Transaction for MemoryTransaction<'_> {
    fn record(&mut self, name: &RecordRef) -> Result<Option<Record>, StorageError> {
        Ok(self.account.records.get(name).cloned())
    }

    fn put(&mut self, name: &RecordRef, record: &Record) -> Result<(), StorageError> {
        let record = (!record.is_empty()).then(|| record.clone());
        if let Some(newest) = record.as_ref().and_then(Record::greatest_number) {
            *self.last_seq = newest.max(*self.last_seq);
        }
        let before = self.account.replace(name, record);
        self.undo.push(Undo::Record(name.clone(), before.map(Box::new)));
        Ok(())
    }

    fn sendable(
        &mut self,
        now: DateTime<Utc>,
        horizon: TimeDelta,
        limit: usize,
        except: &HashSet<RecordRef>,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        let latest = now.checked_add_signed(horizon).unwrap_or(DateTime::<Utc>::MAX_UTC).max(now);
        let waiting = &self.account.waiting;
        let come = waiting.between(Bound::Unbounded, Bound::Included((now, u64::MAX)));
        let beyond = waiting.between(Bound::Excluded((latest, u64::MAX)), Bound::Unbounded);
        let ready = self.account.ready.between(Bound::Unbounded, Bound::Unbounded);
        Ok(self.found(come.chain(beyond).chain(ready), limit, except))
    }

    fn next_due(&mut self) -> Result<Option<DateTime<Utc>>, StorageError> {
        Ok(self.account.waiting.first().map(|(due, _)| *due))
    }

    fn pending(
        &mut self,
        entity: Option<&EntityName>,
        after: Option<u64>,
        limit: usize,
        except: &HashSet<RecordRef>,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        Ok(self.found(self.account.pending.page(entity, after), limit, except))
    }

    fn oldest_waiting(
        &mut self,
        except: &HashSet<RecordRef>,
    ) -> Result<Option<(RecordRef, Record)>, StorageError> {
        Ok(self.found(self.account.waiting_by_place(), 1, except).pop())
    }

    fn parked(
        &mut self,
        entity: Option<&EntityName>,
        after: Option<u64>,
        limit: usize,
        except: &HashSet<RecordRef>,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        Ok(self.found(self.account.parked.page(entity, after), limit, except))
    }

    fn parked_by_id(&mut self, id: OperationId) -> Result<Option<(RecordRef, Record)>, StorageError> {
        Ok(self.account.parked_ids.get(&id).and_then(|name| self.account.found(name)))
    }

    fn based(
        &mut self,
        entity: &EntityName,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StorageError> {
        let later = |name: &RecordRef| name.entity == *entity && after.is_none_or(|after| name.key > *after);
        let based = self.account.records.iter().filter(|(name, record)| later(name) && record.base.is_some());
        Ok(based.map(|(name, _)| name.key.clone()).take(limit).collect())
    }

    fn kept_count(&mut self, entity: &EntityName) -> Result<u64, StorageError> {
        let of_entity = self.account.records.iter().filter(|(name, _)| name.entity == *entity);
        let kept = of_entity.filter_map(|(_, record)| record.base.as_ref()?.value.as_ref());
        Ok(u64::try_from(kept.count()).unwrap_or(u64::MAX))
    }

    fn set_index(&mut self, name: &RecordRef, entries: &[IndexEntry]) -> Result<(), StorageError> {
        let before = self.account.fields.entry(name.entity.clone()).or_default().set(&name.key, entries);
        self.undo.push(Undo::Index(name.clone(), before));
        Ok(())
    }

    fn clear_index(&mut self, entity: &EntityName) -> Result<(), StorageError> {
        let before = self.account.fields.remove(entity);
        self.undo.push(Undo::Fields(entity.clone(), before));
        Ok(())
    }

    fn find(&mut self, entity: &EntityName, search: &Search) -> Result<Vec<Place>, StorageError> {
        if search.order.is_some() || !search.conditions.is_empty() {
            let fields = self.account.fields.get(entity);
            return Ok(fields.map(|fields| fields.find(search)).unwrap_or_default());
        }
        let after = search.after.as_ref().map(|place| &place.key);
        let later = |name: &&RecordRef| name.entity == *entity && after.is_none_or(|after| name.key > *after);
        let names = self.account.records.keys().filter(later).take(search.limit);
        Ok(names.map(|name| Place { value: IndexValue::Null, key: name.key.clone() }).collect())
    }

    fn release(&mut self, on: &RecordRef) -> Result<u64, StorageError> {
        let freed: Vec<_> = self.account.blocked.at(on).cloned().collect();
        for name in &freed {
            if let Some((_, record)) = self.account.found(name) {
                self.put(name, &Record { blocked_on: None, ..record })?;
            }
        }
        Ok(u64::try_from(freed.len()).unwrap_or(u64::MAX))
    }

    fn earlier_child(
        &mut self,
        parent: &RecordRef,
        places: Range<u64>,
    ) -> Result<Option<(u64, RecordRef)>, StorageError> {
        let children = self.account.references.get(parent).filter(|_| !places.is_empty());
        let first = children.and_then(|children| children.first_within(places));
        Ok(first.map(|(place, child)| (*place, child.clone())))
    }

    fn counts(&mut self) -> Result<Vec<(EntityName, Counts)>, StorageError> {
        let counts = self.account.counts.iter().filter(|(_, counts)| **counts != Counts::default());
        Ok(counts.map(|(entity, counts)| (entity.clone(), *counts)).collect())
    }

    fn last_seq(&mut self) -> Result<u64, StorageError> {
        Ok(*self.last_seq)
    }

    fn cursor(&mut self, entity: &EntityName) -> Result<Option<Cursor>, StorageError> {
        Ok(self.account.cursors.get(entity).cloned())
    }

    fn set_cursor(&mut self, entity: &EntityName, cursor: Option<&Cursor>) -> Result<(), StorageError> {
        let before = replace(&mut self.account.cursors, entity.clone(), cursor.cloned());
        self.undo.push(Undo::Cursor(entity.clone(), before));
        Ok(())
    }

    fn note(&mut self, name: &str) -> Result<Option<String>, StorageError> {
        Ok(self.account.notes.get(name).cloned())
    }

    fn set_note(&mut self, name: &str, text: Option<&str>) -> Result<(), StorageError> {
        let before = replace(&mut self.account.notes, name.to_owned(), text.map(ToOwned::to_owned));
        self.undo.push(Undo::Note(name.to_owned(), before));
        Ok(())
    }

    fn set_aside(&mut self, item: &SetAside) -> Result<(), StorageError> {
        self.change_aside(&item.entity, |aside| aside.set(item.clone()));
        Ok(())
    }

    fn items_aside(&mut self, entity: &EntityName, limit: usize) -> Result<Vec<SetAside>, StorageError> {
        let items = self.account.aside.get(entity).into_iter().flat_map(|aside| aside.items.values());
        Ok(items.take(limit).cloned().collect())
    }

    fn forget_aside(&mut self, name: &RecordRef) -> Result<(), StorageError> {
        if self.account.aside.contains_key(&name.entity) {
            self.change_aside(&name.entity, |aside| aside.forget(name));
        }
        Ok(())
    }
}
