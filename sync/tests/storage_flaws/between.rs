//! A transaction with one flaw.

use std::collections::HashSet;
use std::ops::{Bound, Range};
use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use sync::record::{EntityName, Lane, OperationId, Record, RecordKey, RecordRef};
use sync::storage::{
    Condition, Counts, Cursor, IndexEntry, IndexValue, KEYLESS_ASIDE, Place, Search, SetAside, StorageError,
    Transaction,
};

use crate::flawed::{Flaw, State};

/// Something that a transaction did.
#[derive(Debug)]
pub enum Step {
    Release(RecordRef),
    SetIndex(RecordRef, Vec<IndexEntry>),
    ClearIndex(EntityName),
}

impl Step {
    pub fn take(&self, tx: &mut dyn Transaction) -> Result<(), StorageError> {
        match self {
            Self::Release(on) => tx.release(on).map(drop),
            Self::SetIndex(name, entries) => tx.set_index(name, entries),
            Self::ClearIndex(entity) => tx.clear_index(entity),
        }
    }
}

/// What comes between a transaction and the work in it.
pub struct Between<'t> {
    tx: &'t mut dyn Transaction,
    flaw: Flaw,
    state: &'t Mutex<State>,
    put: HashSet<RecordRef>,
    steps: Vec<Step>,
}

type Found = Result<Vec<(RecordRef, Record)>, StorageError>;

impl<'t> Between<'t> {
    pub fn new(tx: &'t mut dyn Transaction, flaw: Flaw, state: &'t Mutex<State>) -> Self {
        Self { tx, flaw, state, put: HashSet::new(), steps: Vec::new() }
    }

    /// What was done, in order, of what may be done again.
    pub fn taken(self) -> Vec<Step> {
        self.steps
    }

    fn has(&self, flaw: Flaw) -> bool {
        self.flaw == flaw
    }

    fn everything_pending(&mut self) -> Found {
        self.tx.pending(None, None, usize::MAX, &HashSet::new())
    }

    /// What a list of records comes to.
    fn listed<L>(&self, mut list: L) -> L
    where
        for<'l> &'l mut L: IntoIterator<Item = &'l mut (RecordRef, Record)>,
    {
        if self.has(Flaw::ListsWithoutTheBase) {
            (&mut list).into_iter().for_each(|(_, record)| record.base = None);
        }
        list
    }

    /// The place after which a page begins.
    fn place(&self, after: Option<u64>) -> Option<u64> {
        if self.has(Flaw::RepeatsTheLastOfAPage) { after.map(|seq| seq - 1) } else { after }
    }
}

/// Whether a condition is a range that begins or ends with a text.
fn is_range_of_texts(condition: &Condition) -> bool {
    let is_text = |bound: &Bound<IndexValue>| {
        matches!(bound, Bound::Included(IndexValue::Text(_)) | Bound::Excluded(IndexValue::Text(_)))
    };
    condition.single().is_none() && (is_text(&condition.low) || is_text(&condition.high))
}

#[expect(clippy::cast_precision_loss, reason = "that is the flaw")]
fn rounded(value: &IndexValue) -> IndexValue {
    match value {
        IndexValue::Integer(number) => IndexValue::real(*number as f64),
        other => other.clone(),
    }
}

fn refers(record: &Record, parent: &RecordRef) -> bool {
    record.parked.as_ref().is_some_and(|parked| parked.intention.references.contains(parent))
}

