//! The newest rows of the outbox, which the index of names gets later, many at a time.
//!
//! Ids come in no order, so a row that was entered at once would write a page of that index of its own: half of what a push costs.
//! So rows of records that the server never had begin without an entry, and it is remembered where they stand. Most are sent and
//! gone before they need one. When there are many, all are entered in the order of their names, so that several share a page.
//!
//! When the file is closed, each row has its entry. After a crash, those without one are found near the ends of their lanes.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::place::Place;
use crate::record::RecordKey;

/// How many rows may be without an entry; bounds what is remembered.
const MOST: usize = 8192;

/// How far behind the newest edit a row without an entry may stand, and so how far back they are looked for after a crash.
pub(super) const REACH: u64 = 1 << 16;

/// A row without an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FreshRow {
    pub(super) queue: i64,
    pub(super) key: RecordKey,
    pub(super) place: Place,
}

/// The rows without an entry, in the order of the index.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    rows: BTreeMap<i64, BTreeMap<RecordKey, Place>>,
    count: usize,
    /// None of them has a lower place in the outbox.
    oldest: u64,
}

impl Fresh {
    pub(super) fn find(&self, queue: i64, key: &RecordKey) -> Option<Place> {
        self.rows.get(&queue)?.get(key).copied()
    }

    /// How many rows of a queue there are.
    pub(super) fn count_of(&self, queue: i64) -> usize {
        self.rows.get(&queue).map_or(0, BTreeMap::len)
    }

    /// Remembers where a row stands, or forgets it; answers what was remembered of it.
    pub(super) fn set(&mut self, queue: i64, key: RecordKey, place: Option<Place>) -> Option<Place> {
        let rows = self.rows.entry(queue).or_default();
        let before = match place {
            Some(place) => {
                self.oldest = if self.count == 0 { place.seq() } else { self.oldest.min(place.seq()) };
                rows.insert(key, place)
            }
            None => rows.remove(&key),
        };
        self.count = self.count + usize::from(place.is_some()) - usize::from(before.is_some());
        before
    }

    /// The names of a queue's rows after this one, in their order.
    pub(super) fn keys_after<'a>(
        &'a self,
        queue: i64,
        after: Option<&RecordKey>,
    ) -> impl Iterator<Item = &'a RecordKey> + use<'a> {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let rows = self.rows.get(&queue).map(|rows| rows.range::<RecordKey, _>((after, Bound::Unbounded)));
        rows.into_iter().flatten().map(|(key, _)| key)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = FreshRow> + '_ {
        self.rows.iter().flat_map(|(queue, rows)| {
            rows.iter().map(|(key, place)| FreshRow { queue: *queue, key: key.clone(), place: *place })
        })
    }

    /// Whether they have to be entered, now that edits have numbers up to this one.
    pub(super) fn are_due(&self, last_number: u64) -> bool {
        self.count > MOST || (self.count > 0 && last_number.saturating_sub(self.oldest) >= REACH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::sqlite::place::PlaceLane;

    fn key(number: u64) -> RecordKey {
        RecordKey::new(format!("{number:06}")).expect("it can name a record")
    }

    fn place(seq: u64) -> Place {
        let start = Place::lane_after(1, PlaceLane::Ready, None).start;
        Place::from_id(start + i64::try_from(seq).expect("it is small"))
    }

    fn filled(seqs: std::ops::RangeInclusive<u64>) -> Fresh {
        let mut fresh = Fresh::default();
        for seq in seqs {
            assert_eq!(fresh.set(1, key(seq), Some(place(seq))), None);
        }
        fresh
    }

    #[test]
    fn what_was_remembered_is_answered_and_can_be_put_back() {
        let mut fresh = filled(1..=3);
        assert_eq!(fresh.set(1, key(2), Some(place(9))), Some(place(2)));
        assert_eq!(fresh.find(1, &key(2)), Some(place(9)));
        assert_eq!(fresh.set(1, key(2), None), Some(place(9)));
        assert_eq!((fresh.find(1, &key(2)), fresh.find(2, &key(1))), (None, None));
        assert_eq!(fresh.keys_after(1, None).collect::<Vec<_>>(), [&key(1), &key(3)]);
        assert_eq!(fresh.keys_after(1, Some(&key(1))).collect::<Vec<_>>(), [&key(3)]);
        assert_eq!(fresh.count, 2);
    }

    #[test]
    fn they_are_entered_when_there_are_too_many() {
        let most = u64::try_from(MOST).expect("it is small");
        let mut fresh = filled(1..=most);
        assert!(!fresh.are_due(most));
        fresh.set(2, key(0), Some(place(most + 1)));
        assert!(fresh.are_due(most + 1));
        let keys: Vec<_> = fresh.all().map(|row| (row.queue, row.key)).collect();
        assert_eq!(keys.len(), MOST + 1);
        assert!(keys.is_sorted(), "as the index has them");
    }

    #[test]
    fn none_is_left_further_behind_than_a_crash_is_looked_after() {
        let mut fresh = filled(10..=12);
        assert!(!fresh.are_due(9 + REACH));
        assert!(fresh.are_due(10 + REACH));
        for row in fresh.all().collect::<Vec<_>>() {
            fresh.set(row.queue, row.key, None);
        }
        assert!(!fresh.are_due(u64::MAX));
        fresh.set(1, key(1), Some(place(REACH)));
        assert!(!fresh.are_due(REACH + 1), "it is measured from those that are left");
    }
}
