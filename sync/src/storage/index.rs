//! What a storage can find records by: the values of the fields that an entity indexes.

use std::cmp::Ordering;
use std::ops::Bound;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::record::RecordKey;

/// A field's value as an index orders it: nothing first, then numbers, then texts by their bytes.
///
/// This is the order of SQLite's own values (sqlite.org, "Datatypes In SQLite", section 4.1).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IndexValue {
    /// Nothing, such as `None`.
    Null,
    /// Yes or no: the number 1 or 0.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// Another number; never NaN, which has no place in an order.
    #[serde(with = "bits")]
    Real(f64),
    /// A text.
    Text(Arc<str>),
}

impl IndexValue {
    /// A number that need not be whole; NaN is nothing.
    #[must_use]
    pub fn real(number: f64) -> Self {
        // Adding zero makes the two zeros one.
        if number.is_nan() { Self::Null } else { Self::Real(number + 0.0) }
    }

    /// A text.
    #[must_use]
    pub fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(text.into())
    }

    /// Whether this is nothing.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
}

/// JSON has no infinities, so a number is kept by its bits.
mod bits {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
    pub(super) fn serialize<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        number.to_bits().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        u64::deserialize(deserializer).map(f64::from_bits)
    }
}

impl PartialEq for IndexValue {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for IndexValue {}

impl PartialOrd for IndexValue {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for IndexValue {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Null, Self::Null) => Ordering::Equal,
            (Self::Bool(mine), other) => Self::Integer(i64::from(*mine)).cmp(other),
            (mine, Self::Bool(other)) => mine.cmp(&Self::Integer(i64::from(*other))),
            (Self::Integer(mine), Self::Integer(other)) => mine.cmp(other),
            (Self::Real(mine), Self::Real(other)) => mine.total_cmp(other),
            (Self::Integer(mine), Self::Real(other)) => compare(*mine, *other),
            (Self::Real(mine), Self::Integer(other)) => compare(*other, *mine).reverse(),
            (Self::Text(mine), Self::Text(other)) => mine.cmp(other),
            (mine, other) => mine.rank().cmp(&other.rank()),
        }
    }
}

impl IndexValue {
    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) | Self::Integer(_) | Self::Real(_) => 1,
            Self::Text(_) => 2,
        }
    }
}

/// Compares without rounding: an `f64` holds no more than 53 bits of a whole number.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the number is in range there, and its fraction is looked at after that"
)]
fn compare(whole: i64, real: f64) -> Ordering {
    const BEYOND: f64 = 9_223_372_036_854_775_808.0;
    if real >= BEYOND {
        return Ordering::Less;
    }
    if real < -BEYOND {
        return Ordering::Greater;
    }
    let below = real.floor();
    whole.cmp(&(below as i64)).then(if real > below { Ordering::Less } else { Ordering::Equal })
}

/// The value of one indexed field of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexEntry {
    /// The field's name.
    pub field: &'static str,
    /// Its value.
    pub value: IndexValue,
}

/// What a field's value has to be.
///
/// Nothing ([`IndexValue::Null`]) is in no range, and a range that begins or ends with it is empty; it is found by asking for it alone:
/// with both ends included, as [`equal`](Self::equal) has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The field.
    pub field: &'static str,
    /// The least value.
    pub low: Bound<IndexValue>,
    /// The greatest value.
    pub high: Bound<IndexValue>,
}

impl Condition {
    /// The field has exactly this value.
    #[must_use]
    pub fn equal(field: &'static str, value: IndexValue) -> Self {
        Self { field, low: Bound::Included(value.clone()), high: Bound::Included(value) }
    }

    /// The value that is asked for, when it is a single one.
    #[must_use]
    pub fn single(&self) -> Option<&IndexValue> {
        match (&self.low, &self.high) {
            (Bound::Included(low), Bound::Included(high)) if low == high => Some(low),
            _ => None,
        }
    }

