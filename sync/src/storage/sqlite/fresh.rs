//! The newest rows of the outbox, which the index of names gets later, many at a time.
//!
//! Ids come in no order, so a row that was entered at once would write a page of that index of its own: half of what a push costs.
//! So rows of records that the server never had begin without an entry, and it is remembered where they stand. Most are sent and
//! gone before they need one. When there are many, a part of them is entered: neighbours in the order of names, so that several
//! share a page, and those that follow them the next time.
//!
//! When the file is closed, each row has its entry. After a crash, those without one are found near the ends of their lanes.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::place::Place;
use super::rows::number;
use crate::record::RecordKey;

/// How many rows may be without an entry; bounds what is remembered.
pub(super) const MOST: usize = 16384;

/// How many are entered at once when there are more: as few as nobody waits for long.
pub(super) const SOME: usize = 2048;

/// How far behind the newest edit a row without an entry may stand, and so how far back they are looked for after a crash.
pub(super) const REACH: u64 = 1 << 16;

/// A row without an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FreshRow {
    pub(super) queue: i64,
    pub(super) key: RecordKey,
    pub(super) place: Place,
}

impl FreshRow {
    /// The entry that it gets: what `ENTER_NAME` is told.
    pub(super) fn entry(&self) -> (i64, &str, i64) {
        (self.queue, self.key.as_str(), number(self.place.seq()))
    }
}

/// A key behind its first bytes, as a number. Two numbers mostly tell two keys apart, without a look at the texts, which lie
/// elsewhere in memory. The order is that of the texts.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct SortedKey {
    start: u64,
    key: RecordKey,
}

impl SortedKey {
    fn new(key: RecordKey) -> Self {
        let mut start = [0; size_of::<u64>()];
        start.iter_mut().zip(key.as_str().bytes()).for_each(|(first, byte)| *first = byte);
        Self { start: u64::from_be_bytes(start), key }
    }
}

/// The rows without an entry, in the order of the index.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    rows: BTreeMap<i64, BTreeMap<SortedKey, Place>>,
    count: usize,
    /// None of them has a lower place in the outbox.
    oldest: u64,
    /// Those after this name are entered next.
    entered_up_to: (i64, Option<RecordKey>),
}

