//! What the structs of the entities were when the storage was used last, and what follows when they have changed.
//!
//! Payloads are brought up to date when they are read. What cannot wait for that is done before the engine is ready: an entity that
//! has become a replica is pulled anew, and fields that are indexed now are entered.

use std::collections::BTreeMap;

use super::core::Core;
use super::entities::{Shape, index};
use super::kept;
use super::ledger::Ledger;
use super::notes;
use super::sweep;
use crate::error::Error;
use crate::record::EntityName;
use crate::storage::StorageError;

/// The name of the note in the storage.
const NOTE: &str = "shapes";

type Shapes = BTreeMap<EntityName, Shape>;

/// Compares the entities with those that used the storage last, and answers which of them have to be entered into
/// the index anew.
///
/// # Errors
/// [`Error::NewerData`] when a later version of the program has used the storage.
pub(crate) fn compare(ledger: &mut Ledger<'_>) -> Result<Vec<EntityName>, Error> {
    let mut shapes = read(ledger)?;
    let mut stale = Vec::new();
    let mut changed = false;
    for port in ledger.entities().iter() {
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
            ledger.tx.clear_index(&entity)?;
        }
        if is_stale && !now.index.is_empty() {
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
        notes::write(ledger.tx, NOTE, &shapes)?;
    }
    Ok(stale)
}

/// Enters every record of an entity into the index. Nothing is noted of it before the end.
pub(crate) async fn enter(core: &Core, entity: EntityName) -> Result<(), StorageError> {
    kept::visit(core, &entity, |ledger, name, record| {
        let Some(port) = ledger.entities().replica(&name.entity) else { return Ok(()) };
        ledger.tx.set_index(name, &index(&**port, name, record.view()))
    })
    .await?;
    core.transact(move |ledger| {
        let mut shapes = read(ledger)?;
        if let Some(port) = ledger.entities().port(entity.as_str()) {
            shapes.entry(entity).or_default().index = port.shape().index;
        }
        notes::write(ledger.tx, NOTE, &shapes)
    })
    .await
}

fn read(ledger: &mut Ledger<'_>) -> Result<Shapes, StorageError> {
    // Without it, data of a later version could be taken for data of this one.
    Ok(notes::read_strictly(ledger.tx, NOTE)?.unwrap_or_default())
}
