//! What the structs of the entities were when the storage was used last, and what follows when they have changed.
//!
//! Payloads are brought up to date when they are read. What cannot wait for that is done before the engine is ready: an entity that
//! has become a replica is pulled anew, and fields that are indexed now are entered.

use std::collections::BTreeMap;

use super::entities::{Entities, Shape, index};
use super::ledger::Ledger;
use super::sweep;
use crate::error::Error;
use crate::record::{EntityName, RecordRef};
use crate::storage::{Place, Search, StorageError};

/// The name of the note in the storage.
const NOTE: &str = "shapes";

/// So many records are entered into the index in one transaction.
const CHUNK: usize = 500;

type Shapes = BTreeMap<EntityName, Shape>;

/// Compares the entities with those that used the storage last, and answers which of them have to be indexed anew.
///
/// # Errors
/// [`Error::NewerData`] when a later version of the program has used the storage.
pub(crate) fn compare(ledger: &mut Ledger<'_>, entities: &Entities) -> Result<Vec<EntityName>, Error> {
    let mut shapes = read(ledger)?;
    let mut stale = Vec::new();
    let mut changed = false;
    for port in entities.iter() {
        let (entity, now) = (port.info().entity_name(), port.shape());
        let before = shapes.get(&entity).cloned().unwrap_or_default();
        if before.version > now.version {
            return Err(Error::NewerData { entity, stored: before.version, known: now.version });
        }
        if now.replica && !before.replica {
            // What was pulled before was not kept, and what was deleted since is in no list.
            sweep::pull_anew(ledger, &entity)?;
        }
        let is_stale = before.index != now.index || (!now.index.is_empty() && before.version != now.version);
        if is_stale {
            stale.push(entity.clone());
        }
        // The fields are noted once they are in the index: what is cut short begins anew.
        let index = if is_stale { Vec::new() } else { before.index.clone() };
        let noted = Shape { index, ..now };
        if noted != before {
            shapes.insert(entity, noted);
            changed = true;
        }
    }
    if changed {
        write(ledger, &shapes)?;
    }
    Ok(stale)
}

/// Takes an entity out of the index.
pub(crate) fn begin(ledger: &mut Ledger<'_>, entity: &EntityName) -> Result<(), StorageError> {
    ledger.tx.clear_index(entity)
}

/// Enters some records; answers the place to go on after, until all are entered.
pub(crate) fn enter(
    ledger: &mut Ledger<'_>,
    entities: &Entities,
    entity: &EntityName,
    after: Option<Place>,
) -> Result<Option<Place>, StorageError> {
    let Some(port) = entities.replica(entity) else { return Ok(None) };
    let places = ledger.tx.find(entity, &Search { after, limit: CHUNK, ..Search::default() })?;
    for Place { key, .. } in &places {
        let name = RecordRef::new(entity.clone(), key.clone());
        if let Some(record) = super::ledger::readable(ledger.tx.record(&name))?.flatten() {
            ledger.tx.set_index(&name, &index(&**port, &name, record.view()))?;
        }
    }
    if places.len() < CHUNK {
        note_index(ledger, entity, port.shape().index)?;
        return Ok(None);
    }
    Ok(places.into_iter().next_back())
}

fn note_index(ledger: &mut Ledger<'_>, entity: &EntityName, index: Vec<String>) -> Result<(), StorageError> {
    let mut shapes = read(ledger)?;
    shapes.entry(entity.clone()).or_default().index = index;
    write(ledger, &shapes)
}

fn read(ledger: &mut Ledger<'_>) -> Result<Shapes, StorageError> {
    let text = ledger.tx.note(NOTE)?;
    let read = text.map(|text| serde_json::from_str(&text)).transpose();
    // Without it, data of a later version could be taken for data of this one.
    Ok(read
        .map_err(|error| StorageError::Corrupt(format!("the note `{NOTE}`: {error}").into()))?
        .unwrap_or_default())
}

fn write(ledger: &mut Ledger<'_>, shapes: &Shapes) -> Result<(), StorageError> {
    let text = serde_json::to_string(shapes).map_err(|error| StorageError::Io(error.into()))?;
    ledger.tx.set_note(NOTE, Some(&text))
}
