//! The indexed fields of an entity, and what can be asked of them.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Bound;

use super::Indexable;
use crate::storage::{Condition, Order};

/// An indexed field of the entity `T`: the derive makes one of each field marked `#[sync(index)]`, named like the field in
/// capitals, as in `Note::DONE`.
pub struct Column<T, F> {
    /// The JSON member that carries the field.
    name: &'static str,
    of: PhantomData<fn(T) -> F>,
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

impl<T, F: Indexable> Column<T, F> {
    /// The records with this value; `None` finds those without one.
    #[must_use]
    pub fn eq(self, value: impl Into<F>) -> Filter<T> {
        Filter::new(Condition::equal(self.name, value.into().index_value()))
    }

    /// The records with a smaller value. `None` is in no range.
    #[must_use]
    pub fn lt(self, value: impl Into<F>) -> Filter<T> {
        self.within(Bound::Unbounded, Bound::Excluded(value.into()))
    }

    /// The records with this value or a smaller one. `None` is in no range.
    #[must_use]
    pub fn le(self, value: impl Into<F>) -> Filter<T> {
        self.within(Bound::Unbounded, Bound::Included(value.into()))
    }

    /// The records with a greater value. `None` is in no range.
    #[must_use]
    pub fn gt(self, value: impl Into<F>) -> Filter<T> {
        self.within(Bound::Excluded(value.into()), Bound::Unbounded)
    }

    /// The records with this value or a greater one. `None` is in no range.
    #[must_use]
    pub fn ge(self, value: impl Into<F>) -> Filter<T> {
        self.within(Bound::Included(value.into()), Bound::Unbounded)
    }

    /// The records with one of these values or any between them. `None` is in no range.
    #[must_use]
    pub fn between(self, low: impl Into<F>, high: impl Into<F>) -> Filter<T> {
        self.within(Bound::Included(low.into()), Bound::Included(high.into()))
    }

    fn within(self, low: Bound<F>, high: Bound<F>) -> Filter<T> {
        let value = |bound: Bound<F>| bound.map(|value| value.index_value());
        Filter::new(Condition { field: self.name, low: value(low), high: value(high) })
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
    of: PhantomData<fn(T)>,
}

impl<T> Filter<T> {
    fn new(condition: Condition) -> Self {
        Self { condition, of: PhantomData }
    }
}

impl<T> Clone for Filter<T> {
    fn clone(&self) -> Self {
        Self::new(self.condition.clone())
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