impl Transaction for Between<'_> {
    fn record(&mut self, name: &RecordRef) -> Result<Option<Record>, StorageError> {
        if self.has(Flaw::HidesOwnWrites) && self.put.contains(name) {
            return Ok(None);
        }
        let mut record = self.tx.record(name)?;
        let queued = record.as_mut().and_then(|record| record.queued.as_mut());
        if self.has(Flaw::ForgetsEchoes)
            && let Some(queued) = queued
        {
            queued.echoes.clear();
        } else if self.has(Flaw::LosesLargePayloads)
            && let Some(payload) = queued.and_then(|queued| queued.write.payload())
            && payload.as_str().len() > 1_000_000
        {
            return Ok(None);
        }
        Ok(record)
    }

    fn put(&mut self, name: &RecordRef, record: &Record) -> Result<(), StorageError> {
        self.put.insert(name.clone());
        let greatest = &mut self.state.lock().unwrap().greatest_place;
        *greatest = record.lane().seq().unwrap_or(0).max(*greatest);
        let (mut name, mut record) = (name.clone(), record.clone());
        match self.flaw {
            Flaw::KeepsEmptyRecords if record.is_empty() => return Ok(()),
            Flaw::KeepsTheOldBase if record.base.is_none() => {
                record.base = self.tx.record(&name)?.and_then(|before| before.base);
            }
            Flaw::FoldsCase => name.key = RecordKey::new(name.key.as_str().to_lowercase()).unwrap(),
            _ => {}
        }
        self.tx.put(&name, &record)
    }

    fn sendable(
        &mut self,
        now: DateTime<Utc>,
        horizon: TimeDelta,
        limit: usize,
        except: &HashSet<RecordRef>,
    ) -> Found {
        let whole_second = || now.with_nanosecond(0).unwrap() + TimeDelta::seconds(1);
        let now = if self.has(Flaw::RoundsTimes) { whole_second() } else { now };
        let horizon = if self.has(Flaw::IgnoresTheHorizon) { TimeDelta::MAX } else { horizon };
        let limit = if self.has(Flaw::GivesOneMore) { limit.saturating_add(1) } else { limit };
        let none = HashSet::new();
        let except = if self.has(Flaw::ForgetsExcept) { &none } else { except };
        let mut found = self.tx.sendable(now, horizon, limit, except)?;
        if self.has(Flaw::SendsBackwards) {
            found.reverse();
        }
        Ok(self.listed(found))
    }

    fn next_due(&mut self) -> Result<Option<DateTime<Utc>>, StorageError> {
        if !self.has(Flaw::TellsTheLatestDueTime) {
            return self.tx.next_due();
        }
        let due = |(_, record): (_, Record)| match record.lane() {
            Lane::Waiting { due, .. } => Some(due),
            _ => None,
        };
        Ok(self.everything_pending()?.into_iter().filter_map(due).max())
    }

    fn pending(
        &mut self,
        entity: Option<&EntityName>,
        after: Option<u64>,
        limit: usize,
        except: &HashSet<RecordRef>,
    ) -> Found {
        let after = self.place(after);
        let found = self.tx.pending(entity, after, limit, except)?;
        Ok(self.listed(found))
    }

    fn oldest_waiting(
        &mut self,
        except: &HashSet<RecordRef>,
    ) -> Result<Option<(RecordRef, Record)>, StorageError> {
        if self.has(Flaw::TakesParkedForWaiting) {
            return Ok(self.tx.pending(None, None, 1, except)?.pop());
        }
        let found = self.tx.oldest_waiting(except)?;
        Ok(self.listed(found))
    }

    fn parked(
        &mut self,
        entity: Option<&EntityName>,
        after: Option<u64>,
        limit: usize,
        except: &HashSet<RecordRef>,
    ) -> Found {
        let after = self.place(after);
        let found = self.tx.parked(entity, after, limit, except)?;
        Ok(self.listed(found))
    }

    fn parked_by_id(&mut self, id: OperationId) -> Result<Option<(RecordRef, Record)>, StorageError> {
        let found = self.tx.parked_by_id(id)?;
        if found.is_some() || !self.has(Flaw::FindsQueuedAsParked) {
            return Ok(self.listed(found));
        }
        let is_it = |(_, record): &(_, Record)| record.queued.as_ref().is_some_and(|queued| queued.id == id);
        Ok(self.everything_pending()?.into_iter().find(is_it))
    }

    fn based(
        &mut self,
        entity: &EntityName,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StorageError> {
        let mut ids = self.tx.based(entity, after, limit)?;
        if self.has(Flaw::ListsIdsBackwards) {
            ids.reverse();
        }
        Ok(ids)
    }

    fn kept_count(&mut self, entity: &EntityName) -> Result<u64, StorageError> {
        if self.has(Flaw::CountsVersions) {
            return Ok(self.tx.based(entity, None, usize::MAX)?.len().try_into().unwrap());
        }
        self.tx.kept_count(entity)
    }

    fn set_index(&mut self, name: &RecordRef, entries: &[IndexEntry]) -> Result<(), StorageError> {
        self.steps.push(Step::SetIndex(name.clone(), entries.to_vec()));
        if self.has(Flaw::HidesOwnIndexEntries) {
            return Ok(());
        }
        let is_new = self.state.lock().unwrap().entered.insert(name.clone());
        if self.has(Flaw::EntersOnce) && !is_new {
            return Ok(());
        }
        let mut entries = entries.to_vec();
        for IndexEntry { value, .. } in &mut entries {
            *value = match (self.flaw, &*value) {
                (Flaw::OrdersByText, IndexValue::Integer(number)) => IndexValue::text(number.to_string()),
                (Flaw::TakesBoolsForNothing, IndexValue::Bool(_)) => IndexValue::Null,
                (Flaw::RoundsNumbers, value) => rounded(value),
                (_, value) => value.clone(),
            };
        }
        self.tx.set_index(name, &entries)
    }

    fn clear_index(&mut self, entity: &EntityName) -> Result<(), StorageError> {
        self.steps.push(Step::ClearIndex(entity.clone()));
        if self.has(Flaw::ClearsEveryIndex) {
            self.tx.clear_index(&EntityName::new("Task"))?;
        }
        self.tx.clear_index(entity)
    }

    fn find(&mut self, entity: &EntityName, search: &Search) -> Result<Vec<Place>, StorageError> {
        let mut search = search.clone();
        match self.flaw {
            Flaw::IgnoresConditions => search.conditions.clear(),
            Flaw::TakesOneCondition => search.conditions.truncate(1),
            Flaw::TakesOneConditionOfEachField => {
                let mut fields = HashSet::new();
                search.conditions.retain(|condition| fields.insert(condition.field));
            }
            Flaw::TakesNothingForNoBound => {
                for condition in &mut search.conditions {
                    for bound in [&mut condition.low, &mut condition.high] {
                        if *bound == Bound::Excluded(IndexValue::Null) {
                            *bound = Bound::Unbounded;
                        }
                    }
                }
            }
            Flaw::RoundsNumbers => {
                for condition in &mut search.conditions {
                    for bound in [&mut condition.low, &mut condition.high] {
                        *bound = bound.as_ref().map(rounded);
                    }
                }
            }
            Flaw::IgnoresPlaces => search.after = None,
            Flaw::FindsNoRangeOfTexts if search.conditions.iter().any(is_range_of_texts) => {
                return Ok(Vec::new());
            }
            Flaw::FindsNoPlaceAmongTexts
                if search.after.as_ref().is_some_and(|place| matches!(place.value, IndexValue::Text(_))) =>
            {
                return Ok(Vec::new());
            }
            Flaw::LosesTheIndexWhenClosed if self.state.lock().unwrap().is_reopened => return Ok(Vec::new()),
            Flaw::ListsWhatIsBased if search.conditions.is_empty() && search.order.is_none() => {
                let after = search.after.as_ref().map(|place| &place.key);
                let ids = self.tx.based(entity, after, search.limit)?;
                return Ok(ids.into_iter().map(|key| Place { value: IndexValue::Null, key }).collect());
            }
            _ => {}
        }
        self.tx.find(entity, &search)
    }

    fn release(&mut self, on: &RecordRef) -> Result<u64, StorageError> {
        self.steps.push(Step::Release(on.clone()));
        if self.has(Flaw::ReleasesNobody) {
            return Ok(0);
        }
        let released = self.everything_pending()?.into_iter();
        let released = released.filter(|(_, record)| record.blocked_on.as_ref() == Some(on));
        let released: Vec<_> = released.map(|(name, _)| name).collect();
        let count = self.tx.release(on)?;
        for name in released {
            let mut record = self.tx.record(&name)?.unwrap_or_default();
            match self.flaw {
                Flaw::ReleasesToBeSentAtOnce => {
                    record.flight.iter_mut().for_each(|flight| flight.due = None);
                    record.queued.iter_mut().for_each(|queued| queued.not_before = None);
                }
                Flaw::ReleaseForgetsReferences => {
                    record.queued.iter_mut().for_each(|queued| queued.references.clear());
                }
                _ => continue,
            }
            self.tx.put(&name, &record)?;
        }
        Ok(count)
    }

    fn earlier_child(
        &mut self,
        parent: &RecordRef,
        mut places: Range<u64>,
    ) -> Result<Option<(u64, RecordRef)>, StorageError> {
        match self.flaw {
            Flaw::FindsParkedChildren => {
                let parked = self.tx.parked(None, None, usize::MAX, &HashSet::new())?;
                if let Some((name, _)) = parked.into_iter().find(|(_, record)| refers(record, parent)) {
                    return Ok(Some((places.start, name)));
                }
            }
            Flaw::CountsTheOneAtThePlace => places.end = places.end.saturating_add(1),
            Flaw::BeginsWithTheFirstChild => places.start = 0,
            _ => {}
        }
        self.tx.earlier_child(parent, places)
    }

    fn counts(&mut self) -> Result<Vec<(EntityName, Counts)>, StorageError> {
        let mut counts = self.tx.counts()?;
        if self.has(Flaw::TakesParkedForWaiting) {
            for (_, counts) in &mut counts {
                counts.waiting += std::mem::take(&mut counts.parked);
            }
        }
        Ok(counts)
    }

    fn last_seq(&mut self) -> Result<u64, StorageError> {
        if self.has(Flaw::CountsOwnNumbersOnly) {
            let pending = self.everything_pending()?;
            return Ok(pending.iter().filter_map(|(_, record)| record.greatest_number()).max().unwrap_or(0));
        }
        let State { greatest_place, is_reopened, .. } = *self.state.lock().unwrap();
        if self.has(Flaw::CountsPlacesAloneWhenReopened) && is_reopened {
            return Ok(greatest_place);
        }
        self.tx.last_seq()
    }

    fn cursor(&mut self, entity: &EntityName) -> Result<Option<Cursor>, StorageError> {
        let one = EntityName::new("One");
        self.tx.cursor(if self.has(Flaw::HasOneCursor) { &one } else { entity })
    }

    fn set_cursor(&mut self, entity: &EntityName, cursor: Option<&Cursor>) -> Result<(), StorageError> {
        let one = EntityName::new("One");
        self.tx.set_cursor(if self.has(Flaw::HasOneCursor) { &one } else { entity }, cursor)
    }

    fn note(&mut self, name: &str) -> Result<Option<String>, StorageError> {
        let text = self.tx.note(if self.has(Flaw::HasOneNote) { "one" } else { name })?;
        if self.has(Flaw::ReadsWhatWas) {
            let before = self.state.lock().unwrap().notes.insert(name.to_owned(), text.clone());
            return Ok(before.unwrap_or(text));
        }
        Ok(text)
    }

    fn set_note(&mut self, name: &str, text: Option<&str>) -> Result<(), StorageError> {
        self.tx.set_note(if self.has(Flaw::HasOneNote) { "one" } else { name }, text)
    }

    fn set_aside(&mut self, item: &SetAside) -> Result<(), StorageError> {
        let mut item = item.clone();
        if item.key.is_none() {
            if self.has(Flaw::TakesItemsWithoutAnIdForOne) {
                item.key = Some(RecordKey::new("nobody's").unwrap());
            }
            let items = self.tx.items_aside(&item.entity, usize::MAX)?;
            let is_full = items.iter().filter(|item| item.key.is_none()).count() >= KEYLESS_ASIDE;
            if self.has(Flaw::KeepsTheOldestAside) && is_full {
                return Ok(());
            }
        }
        self.tx.set_aside(&item)
    }

    fn items_aside(&mut self, entity: &EntityName, limit: usize) -> Result<Vec<SetAside>, StorageError> {
        self.tx.items_aside(entity, limit)
    }

    fn forget_aside(&mut self, name: &RecordRef) -> Result<(), StorageError> {
        if self.has(Flaw::ForgetsNothingAside) { Ok(()) } else { self.tx.forget_aside(name) }
    }
}
