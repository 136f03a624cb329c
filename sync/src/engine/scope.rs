//! Partial replicas: which records of an entity are kept, and letting those go that are not.
//!
//! A scope is kept on disk. Changing it forgets the cursor, since a list of other records has other places; and it lets go what is
//! outside, unless an edit of it waits: that goes when the edit is through. Who writes a record ([`Ledger`]) looks at the scope, so
//! nothing outside comes in by another way.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::core::Core;
use super::entities::{Entities, Scope};
use super::kept;
use super::ledger::Ledger;
use super::notes;
use super::port::EntityPort;
use super::sweep;
use super::watches::fits;
use crate::record::{EntityName, Payload, Record, RecordRef};
use crate::remote::ScopeTerm;
use crate::storage::{Condition, IndexEntry, IndexValue, StorageError};

/// The name of the note in the storage.
const NOTE: &str = "scopes";

type Scopes = BTreeMap<EntityName, Stored>;

/// A scope, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Stored {
    terms: Vec<StoredTerm>,
    /// Whether what is outside was let go.
    tidy: bool,
}

/// A part of it: the values as JSON, which the field's type may read as others in a later version of the program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct StoredTerm {
    field: String,
    /// The field with its type, as it was when the scope was set.
    #[serde(default)]
    indexed: String,
    low: Bound<(IndexValue, Payload)>,
    high: Bound<(IndexValue, Payload)>,
}

impl Stored {
    /// A scope that has just been set.
    fn of(terms: &[ScopeTerm], port: Option<&Arc<dyn EntityPort>>) -> Self {
        let indexed = |field: &str| port.and_then(|port| indexed(&**port, field)).unwrap_or_default();
        let terms = terms.iter().map(|term| StoredTerm::of(term, indexed(term.condition.field))).collect();
        Self { terms, tidy: false }
    }

    /// What it asks for; `None` when it names a field that is not indexed, or is of a type that cannot read the values.
    fn into_terms(self, entities: &Entities, entity: &EntityName) -> Option<Vec<ScopeTerm>> {
        let port = entities.replica(entity)?;
        self.terms.into_iter().map(|term| term.into_term(&**port)).collect()
    }
}

impl StoredTerm {
    fn of(term: &ScopeTerm, indexed: String) -> Self {
        let ScopeTerm { condition, low, high } = term.clone();
        let both = |value: Bound<IndexValue>, json: Bound<Payload>| match (value, json) {
            (Bound::Included(value), Bound::Included(json)) => Bound::Included((value, json)),
            (Bound::Excluded(value), Bound::Excluded(json)) => Bound::Excluded((value, json)),
            _ => Bound::Unbounded,
        };
        Self {
            field: condition.field.to_owned(),
            indexed,
            low: both(condition.low, low),
            high: both(condition.high, high),
        }
    }

    fn into_term(self, port: &dyn EntityPort) -> Option<ScopeTerm> {
        let field = *port.fields().iter().find(|field| **field == self.field)?;
        let is_as_it_was = indexed(port, field).is_some_and(|indexed| indexed == self.indexed);
        let value = |bound: &Bound<(IndexValue, Payload)>| {
            let read = |(known, json): &(IndexValue, Payload)| {
                port.index_value(field, json).or_else(|| is_as_it_was.then(|| known.clone()))
            };
            Some(match bound {
                Bound::Included(value) => Bound::Included(read(value)?),
                Bound::Excluded(value) => Bound::Excluded(read(value)?),
                Bound::Unbounded => Bound::Unbounded,
            })
        };
        Some(ScopeTerm {
            condition: Condition { field, low: value(&self.low)?, high: value(&self.high)? },
            low: self.low.map(|(_, json)| json),
            high: self.high.map(|(_, json)| json),
        })
    }
}

/// An indexed field with its type.
fn indexed(port: &dyn EntityPort, field: &str) -> Option<String> {
    let place = port.fields().iter().position(|known| *known == field)?;
    port.shape().index.into_iter().nth(place)
}

