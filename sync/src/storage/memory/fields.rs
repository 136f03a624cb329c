//! The index of the fields of one entity.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::record::RecordKey;
use crate::storage::{Condition, IndexEntry, IndexValue, Order, Place, Search};

type Values = BTreeMap<&'static str, IndexValue>;

#[derive(Debug, Clone, Default)]
pub(super) struct Fields {
    by_key: BTreeMap<RecordKey, Values>,
    by_value: BTreeMap<&'static str, BTreeSet<(IndexValue, RecordKey)>>,
}

impl Fields {
    /// Puts a record's values in place, and answers those that it had.
    pub(super) fn set(&mut self, key: &RecordKey, entries: &[IndexEntry]) -> Vec<IndexEntry> {
        let before = self.by_key.remove(key).unwrap_or_default();
        for (field, value) in &before {
            if let Some(values) = self.by_value.get_mut(field) {
                values.remove(&(value.clone(), key.clone()));
            }
        }
        for IndexEntry { field, value } in entries {
            self.by_value.entry(field).or_default().insert((value.clone(), key.clone()));
        }
        if !entries.is_empty() {
            let values = entries.iter().map(|entry| (entry.field, entry.value.clone()));
            self.by_key.insert(key.clone(), values.collect());
        }
        before.into_iter().map(|(field, value)| IndexEntry { field, value }).collect()
    }

    /// What a search with conditions or an order finds.
    pub(super) fn find(&self, search: &Search) -> Vec<Place> {
        let fits = |key: &RecordKey| {
            let values = self.by_key.get(key);
            let holds = |condition: &Condition| {
                values
                    .and_then(|values| values.get(condition.field))
                    .is_some_and(|value| condition.holds(value))
            };
            search.conditions.iter().all(holds)
        };
        let Some(order) = search.order else {
            let after = search.after.as_ref().map(|after| &after.key);
            let by_id = self.by_key.keys().filter(|key| after.is_none_or(|after| *key > after));
            let places = by_id.filter(|key| fits(key)).take(search.limit);
            return places.map(|key| Place { value: IndexValue::Null, key: key.clone() }).collect();
        };
        let places = self.in_order(order, search.after.as_ref()).filter(|(_, key)| fits(key));
        let place = |(value, key): &(IndexValue, RecordKey)| Place { value: value.clone(), key: key.clone() };
        places.take(search.limit).map(place).collect()
    }

    fn in_order(
        &self,
        order: Order,
        after: Option<&Place>,
    ) -> Box<dyn Iterator<Item = &(IndexValue, RecordKey)> + '_> {
        let Some(values) = self.by_value.get(order.field) else { return Box::new(std::iter::empty()) };
        let after = after.map(|place| (place.value.clone(), place.key.clone()));
        let past = after.map_or(Bound::Unbounded, Bound::Excluded);
        if order.descending {
            Box::new(values.range((Bound::Unbounded, past)).rev())
        } else {
            Box::new(values.range((past, Bound::Unbounded)))
        }
    }
}
