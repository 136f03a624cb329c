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
use super::entities::{Entities, Scope, index};
use super::ledger::{Ledger, readable};
use super::watches::fits;
use crate::record::{EntityName, Record, RecordRef};
use crate::storage::{Condition, IndexValue, Place, Search, StorageError};

/// The name of the note in the storage.
const NOTE: &str = "scopes";

/// So many records are looked at in one transaction.
const CHUNK: usize = 500;

type Scopes = BTreeMap<EntityName, Stored>;

/// A scope, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Stored {
    conditions: Vec<StoredCondition>,
    /// Whether what is outside was let go.
    tidy: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct StoredCondition {
    field: String,
    low: Bound<IndexValue>,
    high: Bound<IndexValue>,
}

impl StoredCondition {
    fn of(condition: &Condition) -> Self {
        let Condition { field, low, high } = condition.clone();
        Self { field: field.to_owned(), low, high }
    }
}

/// Keeps only the records for which the conditions hold, from now on. Without any, every record.
pub(crate) async fn set(
    core: &Core,
    entity: EntityName,
    conditions: Vec<Condition>,
) -> Result<(), StorageError> {
    let (of, entities) = (entity.clone(), Arc::clone(&core.entities));
    core.transact::<_, StorageError, _>(move |ledger| {
        let mut scopes = read(ledger)?;
        let stored: Vec<_> = conditions.iter().map(StoredCondition::of).collect();
        if scopes.get(&of).map(|scope| &*scope.conditions).unwrap_or_default() != stored {
            ledger.tx.set_cursor(&of, None)?;
        }
        scopes.insert(of.clone(), Stored { conditions: stored, tidy: false });
        write(ledger, &scopes)?;
        // Transactions follow each other: whatever is written after this one sees it. Should it not be committed, what is
        // outside stays on the disk, and what was pulled meanwhile is pulled again.
        entities.set_scope(of, conditions.into());
        Ok(())
    })
    .await?;
    tidy(core, entity).await
}

/// Reads the scopes that an earlier engine left; answers those entities of which something outside may still be there.
pub(crate) fn recover(ledger: &mut Ledger<'_>, entities: &Entities) -> Result<Vec<EntityName>, StorageError> {
    let mut untidy = Vec::new();
    for (entity, stored) in read(ledger)? {
        let Some(port) = entities.replica(&entity) else { continue };
        let known = |condition: StoredCondition| {
            let field = port.fields().iter().find(|field| **field == condition.field)?;
            Some(Condition { field, low: condition.low, high: condition.high })
        };
        let conditions: Option<Vec<_>> = stored.conditions.into_iter().map(known).collect();
        if let Some(conditions) = conditions {
            entities.set_scope(entity.clone(), conditions.into());
        } else {
            // A field that is indexed no longer cannot be asked for: everything is kept until the program sets another scope.
            tracing::warn!(%entity, "the scope names a field that is no longer indexed: every record is kept");
            ledger.tx.set_cursor(&entity, None)?;
        }
        if !stored.tidy {
            untidy.push(entity);
        }
    }
    Ok(untidy)
}

/// Lets go what is outside of the scope.
pub(crate) async fn tidy(core: &Core, entity: EntityName) -> Result<(), StorageError> {
    let mut after = None;
    loop {
        let of = entity.clone();
        after = core.transact::<_, StorageError, _>(move |ledger| let_go(ledger, &of, after)).await?;
        if after.is_none() {
            return Ok(());
        }
    }
}

/// Looks at some records; answers the place to go on after, until all were looked at.
fn let_go(
    ledger: &mut Ledger<'_>,
    entity: &EntityName,
    after: Option<Place>,
) -> Result<Option<Place>, StorageError> {
    let keys = ledger.tx.find(entity, &Search { after, limit: CHUNK, ..Search::default() })?;
    for key in &keys {
        let name = RecordRef::new(entity.clone(), key.clone());
        if let Some(before) = readable(ledger.tx.record(&name))?.flatten()
            && !keeps(ledger.entities(), &name, &before)
        {
            ledger.put(&name, &before, &Record::default())?;
        }
    }
    if keys.len() < CHUNK {
        let mut scopes = read(ledger)?;
        if let Some(scope) = scopes.get_mut(entity) {
            scope.tidy = true;
        }
        write(ledger, &scopes)?;
        return Ok(None);
    }
    Ok(keys.into_iter().next_back().map(|key| Place { value: IndexValue::Null, key }))
}

/// Whether a record is kept: because it is in the scope, or because an edit of it waits.
pub(crate) fn keeps(entities: &Entities, name: &RecordRef, record: &Record) -> bool {
    let Some(scope) = entities.scope(&name.entity).filter(|_| !record.is_pending()) else { return true };
    record.view().is_none_or(|_| {
        let port = entities.replica(&name.entity);
        port.is_none_or(|port| fits(&scope, &index(&**port, name, record.view())))
    })
}

/// Whether a scope is still the one that is set.
pub(crate) fn is_current(entities: &Entities, entity: &EntityName, scope: Option<&Scope>) -> bool {
    entities.scope(entity).as_deref() == scope.map(|scope| &**scope)
}

fn read(ledger: &mut Ledger<'_>) -> Result<Scopes, StorageError> {
    let text = ledger.tx.note(NOTE)?;
    let read = text.map(|text| serde_json::from_str(&text)).transpose();
    Ok(read
        .map_err(|error| StorageError::Corrupt(format!("the note `{NOTE}`: {error}").into()))?
        .unwrap_or_default())
}

fn write(ledger: &mut Ledger<'_>, scopes: &Scopes) -> Result<(), StorageError> {
    let text = serde_json::to_string(scopes).map_err(|error| StorageError::Io(error.into()))?;
    ledger.tx.set_note(NOTE, Some(&text))
}
