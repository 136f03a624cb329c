//! The indexed fields of an entity, and what can be asked of them.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Bound;
use std::sync::Arc;

use serde::Serialize;

use super::Indexable;
use crate::record::Payload;
use crate::remote::ScopeTerm;
use crate::storage::{Condition, Order};

/// An indexed field of the entity `T`: the derive makes one of each field marked `#[sync(index)]`, named like the field in
/// capitals, as in `Note::DONE`.
pub struct Column<T, F> {
    /// The JSON member that carries the field.
    name: &'static str,
    of: PhantomData<fn(T) -> F>,
}

/// What a field of the type `F` can be compared with: whatever can be made one with `Into`.
#[diagnostic::on_unimplemented(
    message = "a field of the type `{F}` cannot be compared with a `{Self}`",
    label = "this column holds values of the type `{F}`",
    note = "give a `{F}`, or something that becomes one with `Into<{F}>`"
)]
pub trait ColumnValue<F> {
    /// The value as one of the field's.
    fn into_value(self) -> F;
}

#[diagnostic::do_not_recommend]
impl<F, V: Into<F>> ColumnValue<F> for V {
    fn into_value(self) -> F {
        self.into()
    }
}

impl<T, F> Column<T, F> {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, of: PhantomData }
    }

    /// The JSON member that carries the field: its name in the index, and what a server calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// In the order of this field, the greatest first.
    #[must_use]
    pub fn descending(self) -> OrderBy<T> {
        OrderBy { order: Order { field: self.name, descending: true }, of: PhantomData }
    }
}

impl<T, F: Indexable + Serialize> Column<T, F> {
    /// The records with this value; `None` finds those without one.
    #[must_use]
    pub fn eq(self, value: impl ColumnValue<F>) -> Filter<T> {
        let value = value.into_value();
        let (json, value) = (Payload::encode(&value).map_err(Arc::new), value.index_value());
        let (low, high) = (Bound::Included(json.clone()), Bound::Included(json));
        Filter { condition: Condition::equal(self.name, value), low, high, of: PhantomData }
    }

    /// The records with a smaller value. `None` is in no range.
    #[must_use]
    pub fn lt(self, value: impl ColumnValue<F>) -> Filter<T> {
        self.within(Bound::Unbounded, Bound::Excluded(value.into_value()))
    }

    /// The records with this value or a smaller one. `None` is in no range.
    #[must_use]
    pub fn le(self, value: impl ColumnValue<F>) -> Filter<T> {
        self.within(Bound::Unbounded, Bound::Included(value.into_value()))
    }

    /// The records with a greater value. `None` is in no range.
    #[must_use]
    pub fn gt(self, value: impl ColumnValue<F>) -> Filter<T> {
        self.within(Bound::Excluded(value.into_value()), Bound::Unbounded)
    }

    /// The records with this value or a greater one. `None` is in no range.
    #[must_use]
    pub fn ge(self, value: impl ColumnValue<F>) -> Filter<T> {
        self.within(Bound::Included(value.into_value()), Bound::Unbounded)
    }

    /// The records with one of these values or any between them. `None` is in no range.
    #[must_use]
    pub fn between(self, low: impl ColumnValue<F>, high: impl ColumnValue<F>) -> Filter<T> {
        self.within(Bound::Included(low.into_value()), Bound::Included(high.into_value()))
    }

    fn within(self, low: Bound<F>, high: Bound<F>) -> Filter<T> {
        let low = match low {
            // Nothing at both ends is how the records without a value are asked for. A range that begins with it is empty, included or
            // not.
            Bound::Included(value) if value.index_value().is_null() => Bound::Excluded(value),
            low => low,
        };
        let json = |bound: &Bound<F>| bound.as_ref().map(|value| Payload::encode(value).map_err(Arc::new));
        let (low_json, high_json) = (json(&low), json(&high));
        let value = |bound: Bound<F>| bound.map(|value| value.index_value());
        let condition = Condition { field: self.name, low: value(low), high: value(high) };
        Filter { condition, low: low_json, high: high_json, of: PhantomData }
    }
}

impl<T, F> Clone for Column<T, F> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, F> Copy for Column<T, F> {}

impl<T, F> fmt::Debug for Column<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Column").field(&self.name).finish()
    }
}

/// What a field of a record has to be. From a [`Column`].
pub struct Filter<T> {
    pub(crate) condition: Condition,
    /// The values as the entity writes them: what a server is asked for.
    low: Bound<Json>,
    high: Bound<Json>,
    of: PhantomData<fn(T)>,
}

/// A value as the entity writes it, if it can be written.
type Json = Result<Payload, Arc<serde_json::Error>>;

impl<T> Filter<T> {
    /// The filter as a part of a scope.
    pub(crate) fn into_term(self) -> Result<ScopeTerm, Arc<serde_json::Error>> {
        let written = |bound: Bound<Json>| match bound {
            Bound::Included(json) => json.map(Bound::Included),
            Bound::Excluded(json) => json.map(Bound::Excluded),
            Bound::Unbounded => Ok(Bound::Unbounded),
        };
        Ok(ScopeTerm { condition: self.condition, low: written(self.low)?, high: written(self.high)? })
    }
}

impl<T> Clone for Filter<T> {
    fn clone(&self) -> Self {
        let (condition, low, high) = (self.condition.clone(), self.low.clone(), self.high.clone());
        Self { condition, low, high, of: PhantomData }
    }
}

impl<T> fmt::Debug for Filter<T> {
    /// Leaves the values out: they are the user's data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Filter").field(&self.condition.field).finish()
    }
}

/// An order of records: a [`Column`], or its [`descending`](Column::descending).
pub struct OrderBy<T> {
    pub(crate) order: Order,
    of: PhantomData<fn(T)>,
}

impl<T, F> From<Column<T, F>> for OrderBy<T> {
    fn from(column: Column<T, F>) -> Self {
        Self { order: Order { field: column.name, descending: false }, of: PhantomData }
    }
}

impl<T> fmt::Debug for OrderBy<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OrderBy").field(&self.order).finish()
    }
}
