//! Which records of an entity are wanted.

use std::fmt;
use std::marker::PhantomData;

use super::{Filter, OrderBy};
use crate::entity::Syncable;
use crate::record::{IdError, RecordKey};
use crate::storage::{Condition, IndexEntry, IndexValue, Order, Place, Search};

/// Which records of the entity `T` are wanted, and in which order. For [`Engine::query`](crate::Engine::query),
/// [`stream`](crate::Engine::stream) and [`watch`](crate::Engine::watch).
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// # use sync::{Query, Syncable};
/// # #[derive(Clone, Serialize, Deserialize, Syncable)]
/// # #[sync(endpoint = "/notes", conflict = ServerWins, replica)]
/// # struct Note { id: String, #[sync(index)] done: bool, #[sync(index)] rank: i64 }
/// # let last = Note { id: "a".into(), done: false, rank: 1 };
/// let next_page = Query::new()
///     .filter(Note::DONE.eq(false))
///     .filter(Note::RANK.lt(100))
///     .order_by(Note::RANK.descending())
///     .after(&last)
///     .limit(50);
/// ```
pub struct Query<T> {
    pub(crate) conditions: Vec<Condition>,
    pub(crate) order: Option<Order>,
    pub(crate) limit: Option<usize>,
    after: Option<Result<After, IdError>>,
    of: PhantomData<fn(T)>,
}

/// The record that a page goes on after.
#[derive(Debug, Clone)]
struct After {
    key: RecordKey,
    entries: Vec<IndexEntry>,
}

impl<T> Query<T> {
    /// Every record, in the order of their ids as text.
    #[must_use]
    pub fn new() -> Self {
        Self { conditions: Vec::new(), order: None, limit: None, after: None, of: PhantomData }
    }

    /// Only the records for which this holds as well.
    #[must_use]
    pub fn filter(mut self, filter: Filter<T>) -> Self {
        self.conditions.push(filter.condition);
        self
    }

    /// In the order of a field, and of the ids where that is the same.
    #[must_use]
    pub fn order_by(mut self, order: impl Into<OrderBy<T>>) -> Self {
        self.order = Some(order.into().order);
        self
    }

    /// This many at most.
    #[must_use]
    pub fn limit(mut self, records: usize) -> Self {
        self.limit = Some(records);
        self
    }

    /// From after this record on, in the order of the query: the last one of the page before. It need not be there any
    /// more.
    #[must_use]
    pub fn after(mut self, record: &T) -> Self
    where
        T: Syncable,
    {
        self.after = Some(RecordKey::of(record.id()).map(|key| After { key, entries: record.index() }));
        self
    }

    pub(crate) fn is_after(&self) -> bool {
        self.after.is_some()
    }

    /// The first page of the search.
    pub(crate) fn search(&self, limit: usize) -> Result<Search, IdError> {
        let after = self.after.clone().transpose()?;
        let place = after.map(|After { key, entries }| {
            let of_order =
                self.order.and_then(|order| entries.into_iter().find(|entry| entry.field == order.field));
            Place { value: of_order.map_or(IndexValue::Null, |entry| entry.value), key }
        });
        Ok(Search { conditions: self.conditions.clone(), order: self.order, after: place, limit })
    }
}

impl<T> Default for Query<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> From<Filter<T>> for Query<T> {
    fn from(filter: Filter<T>) -> Self {
        Self::new().filter(filter)
    }
}

impl<T> Clone for Query<T> {
    fn clone(&self) -> Self {
        Self {
            conditions: self.conditions.clone(),
            order: self.order,
            limit: self.limit,
            after: self.after.clone(),
            of: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Query<T> {
    /// Leaves the values out: they are the user's data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields: Vec<_> = self.conditions.iter().map(|condition| condition.field).collect();
        f.debug_struct("Query")
            .field("filters", &fields)
            .field("order", &self.order)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
