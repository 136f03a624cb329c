//! Which names the index may have: most new records are not looked up in it, because it cannot have them.
//!
//! A Bloom filter (Burton H. Bloom, "Space/Time Trade-offs in Hash Coding with Allowable Errors", Communications of the ACM 13 (7),
//! 1970). It forgets nothing until the index is empty, so it may take a name for entered that was removed; then it is looked up.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::record::RecordKey;

/// A power of two: 128 KiB. With 100,000 names entered, one other in a hundred is looked up in vain; with a million, nearly all are.
const BITS: usize = 1 << 20;

/// How many bits stand for a name.
const EACH: u64 = 4;

/// The names that were entered since the index was known to be empty. Of one that had names when the file was opened, nothing is known
/// until it is empty.
#[derive(Debug, Default)]
pub(super) struct Entered {
    /// Empty as long as nothing was entered.
    bits: Vec<u64>,
    /// Whether the index has no other names.
    knows_all: bool,
}

impl Entered {
    pub(super) fn add(&mut self, queue: i64, key: &RecordKey) {
        if self.knows_all {
            self.bits.resize(BITS / 64, 0);
            for bit in bits(queue, key) {
                self.bits[bit / 64] |= 1 << (bit % 64);
            }
        }
    }

    /// `false`: the index does not have it.
    pub(super) fn may_have(&self, queue: i64, key: &RecordKey) -> bool {
        let is_set = |bit: usize| self.bits[bit / 64] & (1 << (bit % 64)) != 0;
        !self.knows_all || (!self.bits.is_empty() && bits(queue, key).all(is_set))
    }

    /// The index has no names.
    pub(super) fn clear(&mut self) {
        if !self.knows_all || !self.bits.is_empty() {
            *self = Self { bits: Vec::new(), knows_all: true };
        }
    }
}

/// Where the bits of a name stand (two hashes are as good as many: Adam Kirsch and Michael Mitzenmacher, "Less Hashing, Same
/// Performance", 2006).
fn bits(queue: i64, key: &RecordKey) -> impl Iterator<Item = usize> {
    let mut hasher = DefaultHasher::new();
    (queue, key).hash(&mut hasher);
    let hash = hasher.finish();
    let (first, step) = (hash & 0xffff_ffff, hash >> 32);
    (0..EACH).map(move |time| usize::try_from(first + time * step).unwrap_or(0) % BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> RecordKey {
        RecordKey::new(number.to_string()).expect("it can name a record")
    }

    #[test]
    fn what_was_entered_may_be_there_and_most_else_cannot() {
        let mut entered = Entered::default();
        entered.clear();
        assert!(!entered.may_have(1, &key(1)));
        let names = 0..100_000;
        names.clone().for_each(|number| entered.add(1, &key(number)));
        assert!(names.clone().all(|number| entered.may_have(1, &key(number))));
        let mistaken = names.clone().filter(|number| entered.may_have(2, &key(*number))).count();
        assert!(mistaken < 2000, "{mistaken} of 100,000 others");
        entered.clear();
        assert!(!names.into_iter().any(|number| entered.may_have(1, &key(number))));
    }

    #[test]
    fn an_index_that_was_there_before_may_have_anything() {
        let mut entered = Entered::default();
        assert!(entered.may_have(1, &key(1)));
        entered.add(1, &key(1));
        assert!(entered.may_have(1, &key(2)));
    }
}
