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
use crate::storage::{Condition, IndexEntry};

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
}

struct Watch {
    conditions: Vec<Condition>,
    changed: Changed,
    /// While it is reading, what it shows is not known, so it is told of every record.
    reading: bool,
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
        let watch = Watch { conditions, changed: Changed::TooMany, reading: false, wake: Arc::clone(&wake) };
        room.watches.insert(id, watch);
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
        let shown = self.shown.get(key);
        for (id, watch) in &mut self.watches {
            let concerned = watch.reading
                || entries.is_some_and(|entries| fits(&watch.conditions, entries))
                || shown.is_some_and(|shown| shown.contains(id));
            if concerned {
                watch.changed.add(key);
                watch.wake.notify_one();
            }
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
pub(crate) fn fits(conditions: &[Condition], entries: &[IndexEntry]) -> bool {
    let value = |field: &str| entries.iter().find(|entry| entry.field == field).map(|entry| &entry.value);
    conditions.iter().all(|condition| value(condition.field).is_some_and(|value| condition.holds(value)))
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
        self.with(|watch| {
            watch.reading = true;
            std::mem::replace(&mut watch.changed, Changed::These(BTreeSet::new()))
        })
        .unwrap_or(Changed::TooMany)
    }

    /// Looking failed: everything has to be looked at again.
    pub(crate) fn failed(&self) {
        self.with(|watch| watch.changed = Changed::TooMany);
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
        if let Some(watch) = room.watches.get_mut(&self.id) {
            watch.reading = false;
        }
    }

    fn with<R>(&self, work: impl FnOnce(&mut Watch) -> R) -> Option<R> {
        let mut rooms = self.watches.rooms();
        rooms.get_mut(&self.entity).and_then(|room| room.watches.get_mut(&self.id)).map(work)
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut rooms = self.watches.rooms();
        let Some(room) = rooms.get_mut(&self.entity) else { return };
        room.watches.remove(&self.id);
        room.shown.retain(|_, watches| {
            watches.remove(&self.id);
            !watches.is_empty()
        });
        self.watches.open.fetch_sub(1, Ordering::Relaxed);
    }
}