impl Fresh {
    pub(super) fn find(&self, queue: i64, key: &RecordKey) -> Option<Place> {
        self.rows.get(&queue)?.get(&SortedKey::new(key.clone())).copied()
    }

    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Remembers where a row stands, or forgets it; answers what was remembered of it.
    pub(super) fn set(&mut self, queue: i64, key: RecordKey, place: Option<Place>) -> Option<Place> {
        let (rows, key) = (self.rows.entry(queue).or_default(), SortedKey::new(key));
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

    /// A queue's rows after this name, in the order of the index.
    pub(super) fn after<'a>(
        &'a self,
        queue: i64,
        key: Option<&RecordKey>,
    ) -> impl Iterator<Item = FreshRow> + use<'a> {
        let after = key.map_or(Bound::Unbounded, |key| Bound::Excluded(SortedKey::new(key.clone())));
        let rows = self.rows.get(&queue).map(|rows| rows.range((after, Bound::Unbounded)));
        rows.into_iter().flatten().map(move |(sorted, place)| FreshRow {
            queue,
            key: sorted.key.clone(),
            place: *place,
        })
    }

    pub(super) fn all(&self) -> impl Iterator<Item = FreshRow> + '_ {
        self.rows.keys().flat_map(|queue| self.after(*queue, None))
    }

    /// Those that have to be entered, now that edits have numbers up to this one.
    pub(super) fn due(&mut self, last_number: u64) -> Vec<FreshRow> {
        if self.is_too_far_behind(last_number) {
            self.all().collect()
        } else if self.count > MOST {
            self.next()
        } else {
            Vec::new()
        }
    }

    fn is_too_far_behind(&mut self, last_number: u64) -> bool {
        let is_too_far = |oldest: u64| last_number.saturating_sub(oldest) >= REACH;
        if self.count == 0 || !is_too_far(self.oldest) {
            return false;
        }
        // The oldest may have been entered or sent since.
        let places = self.rows.values().flat_map(BTreeMap::values);
        self.oldest = places.map(|place| place.seq()).min().unwrap_or(last_number);
        is_too_far(self.oldest)
    }

    /// Some rows, from where the last ones ended, and round.
    fn next(&mut self) -> Vec<FreshRow> {
        let (queue, key) = &self.entered_up_to;
        let later = self.rows.range((Bound::Excluded(*queue), Bound::Unbounded));
        let later = later.flat_map(|(queue, _)| self.after(*queue, None));
        let round = self.after(*queue, key.as_ref()).chain(later).chain(self.all());
        let next: Vec<_> = round.take(SOME.min(self.count)).collect();
        if let Some(last) = next.last() {
            self.entered_up_to = (last.queue, Some(last.key.clone()));
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::sqlite::place::PlaceLane;

    fn key(number: u64) -> RecordKey {
        RecordKey::new(format!("{number:06}")).expect("it can name a record")
    }

    #[test]
    fn keys_are_in_the_order_of_their_texts() {
        let texts = [
            "\0",
            "\0\0",
            "1",
            "10",
            "2",
            "a",
            "a\0",
            "a\0b",
            "ab",
            "eight by",
            "eight byt",
            "eight bytes",
            "eight bz",
            "z",
            "é",
            "\u{10ffff}",
        ];
        let keys = texts.map(|text| SortedKey::new(RecordKey::new(text).expect("it can name a record")));
        assert!(keys.is_sorted() && texts.is_sorted(), "{keys:?}");
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
        let keys_after = |after| fresh.after(1, after).map(|row| row.key).collect::<Vec<_>>();
        assert_eq!(keys_after(None), [key(1), key(3)]);
        assert_eq!(keys_after(Some(&key(1))), [key(3)]);
        assert_eq!(fresh.count, 2);
    }

    fn seq(size: usize) -> u64 {
        u64::try_from(size).expect("it is small")
    }

    /// Takes what is due, as the storage does.
    fn enter(fresh: &mut Fresh, last_number: u64) -> Vec<RecordKey> {
        let due = fresh.due(last_number);
        for row in &due {
            assert_eq!(fresh.set(row.queue, row.key.clone(), None), Some(row.place));
        }
        due.into_iter().map(|row| row.key).collect()
    }

    #[test]
    fn when_there_are_too_many_neighbours_are_entered_and_round_it_goes() {
        let most = seq(MOST);
        let mut fresh = filled(1..=most);
        assert_eq!(enter(&mut fresh, most), []);
        fresh.set(2, key(0), Some(place(most + 1)));
        let mut last = most + 1;
        let first: Vec<_> = (1..=seq(SOME)).map(key).collect();
        assert_eq!(enter(&mut fresh, last), first, "as the index has them");
        assert_eq!(enter(&mut fresh, last), [], "there is room again");
        // Those that come before the last that was entered have to wait until all others are.
        let mut rounds = 1;
        while fresh.find(2, &key(0)).is_some() {
            for _ in 0..SOME {
                last += 1;
                fresh.set(1, RecordKey::new(format!("000 {last}")).expect("a key"), Some(place(last)));
            }
            let entered = enter(&mut fresh, last);
            assert_eq!(entered.len(), SOME);
            rounds += 1;
        }
        assert_eq!(rounds, MOST.div_ceil(SOME) + 1);
        assert_eq!(fresh.count, MOST + 1 - SOME);
    }

    #[test]
    fn none_is_left_further_behind_than_a_crash_is_looked_after() {
        let mut fresh = filled(10..=12);
        assert_eq!(enter(&mut fresh, 9 + REACH), []);
        fresh.set(1, key(10), None);
        assert_eq!(enter(&mut fresh, 10 + REACH), [], "it is measured from those that are left");
        assert_eq!(enter(&mut fresh, 11 + REACH), [key(11), key(12)]);
        assert_eq!(enter(&mut fresh, u64::MAX), []);
        fresh.set(1, key(1), Some(place(REACH)));
        assert_eq!(enter(&mut fresh, REACH + 1), []);
    }
}
