//! The records that are under way, remembered: each is asked for again when its answer comes, and to read it anew would cost as much
//! as to write what became of it.

use std::collections::HashMap;

use super::place::Place;
use crate::record::{Record, RecordKey};

/// How many of a queue are remembered; more are hardly ever under way at once.
pub(super) const MOST: usize = 1024;

/// What was written of the records that are under way, and where they stand.
#[derive(Debug, Default)]
pub(super) struct UnderWay(HashMap<i64, HashMap<RecordKey, (Place, Record)>>);

impl UnderWay {
    pub(super) fn find(&self, queue: i64, key: &RecordKey) -> Option<(Place, Record)> {
        self.0.get(&queue)?.get(key).cloned()
    }

    /// A record was written: it is remembered if it is under way.
    pub(super) fn wrote(&mut self, queue: i64, key: &RecordKey, place: Place, record: &Record) {
        // One that failed waits for its turn, and holds a payload meanwhile.
        let is_under_way = record.flight.as_ref().is_some_and(|flight| flight.due.is_none());
        if !is_under_way {
            return;
        }
        let records = self.0.entry(queue).or_default();
        if records.len() >= MOST && !records.contains_key(key) {
            records.clear();
        }
        records.insert(key.clone(), (place, record.clone()));
    }

    pub(super) fn forget(&mut self, queue: i64, key: &RecordKey) {
        if let Some(records) = self.0.get_mut(&queue) {
            records.remove(key);
        }
    }

    pub(super) fn forget_all(&mut self) {
        self.0.clear();
    }
}
