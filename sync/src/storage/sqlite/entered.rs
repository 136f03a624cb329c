//! Which names the index may have: most new records are not looked up in it, because it cannot have them.

use fastbloom::BloomFilter;

use crate::record::RecordKey;

/// 128 KiB. With 100,000 names entered, one other in a hundred is looked up in vain; with a million, nearly all are.
const BITS: usize = 1 << 20;

/// How many bits stand for a name.
const EACH: u32 = 4;

/// The names that were entered since the index was known to be empty.
///
/// None is forgotten until the index is empty again, so one that was removed may be taken for there, and be looked up.
#[derive(Debug, Default)]
pub(super) enum Entered {
    /// The index had names when the file was opened, so it may have any.
    #[default]
    Any,
    None,
    These(BloomFilter),
}

impl Entered {
    pub(super) fn add(&mut self, queue: i64, key: &RecordKey) {
        if let Self::None = self {
            *self = Self::These(BloomFilter::with_num_bits(BITS).seed(&0).hashes(EACH));
        }
        if let Self::These(names) = self {
            names.insert(&(queue, key));
        }
    }

    /// `false`: the index does not have it.
    pub(super) fn may_have(&self, queue: i64, key: &RecordKey) -> bool {
        match self {
            Self::Any => true,
            Self::None => false,
            Self::These(names) => names.contains(&(queue, key)),
        }
    }

    /// The index has no names.
    pub(super) fn clear(&mut self) {
        *self = Self::None;
    }
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
