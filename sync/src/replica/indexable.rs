//! What a field's type needs so that records can be found by it.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, TimeZone, Utc};
use uuid::Uuid;

use crate::storage::IndexValue;

/// A type whose values have an order that a storage can index: what `#[sync(index)]` needs of a field.
///
/// Implemented for `bool`, the integers, floating-point numbers, texts, UUIDs and times, and for an `Option` of one, whose
/// `None` comes first. For a type of your own, give the value of something that has the same order:
///
/// ```
/// use sync::replica::Indexable;
/// use sync::storage::IndexValue;
///
/// enum Priority { Low, High }
///
/// impl Indexable for Priority {
///     fn index_value(&self) -> IndexValue {
///         match self { Self::Low => 0, Self::High => 1 }.index_value()
///     }
/// }
/// ```
///
/// The index is made anew when a field is of another type, by its name. Where the order of a type has changed under the same name (a variant
/// was put in before others, say), raise the [`version`](crate::Syncable::VERSION) of the entities that have such a field: nothing else says so.
#[diagnostic::on_unimplemented(
    message = "records cannot be found by a `{Self}`",
    label = "`{Self}` does not implement `Indexable`",
    note = "index a field that is a `bool`, a number, a `String`, a `Uuid`, a time or an `Option` of one, or implement `sync::replica::Indexable` for `{Self}`"
)]
pub trait Indexable {
    /// The value as an index orders it.
    fn index_value(&self) -> IndexValue;
}

impl<T: Indexable + ?Sized> Indexable for &T {
    fn index_value(&self) -> IndexValue {
        (**self).index_value()
    }
}

impl<T: Indexable> Indexable for Option<T> {
    fn index_value(&self) -> IndexValue {
        self.as_ref().map_or(IndexValue::Null, Indexable::index_value)
    }
}

macro_rules! small_integers {
    ($($integer:ty)*) => {
        $(impl Indexable for $integer {
            fn index_value(&self) -> IndexValue {
                IndexValue::Integer(i64::from(*self))
            }
        })*
    };
}

small_integers!(i8 i16 i32 i64 u8 u16 u32);

impl Indexable for bool {
    fn index_value(&self) -> IndexValue {
        IndexValue::Bool(*self)
    }
}

/// Beyond an `i64` come texts of twenty digits, which sort after every number.
macro_rules! large_integers {
    ($($integer:ty)*) => {
        $(impl Indexable for $integer {
            fn index_value(&self) -> IndexValue {
                i64::try_from(*self).map_or_else(|_| IndexValue::text(format!("{self:020}")), IndexValue::Integer)
            }
        })*
    };
}

large_integers!(u64 usize);

impl Indexable for isize {
    fn index_value(&self) -> IndexValue {
        // No platform of Rust's has more than 64 bits.
        IndexValue::Integer(i64::try_from(*self).unwrap_or(i64::MAX))
    }
}

impl Indexable for f32 {
    fn index_value(&self) -> IndexValue {
        IndexValue::real(f64::from(*self))
    }
}

impl Indexable for f64 {
    fn index_value(&self) -> IndexValue {
        IndexValue::real(*self)
    }
}

impl Indexable for str {
    fn index_value(&self) -> IndexValue {
        IndexValue::text(self)
    }
}

impl Indexable for String {
    fn index_value(&self) -> IndexValue {
        self.as_str().index_value()
    }
}

impl Indexable for Arc<str> {
    fn index_value(&self) -> IndexValue {
        IndexValue::Text(Self::clone(self))
    }
}

impl Indexable for char {
    fn index_value(&self) -> IndexValue {
        IndexValue::text(self.to_string())
    }
}

impl Indexable for Uuid {
    fn index_value(&self) -> IndexValue {
        IndexValue::text(self.hyphenated().to_string())
    }
}

/// By the moment, in UTC; from the year 0 to the year 9999 as text that sorts like the time.
impl<Z: TimeZone> Indexable for DateTime<Z> {
    fn index_value(&self) -> IndexValue {
        IndexValue::text(self.with_timezone(&Utc).to_rfc3339_opts(SecondsFormat::Nanos, true))
    }
}

impl Indexable for NaiveDateTime {
    fn index_value(&self) -> IndexValue {
        self.and_utc().index_value()
    }
}

impl Indexable for NaiveDate {
    fn index_value(&self) -> IndexValue {
        IndexValue::text(self.format("%Y-%m-%d").to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_the_values_is_that_of_the_type() {
        assert!(false.index_value() < true.index_value());
        assert!((i64::MAX as u64).index_value() < u64::MAX.index_value());
        assert!((u64::MAX - 1).index_value() < u64::MAX.index_value());
        assert!(None::<i32>.index_value() < Some(i32::MIN).index_value());
        assert!("Z".index_value() < "a".index_value());
        let time = |nanos| DateTime::from_timestamp(1_800_000_000, nanos).map(|time| time.index_value());
        assert!(time(0) < time(1) && time(1) < time(500_000_000));
        let moment = |text| DateTime::parse_from_rfc3339(text).expect("a time").index_value();
        let (east, west) = (moment("2026-01-01T01:00:00+02:00"), moment("2025-12-31T20:00:00-03:30"));
        assert!(east < west, "half an hour before");
    }
}
