//! Everything that a transaction can tell.

use std::collections::{BTreeMap, HashSet};
use std::ops::Bound;

use chrono::{DateTime, TimeDelta, Utc};
use sync::record::{EntityName, Record, RecordKey, RecordRef};
use sync::storage::{Condition, Counts, Cursor, IndexValue, Order, Place, Search, StorageError, Transaction};

use crate::samples::{ENTITIES, KEYS, at, name};

type Found = Vec<(RecordRef, Record)>;

/// What each question is answered with.
#[derive(Debug, Default, PartialEq)]
pub struct Seen {
    records: Vec<Option<Record>>,
    by_operation: Found,
    earlier_children: Vec<(u64, RecordRef)>,
    sendable: Vec<Found>,
    pending: Vec<Found>,
    parked: Vec<Found>,
    oldest_waiting: Vec<Option<(RecordRef, Record)>>,
    next_due: Option<DateTime<Utc>>,
    counts: BTreeMap<EntityName, (u64, u64)>,
    based: Vec<Vec<RecordKey>>,
    kept: Vec<u64>,
    found: Vec<Vec<Place>>,
    note: Option<String>,
    cursors: Vec<Option<Cursor>>,
}

pub fn look(tx: &mut dyn Transaction) -> Result<Seen, StorageError> {
    let mut seen = Seen { next_due: tx.next_due()?, note: tx.note("note")?, ..Seen::default() };
    for (entity, counts) in tx.counts()? {
        let Counts { waiting, parked } = counts;
        seen.counts.insert(entity, (waiting, parked));
    }
    look_at_each(tx, &mut seen)?;
    look_at_lists(tx, &mut seen)?;
    for entity in &ENTITIES {
        seen.cursors.push(tx.cursor(entity)?);
        seen.kept.push(tx.kept_count(entity)?);
        for after in [None, Some(&name(0, 2).key)] {
            seen.based.push(tx.based(entity, after, 3)?);
        }
        for search in searches() {
            seen.found.push(tx.find(entity, &search)?);
        }
    }
    Ok(seen)
}

fn look_at_each(tx: &mut dyn Transaction, seen: &mut Seen) -> Result<(), StorageError> {
    let last = tx.last_seq()?;
    for name in (0..ENTITIES.len()).flat_map(|entity| (0..KEYS).map(move |key| name(entity, key))) {
        let record = tx.record(&name)?;
        if let Some(parked) = record.as_ref().and_then(|record| record.parked.as_ref()) {
            seen.by_operation.extend(tx.parked_by_id(parked.intention.id)?);
        }
        // Which number it is, beyond the greatest, is up to the storage.
        assert!(record.as_ref().and_then(Record::greatest_number).is_none_or(|greatest| greatest <= last));
        for before in [300, u64::MAX] {
            let mut places = 0..before;
            while let Some((place, child)) = tx.earlier_child(&name, places.clone())? {
                let record = tx.record(&child)?.unwrap_or_default();
                let refers = |reference: (&RecordRef, u64)| reference == (&name, place);
                assert!(record.waiting_references().any(refers), "{child} is no child of {name} at {place}");
                seen.earlier_children.push((place, child));
                places.start = place + 1;
            }
        }
        seen.records.push(record);
    }
    Ok(())
}

fn look_at_lists(tx: &mut dyn Transaction, seen: &mut Seen) -> Result<(), StorageError> {
    for except in [HashSet::new(), HashSet::from([name(0, 1), name(1, 2)])] {
        seen.oldest_waiting.push(tx.oldest_waiting(&except)?);
        for limit in [2, 100] {
            seen.sendable.push(tx.sendable(at(10), TimeDelta::seconds(5), limit, &except)?);
            for entity in [None, Some(&ENTITIES[0])] {
                let pending = tx.pending(entity, None, limit, &except)?;
                let after = pending.last().and_then(|(_, record)| record.lane().seq());
                seen.pending.push(tx.pending(entity, after, limit, &except)?);
                seen.pending.push(pending);
                seen.parked.push(tx.parked(entity, None, limit, &except)?);
                seen.parked.push(tx.parked(entity, after, limit, &except)?);
            }
        }
    }
    Ok(())
}

fn searches() -> Vec<Search> {
    let number = IndexValue::Integer;
    let is_2 = || Condition::equal("rank", number(2));
    let from_1 = || Condition { field: "rank", low: Bound::Included(number(1)), high: Bound::Unbounded };
    let below_b =
        || Condition { field: "colour", low: Bound::Unbounded, high: Bound::Excluded(IndexValue::text("b")) };
    let by = |field, descending| Some(Order { field, descending });
    let after = |value| Some(Place { value, key: name(0, 2).key });
    let search = |conditions, order, after| Search { conditions, order, after, limit: 4 };
    vec![
        search(Vec::new(), None, None),
        search(Vec::new(), None, after(IndexValue::Null)),
        search(vec![is_2()], None, None),
        search(vec![Condition::equal("colour", IndexValue::Null)], None, None),
        search(vec![from_1(), below_b()], None, after(IndexValue::Null)),
        search(Vec::new(), by("rank", false), None),
        search(Vec::new(), by("rank", true), after(number(2))),
        search(Vec::new(), by("colour", false), after(IndexValue::text("a"))),
        search(Vec::new(), by("colour", false), after(IndexValue::Null)),
        search(vec![below_b()], by("colour", true), None),
        search(vec![from_1()], by("colour", false), after(number(1))),
    ]
}