    /// Whether a value is one of those that are asked for.
    #[must_use]
    pub fn holds(&self, value: &IndexValue) -> bool {
        if value.is_null() {
            return self.single().is_some_and(IndexValue::is_null);
        }
        let above = match &self.low {
            Bound::Unbounded => true,
            Bound::Included(low) => value >= low && !low.is_null(),
            Bound::Excluded(low) => value > low && !low.is_null(),
        };
        let below = match &self.high {
            Bound::Unbounded => true,
            Bound::Included(high) => value <= high,
            Bound::Excluded(high) => value < high,
        };
        above && below
    }
}

/// Which records of an entity are wanted, and in which order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Search {
    /// Those for which all of these hold.
    pub conditions: Vec<Condition>,
    /// In this order; in that of their ids when there is none.
    pub order: Option<Order>,
    /// From after this place on.
    pub after: Option<Place>,
    /// This many at most.
    pub limit: usize,
}

/// The order of a search: by a field, and by id where that is the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// The field.
    pub field: &'static str,
    /// From the greatest to the least, ids as well.
    pub descending: bool,
}

/// A place in the order of a search: that of a record, whether or not it is still there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The value of the field that the search is ordered by; nothing without one.
    pub value: IndexValue,
    /// The record's id.
    pub key: RecordKey,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_compared_without_rounding() {
        let whole = IndexValue::Integer(9_007_199_254_740_993);
        assert!(whole > IndexValue::real(9_007_199_254_740_992.0));
        assert!(IndexValue::Integer(-1) < IndexValue::real(-0.5));
        assert!(IndexValue::Integer(0) < IndexValue::real(0.5));
        assert!(IndexValue::Integer(i64::MAX) < IndexValue::real(9.3e18));
        assert!(IndexValue::Integer(i64::MIN) > IndexValue::real(f64::NEG_INFINITY));
        assert_eq!(IndexValue::Integer(2), IndexValue::real(2.0));
        assert_eq!(IndexValue::Bool(true), IndexValue::Integer(1));
        assert!(IndexValue::Bool(false) < IndexValue::Bool(true));
    }

    #[test]
    fn nothing_comes_first_and_texts_last() {
        assert!(IndexValue::Null < IndexValue::real(f64::NEG_INFINITY));
        assert!(IndexValue::Integer(i64::MAX) < IndexValue::text(""));
        assert_eq!(IndexValue::real(f64::NAN), IndexValue::Null);
        assert_eq!(IndexValue::real(-0.0), IndexValue::real(0.0));
    }

    #[test]
    fn every_number_can_be_stored() {
        for number in [f64::INFINITY, f64::NEG_INFINITY, 0.1, -0.0, 1e300] {
            let text = serde_json::to_string(&IndexValue::real(number)).expect("it can be written");
            let read: IndexValue = serde_json::from_str(&text).expect("it can be read");
            assert_eq!(read, IndexValue::real(number));
        }
    }

    #[test]
    fn nothing_is_in_no_range() {
        let at_most =
            Condition { field: "rank", low: Bound::Unbounded, high: Bound::Included(IndexValue::Integer(3)) };
        assert!(at_most.holds(&IndexValue::Integer(3)));
        assert!(!at_most.holds(&IndexValue::Integer(4)));
        assert!(!at_most.holds(&IndexValue::Null));
        assert!(Condition::equal("rank", IndexValue::Null).holds(&IndexValue::Null));
        assert!(!Condition::equal("rank", IndexValue::Null).holds(&IndexValue::Integer(0)));
        let (included, excluded) = (Bound::Included(IndexValue::Null), Bound::Excluded(IndexValue::Null));
        for (low, high) in [
            (included.clone(), excluded.clone()),
            (excluded.clone(), included.clone()),
            (excluded.clone(), excluded),
            (included, Bound::Unbounded),
            (Bound::Unbounded, Bound::Included(IndexValue::Null)),
            (Bound::Excluded(IndexValue::Null), Bound::Unbounded),
        ] {
            let empty = Condition { field: "rank", low, high };
            for value in [IndexValue::Null, IndexValue::Integer(0), IndexValue::text("")] {
                assert!(!empty.holds(&value), "{empty:?} holds for {value:?}");
            }
        }
    }
}
