//! The data of one principal, and the indexes that find it again.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Bound, Range};

use chrono::{DateTime, Utc};

use super::fields::Fields;
use crate::record::{EntityName, Lane, OperationId, Record, RecordRef};
use crate::storage::{Counts, Cursor, KEYLESS_ASIDE, SetAside};

/// Names of records in the order of a key that several may share.
#[derive(Debug)]
pub(super) struct Ordered<K>(BTreeMap<K, BTreeSet<RecordRef>>);

impl<K> Default for Ordered<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord> Ordered<K> {
    fn set(&mut self, key: K, name: &RecordRef, present: bool) {
        if present {
            self.0.entry(key).or_default().insert(name.clone());
        } else if let Some(names) = self.0.get_mut(&key) {
            names.remove(name);
            if names.is_empty() {
                self.0.remove(&key);
            }
        }
    }

    pub(super) fn first(&self) -> Option<&K> {
        self.0.keys().next()
    }

    /// The first within a range that is not empty.
    pub(super) fn first_within(&self, range: Range<K>) -> Option<(&K, &RecordRef)> {
        let (key, names) = self.0.range(range).next()?;
        names.first().map(|name| (key, name))
    }

    pub(super) fn at(&self, key: &K) -> impl Iterator<Item = &RecordRef> {
        self.0.get(key).into_iter().flatten()
    }

    pub(super) fn between(&self, from: Bound<K>, to: Bound<K>) -> impl Iterator<Item = &RecordRef> {
        self.0.range((from, to)).flat_map(|(_, names)| names)
    }
}

/// A list of places in the outbox, as a whole and by entity.
#[derive(Debug, Default)]
pub(super) struct Places {
    all: Ordered<u64>,
    by_entity: BTreeMap<EntityName, Ordered<u64>>,
}

impl Places {
    fn set(&mut self, seq: u64, name: &RecordRef, present: bool) {
        self.all.set(seq, name, present);
        self.by_entity.entry(name.entity.clone()).or_default().set(seq, name, present);
    }

    pub(super) fn page(
        &self,
        entity: Option<&EntityName>,
        after: Option<u64>,
    ) -> impl Iterator<Item = &RecordRef> {
        let places = match entity {
            None => Some(&self.all),
            Some(entity) => self.by_entity.get(entity),
        };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        places.into_iter().flat_map(move |places| places.between(from, Bound::Unbounded))
    }
}

#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) records: BTreeMap<RecordRef, Record>,
    pub(super) pending: Places,
    pub(super) parked: Places,
    pub(super) ready: Ordered<u64>,
    pub(super) waiting: Ordered<(DateTime<Utc>, u64)>,
    pub(super) parked_ids: BTreeMap<OperationId, RecordRef>,
    /// From a record to those that are blocked on it.
    pub(super) blocked: Ordered<RecordRef>,
    /// From a record to those that refer to it in an operation that waits, by their place in the outbox.
    pub(super) references: BTreeMap<RecordRef, Ordered<u64>>,
    pub(super) counts: BTreeMap<EntityName, Counts>,
    pub(super) cursors: BTreeMap<EntityName, Cursor>,
    pub(super) notes: BTreeMap<String, String>,
    pub(super) aside: BTreeMap<EntityName, Aside>,
    pub(super) fields: BTreeMap<EntityName, Fields>,
}

/// The items of one entity that were kept aside, in the order of their coming.
#[derive(Debug, Clone, Default)]
pub(super) struct Aside {
    pub(super) items: BTreeMap<u64, SetAside>,
    pub(super) places: BTreeMap<String, u64>,
}

impl Account {
    pub(super) fn found(&self, name: &RecordRef) -> Option<(RecordRef, Record)> {
        self.records.get(name).map(|record| (name.clone(), record.clone()))
    }

    /// Those that wait to be sent, by their place in the outbox.
    pub(super) fn waiting_by_place(&self) -> impl Iterator<Item = &RecordRef> {
        let is_parked = |record: &Record| matches!(record.lane(), Lane::Parked { .. });
        self.pending.page(None, None).filter(move |name| !self.records.get(*name).is_some_and(is_parked))
    }

    /// Puts a record in place, or removes it, and returns what was there.
    pub(super) fn replace(&mut self, name: &RecordRef, record: Option<Record>) -> Option<Record> {
        let before = self.records.remove(name);
        if let Some(before) = &before {
            self.index(name, before, false);
        }
        if let Some(record) = record {
            self.index(name, &record, true);
            self.records.insert(name.clone(), record);
        }
        before
    }

    /// Enters a record in every index, or takes it out: the same steps, so that nothing can be left behind.
    fn index(&mut self, name: &RecordRef, record: &Record, present: bool) {
        let lane = record.lane();
        if let Some(seq) = lane.seq() {
            self.pending.set(seq, name, present);
            self.count(name, lane, present);
        }
        match lane {
            Lane::Idle | Lane::Blocked { .. } => {}
            Lane::Ready { seq } => self.ready.set(seq, name, present),
            Lane::Waiting { seq, due } => self.waiting.set((due, seq), name, present),
            Lane::Parked { seq } => self.parked.set(seq, name, present),
        }
        if let Some(parked) = &record.parked {
            if present {
                self.parked_ids.insert(parked.intention.id, name.clone());
            } else {
                self.parked_ids.remove(&parked.intention.id);
            }
        }
        if let Some(on) = &record.blocked_on {
            self.blocked.set(on.clone(), name, present);
        }
        for (parent, seq) in record.waiting_references().filter(|(parent, _)| *parent != name) {
            let children = self.references.entry(parent.clone()).or_default();
            children.set(seq, name, present);
            if children.0.is_empty() {
                self.references.remove(parent);
            }
        }
    }

    fn count(&mut self, name: &RecordRef, lane: Lane, present: bool) {
        let counts = self.counts.entry(name.entity.clone()).or_default();
        let count = match lane {
            Lane::Parked { .. } => &mut counts.parked,
            _ => &mut counts.waiting,
        };
        if present {
            *count += 1;
        } else {
            *count -= 1;
        }
    }
}

impl Aside {
    pub(super) fn set(&mut self, item: SetAside) {
        let identity = item.identity().to_owned();
        let place = self.items.keys().next_back().map_or(0, |last| last + 1);
        if let Some(earlier) = self.places.insert(identity, place) {
            self.items.remove(&earlier);
        }
        self.items.insert(place, item);
        let keyless = |(place, item): (&u64, &SetAside)| item.key.is_none().then_some(*place);
        let oldest = self.items.iter().rev().filter_map(keyless).nth(KEYLESS_ASIDE);
        if let Some(item) = oldest.and_then(|place| self.items.remove(&place)) {
            self.places.remove(item.identity());
        }
    }

    pub(super) fn forget(&mut self, name: &RecordRef) {
        let Some(place) = self.places.get(name.key.as_str()).copied() else { return };
        if self.items.get(&place).is_some_and(|item| item.key.is_some()) {
            self.items.remove(&place);
            self.places.remove(name.key.as_str());
        }
    }
}
