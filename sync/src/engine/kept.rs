//! Reading what a replica keeps: what the server has, with the edits that wait on top.

use std::collections::HashSet;

use super::core::Core;
use super::entities::index;
use super::ledger::{Ledger, readable};
use super::watches;
use crate::record::{EntityName, Payload, Record, RecordRef};
use crate::storage::{Condition, Place, Search, StorageError};

/// How many records are looked at at once when all are.
const BATCH: usize = 500;

/// A record of a replica.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) view: Payload,
    pub(crate) record: Record,
    /// The record that it waits for, if it does.
    pub(crate) blocker: Option<Record>,
}

/// One record as it looks here.
pub(crate) fn view(ledger: &mut Ledger<'_>, name: &RecordRef) -> Result<Option<Payload>, StorageError> {
    Ok(ledger.tx.record(name)?.and_then(|record| record.view().cloned()))
}

/// One record, with where it stands.
pub(crate) fn one(ledger: &mut Ledger<'_>, name: &RecordRef) -> Result<Option<Kept>, StorageError> {
    let Some(record) = ledger.tx.record(name)? else { return Ok(None) };
    let view = if planted!(ReadWithoutTheEdits) {
        record.base.as_ref().and_then(|base| base.value.as_ref())
    } else {
        record.view()
    };
    let Some(view) = view.cloned() else { return Ok(None) };
    let blocker = blocker(ledger, &record)?;
    Ok(Some(Kept { view, record, blocker }))
}

/// The record that another one waits for. Of one that cannot be read nothing is known.
pub(crate) fn blocker(ledger: &mut Ledger<'_>, record: &Record) -> Result<Option<Record>, StorageError> {
    let Some(on) = &record.blocked_on else { return Ok(None) };
    Ok(readable(ledger.tx.record(on))?.flatten())
}

/// Whether the conditions of a search hold for a record.
pub(crate) fn fits(ledger: &Ledger<'_>, name: &RecordRef, kept: &Kept, conditions: &[Condition]) -> bool {
    let port = ledger.entities().replica(&name.entity);
    port.is_some_and(|port| watches::fits(conditions, &index(&**port, name, Some(&kept.view))))
}

/// A page of records, and the search for the next one, if there may be one. A row that cannot be read is one of the page, and
/// spoils nothing else.
pub(crate) type Page = (Vec<(RecordRef, Result<Kept, StorageError>)>, Option<Search>);

/// Reads a page.
pub(crate) fn page(
    ledger: &mut Ledger<'_>,
    entity: &EntityName,
    search: Search,
) -> Result<Page, StorageError> {
    let places = ledger.tx.find(entity, &search)?;
    let last = places.last().filter(|_| places.len() == search.limit).cloned();
    let mut page = Vec::with_capacity(places.len());
    for Place { key, .. } in places {
        let name = RecordRef::new(entity.clone(), key);
        match one(ledger, &name) {
            Ok(None) => {}
            Ok(Some(kept)) => page.push((name, Ok(kept))),
            Err(damaged) if damaged.damaged().is_some() => page.push((name, Err(damaged))),
            Err(error) => return Err(error),
        }
    }
    Ok((page, last.map(|last| Search { after: Some(last), ..search })))
}

/// Looks at every record of an entity that can be read, some of them in each transaction. Answers whether all of them could be, and the
/// look said so of each.
pub(crate) async fn visit<F>(core: &Core, entity: &EntityName, look: F) -> Result<bool, StorageError>
where
    F: Fn(&mut Ledger<'_>, &RecordRef, Record) -> Result<bool, StorageError> + Copy + Send + 'static,
{
    let mut next = Some(Search { limit: BATCH, ..Search::default() });
    let mut all = true;
    while let Some(search) = next.take() {
        let of = entity.clone();
        let every;
        (next, every) = core
            .transact::<_, StorageError, _>(move |ledger| {
                let places = ledger.tx.find(&of, &search)?;
                let last = places.last().filter(|_| places.len() == search.limit).cloned();
                let mut every = true;
                for Place { key, .. } in places {
                    let name = RecordRef::new(of.clone(), key);
                    every &= match readable(ledger.tx.record(&name))? {
                        Some(Some(record)) => look(ledger, &name, record)?,
                        Some(None) => true,
                        None => false,
                    };
                }
                Ok((last.map(|last| Search { after: Some(last), ..search }), every))
            })
            .await?;
        all &= every;
    }
    Ok(all)
}

/// How many records there are to see: those of the server, but for those that are edited, of which each is looked at.
pub(crate) fn count(ledger: &mut Ledger<'_>, entity: &EntityName) -> Result<u64, StorageError> {
    let mut count = ledger.tx.kept_count(entity)?;
    let mut after = None;
    loop {
        let pending = ledger.tx.pending(Some(entity), after, BATCH, &HashSet::new())?;
        let Some((_, last)) = pending.last() else { return Ok(count) };
        after = last.lane().seq();
        for (_, record) in &pending {
            let based = record.base.as_ref().is_some_and(|base| base.value.is_some());
            count = count + u64::from(record.view().is_some()) - u64::from(based);
        }
    }
}