/// Keeps only the records for which the conditions hold, from now on. Without any, every record.
pub(crate) async fn set(core: &Core, entity: EntityName, terms: Vec<ScopeTerm>) -> Result<(), StorageError> {
    let of = entity.clone();
    let before = core.entities.scope(&entity);
    let written = core.transact::<_, StorageError, _>(move |ledger| {
        let mut scopes = read(ledger)?;
        let stored = Stored::of(&terms, ledger.entities().replica(&of));
        if scopes.get(&of).map(|scope| &*scope.terms).unwrap_or_default() != stored.terms {
            sweep::pull_anew(ledger, &of)?;
        }
        scopes.insert(of.clone(), stored);
        notes::write(ledger.tx, NOTE, &scopes)?;
        // Transactions follow each other: whatever is written after this one sees it.
        ledger.entities().set_scope(of, terms.into());
        Ok(())
    });
    if let Err(error) = written.await {
        // Somebody else's may have been written meanwhile, or not been written either: what is kept on disk holds.
        let of = entity.clone();
        let again = core.transact::<_, StorageError, _>(move |ledger| {
            let terms = match read(ledger)?.remove(&of) {
                Some(stored) => stored.into_terms(ledger.entities(), &of).unwrap_or_default(),
                None => Vec::new(),
            };
            ledger.entities().set_scope(of, terms.into());
            Ok(())
        });
        if again.await.is_err() {
            core.entities.set_scope(entity, before.terms().cloned().unwrap_or_default());
        }
        return Err(error);
    }
    tidy(core, entity).await
}

/// Reads the scopes that an earlier engine left; answers those entities of which something outside may still be there.
pub(crate) fn recover(ledger: &mut Ledger<'_>) -> Result<Vec<EntityName>, StorageError> {
    let entities = ledger.entities();
    let mut untidy = Vec::new();
    let before = read(ledger)?;
    let mut scopes = before.clone();
    for (entity, stored) in &before {
        let Some(port) = entities.replica(entity) else { continue };
        let Some(terms) = stored.clone().into_terms(entities, entity) else {
            // What cannot be asked for is let go: everything is kept until the program sets another scope.
            tracing::warn!(%entity, "the scope names a field that is no longer indexed, or is of another type: every record is kept");
            sweep::pull_anew(ledger, entity)?;
            scopes.remove(entity);
            continue;
        };
        let mut now = Stored { tidy: stored.tidy, ..Stored::of(&terms, Some(port)) };
        // The same values as of another type may be those of other records.
        if now.terms != stored.terms {
            sweep::pull_anew(ledger, entity)?;
            now.tidy = false;
        }
        entities.set_scope(entity.clone(), terms.into());
        if !now.tidy {
            untidy.push(entity.clone());
        }
        scopes.insert(entity.clone(), now);
    }
    if scopes != before {
        notes::write_any(ledger.tx, NOTE, &scopes)?;
    }
    Ok(untidy)
}

/// Lets go what is outside of the scope.
pub(crate) async fn tidy(core: &Core, entity: EntityName) -> Result<(), StorageError> {
    let scope = core.entities.scope(&entity);
    kept::visit(core, &entity, |ledger, name, before| {
        if !keeps(ledger.entities(), name, &before) {
            ledger.put(name, &before, &Record::default())?;
        }
        Ok(true)
    })
    .await?;
    core.transact(move |ledger| {
        // Whoever has set another one meanwhile looks at the records once more.
        if !ledger.entities().scope(&entity).is(&scope) {
            return Ok(());
        }
        let mut scopes = read(ledger)?;
        if let Some(stored) = scopes.get_mut(&entity) {
            stored.tidy = true;
        }
        notes::write(ledger.tx, NOTE, &scopes)
    })
    .await
}

/// Whether a record is kept: because it is in the scope, or because an edit of it waits.
pub(crate) fn keeps(entities: &Entities, name: &RecordRef, record: &Record) -> bool {
    let scope = entities.scope(&name.entity);
    if scope.terms().is_none() || record.is_pending() {
        return true;
    }
    let (Some(view), Some(port)) = (record.view(), entities.replica(&name.entity)) else { return true };
    // What cannot be read cannot be judged, and stays.
    port.index(&name.key, view).map_or(true, |entries| holds(&scope, &entries))
}

/// Whether a record with these values is in the scope.
pub(crate) fn holds(scope: &Scope, entries: &[IndexEntry]) -> bool {
    fits(scope.terms().into_iter().flat_map(|terms| terms.iter()).map(|term| &term.condition), entries)
}

fn read(ledger: &mut Ledger<'_>) -> Result<Scopes, StorageError> {
    Ok(notes::read_strictly(ledger.tx, NOTE)?.unwrap_or_default())
}
