//! Who watches which records, and what they have not looked at yet.
//!
//! A watch is told which records changed, not how: it reads them when it has the time, so that it sees the newest state however many
//! changes there were, and in whichever order they are told of here.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::ledger::Touched;
use crate::record::{EntityName, RecordKey};
use crate::storage::{Condition, IndexEntry, IndexValue};

/// So many changed records are remembered one by one for a watch; when there are more, it looks at all.
const MOST: usize = 1000;

/// All watches of an engine.
#[derive(Default)]
pub(crate) struct Watches {
    rooms: Mutex<BTreeMap<EntityName, Room>>,
    /// How many watches there are: without any, nothing is looked at.
    open: AtomicUsize,
}

/// The watches of one entity.
#[derive(Default)]
struct Room {
    watches: BTreeMap<u64, Watch>,
    next: u64,
    /// Which watches show a record: those are told when it leaves.
    shown: HashMap<RecordKey, BTreeSet<u64>>,
    /// Those that ask for one value of a field, by that: a record comes by those for its own values alone.
    by_value: HashMap<&'static str, BTreeMap<IndexValue, BTreeSet<u64>>>,
    /// The others.
    by_nothing: BTreeSet<u64>,
    /// Those that are reading: what they show is not known, so they are told of every record.
    reading: BTreeSet<u64>,
}

struct Watch {
    conditions: Vec<Condition>,
    changed: Changed,
    wake: Arc<Notify>,
}

/// The records that a watch has to look at.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Changed {
    These(BTreeSet<RecordKey>),
    TooMany,
}

impl Changed {
    fn add(&mut self, key: &RecordKey) {
        if let Self::These(keys) = self {
            keys.insert(key.clone());
            if keys.len() > MOST {
                *self = Self::TooMany;
            }
        }
    }
}

impl Watches {
    /// Begins a watch of the records for which the conditions hold.
    pub(crate) fn begin(self: &Arc<Self>, entity: EntityName, conditions: Vec<Condition>) -> Registration {
        let wake = Arc::new(Notify::new());
        let mut rooms = self.rooms();
        let room = rooms.entry(entity.clone()).or_default();
        let id = room.next;
        room.next += 1;
        room.places(&conditions).insert(id);
        room.watches.insert(id, Watch { conditions, changed: Changed::TooMany, wake: Arc::clone(&wake) });
        self.open.fetch_add(1, Ordering::Relaxed);
        Registration { watches: Arc::clone(self), entity, id, wake }
    }

    /// Tells those who watch of records that were written.
    pub(crate) fn tell(&self, touched: &[Touched]) {
        if touched.is_empty() || self.open.load(Ordering::Relaxed) == 0 || planted!(WatchIsNotTold) {
            return;
        }
        let mut rooms = self.rooms();
        for Touched { name, entries } in touched {
            if let Some(room) = rooms.get_mut(&name.entity) {
                room.tell(&name.key, entries.as_deref());
            }
        }
    }

    /// Records of these entities may stand elsewhere now, because those that they wait for do: who watches looks at all.
    pub(crate) fn tell_all(&self, entities: &BTreeSet<EntityName>) {
        if entities.is_empty() || self.open.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut rooms = self.rooms();
        for entity in entities {
            for watch in rooms.get_mut(entity).into_iter().flat_map(|room| room.watches.values_mut()) {
                watch.changed = Changed::TooMany;
                watch.wake.notify_one();
            }
        }
    }

    fn rooms(&self) -> MutexGuard<'_, BTreeMap<EntityName, Room>> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Room {
    fn tell(&mut self, key: &RecordKey, entries: Option<&[IndexEntry]>) {
        let mut concerned = self.reading.clone();
        concerned.extend(self.shown.get(key).into_iter().flatten());
        if let Some(entries) = entries {
            let of_entry = |entry: &IndexEntry| self.by_value.get(entry.field)?.get(&entry.value);
            let asked = entries.iter().filter_map(of_entry).flatten().chain(&self.by_nothing);
            let fits = |id: &&u64| self.watches.get(id).is_some_and(|watch| fits(&watch.conditions, entries));
            concerned.extend(asked.filter(fits));
        }
        for id in concerned {
            if let Some(watch) = self.watches.get_mut(&id) {
                watch.changed.add(key);
                watch.wake.notify_one();
            }
        }
    }

    /// Where a watch with these conditions stands.
    fn places(&mut self, conditions: &[Condition]) -> &mut BTreeSet<u64> {
        let single =
            conditions.iter().find_map(|condition| Some((condition.field, condition.single()?.clone())));
        match single {
            Some((field, value)) => self.by_value.entry(field).or_default().entry(value).or_default(),
            None => &mut self.by_nothing,
        }
    }

    fn hide(&mut self, id: u64, key: &RecordKey) {
        if let Some(watches) = self.shown.get_mut(key) {
            watches.remove(&id);
            if watches.is_empty() {
                self.shown.remove(key);
            }
        }
    }
}

/// Whether a record with these values is one of those that are asked for.
pub(crate) fn fits<'c>(conditions: impl IntoIterator<Item = &'c Condition>, entries: &[IndexEntry]) -> bool {
    let value = |field: &str| entries.iter().find(|entry| entry.field == field).map(|entry| &entry.value);
    conditions.into_iter().all(|condition| value(condition.field).is_some_and(|value| condition.holds(value)))
}

/// A watch, which ends when this is dropped.
pub(crate) struct Registration {
    watches: Arc<Watches>,
    entity: EntityName,
    id: u64,
    wake: Arc<Notify>,
}

impl Registration {
    /// Waits until there is something to look at.
    pub(crate) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// What has to be looked at. From now on until [`shows`](Self::shows), everything that changes has to be, later.
    pub(crate) fn read(&self) -> Changed {
        let mut rooms = self.watches.rooms();
        let Some(room) = rooms.get_mut(&self.entity) else { return Changed::TooMany };
        room.reading.insert(self.id);
        let nothing = || Changed::These(BTreeSet::new());
        let watch = room.watches.get_mut(&self.id);
        watch.map_or(Changed::TooMany, |watch| std::mem::replace(&mut watch.changed, nothing()))
    }

    /// Looking failed: everything has to be looked at again.
    pub(crate) fn failed(&self) {
        let mut rooms = self.watches.rooms();
        let watch = rooms.get_mut(&self.entity).and_then(|room| room.watches.get_mut(&self.id));
        if let Some(watch) = watch {
            watch.changed = Changed::TooMany;
        }
    }

    /// The watch has read everything: it shows these as well, and no longer those.
    pub(crate) fn shows<'k>(
        &self,
        shown: impl Iterator<Item = &'k RecordKey>,
        hidden: impl Iterator<Item = &'k RecordKey>,
    ) {
        let mut rooms = self.watches.rooms();
        let Some(room) = rooms.get_mut(&self.entity) else { return };
        for key in shown {
            room.shown.entry(key.clone()).or_default().insert(self.id);
        }
        for key in hidden {
            room.hide(self.id, key);
        }
        room.reading.remove(&self.id);
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut rooms = self.watches.rooms();
        let Some(room) = rooms.get_mut(&self.entity) else { return };
        if let Some(watch) = room.watches.remove(&self.id) {
            room.places(&watch.conditions).remove(&self.id);
            for values in room.by_value.values_mut() {
                values.retain(|_, watches| !watches.is_empty());
            }
        }
        room.reading.remove(&self.id);
        room.shown.retain(|_, watches| {
            watches.remove(&self.id);
            !watches.is_empty()
        });
        self.watches.open.fetch_sub(1, Ordering::Relaxed);
    }
}
