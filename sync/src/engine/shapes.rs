//! What the structs of the entities were when the storage was used last, and what follows when they have changed.
//!
//! Payloads are brought up to date when they are read. What cannot wait for that is done before the engine is ready: an entity of which
//! other things are to be kept than were kept is pulled anew, fields that are indexed now are entered, and what waits for records that
//! are referred to no longer, or refer to it no longer, is freed.

use std::collections::BTreeMap;

use super::core::Core;
use super::entities::{Shape, entries};
use super::kept;
use super::ledger::Ledger;
use super::notes;
use super::outbox::{BATCH, Walk};
use super::sweep;
use crate::error::Error;
use crate::record::{EntityName, Record};
use crate::storage::StorageError;

/// The name of the note in the storage.
const NOTE: &str = "shapes";

type Shapes = BTreeMap<EntityName, Shape>;

/// What is left to do where entities have changed.
#[derive(Debug, Default)]
pub(crate) struct Outdated {
    /// Those that have to be entered into the index anew.
    pub(crate) stale: Vec<EntityName>,
    pub(crate) unlinked: Vec<Unlinked>,
}

/// An entity that may refer to less than before: its records, and those that they referred to, may wait for each other.
#[derive(Debug)]
pub(crate) struct Unlinked {
    entity: EntityName,
    formerly: Vec<EntityName>,
}

/// Compares the entities with those that used the storage last.
///
/// # Errors
/// [`Error::NewerData`] when a later version of the program has used the storage.
pub(crate) fn compare(ledger: &mut Ledger<'_>) -> Result<Outdated, Error> {
    let mut shapes = read(ledger)?;
    let mut outdated = Outdated::default();
    let mut changed = false;
    for port in ledger.entities().iter() {
        let (entity, now) = (port.info().entity_name(), port.shape());
        let before = shapes.get(&entity).cloned().unwrap_or_default();
        if before.version > now.version {
            return Err(Error::NewerData { entity, stored: before.version, known: now.version });
        }
        if now.keeps_otherwise(&before) {
            sweep::pull_anew(ledger, &entity)?;
        }
        let is_stale = before.index != now.index || (!now.index.is_empty() && before.version != now.version);
        if is_stale {
            ledger.tx.clear_index(&entity)?;
        }
        if is_stale && !now.index.is_empty() {
            outdated.stale.push(entity.clone());
        }
        let is_unlinked = outdated.unlink(&entity, &before, &now);
        // The fields are noted once they are in the index, and the references once nobody waits for others: what is cut short
        // begins anew.
        let index = if is_stale { Vec::new() } else { before.index.clone() };
        let references = if is_unlinked { before.references.clone() } else { now.references.clone() };
        let noted = Shape { index, references, ..now };
        if noted != before {
            shapes.insert(entity, noted);
            changed = true;
        }
    }
    for (gone, before) in
        shapes.iter().filter(|(entity, _)| ledger.entities().port(entity.as_str()).is_none())
    {
        outdated.unlink(gone, before, &Shape::default());
    }
    if changed {
        notes::write(ledger.tx, NOTE, &shapes)?;
    }
    Ok(outdated)
}

impl Shape {
    /// Whether what was pulled so far is not what is to be kept of it, which no page will tell that comes after the cursor.
    fn keeps_otherwise(&self, before: &Self) -> bool {
        // Of a replica, and of what was handed over, the other of the two has seen nothing; and what was deleted since is in no list.
        let moved = self.replica != before.replica;
        // Without the ancestors, the first conflict of each record would be decided as if both sides had changed everything.
        let lacks_bases = before.version != 0 && self.bases && !(before.bases || before.replica);
        // What `upgrade` makes up for a member that is new to the struct, the server may have had all along.
        let made_up = self.replica && before.version != 0 && self.version != before.version;
        moved || lacks_bases || made_up
    }
}

impl Outdated {
    /// Notes whether the records of an entity may refer to less than before.
    fn unlink(&mut self, entity: &EntityName, before: &Shape, now: &Shape) -> bool {
        let gone = before.references.iter().filter(|name| !now.references.contains(name));
        let formerly: Vec<_> = gone.cloned().map(EntityName::from_stored).collect();
        // An upgraded edit may refer to another record than the one that it waits for.
        let is_upgraded =
            before.version != 0 && before.version != now.version && !before.references.is_empty();
        if formerly.is_empty() && !is_upgraded {
            return false;
        }
        self.unlinked.push(Unlinked { entity: entity.clone(), formerly });
        true
    }
}

/// Enters every record of an entity into the index. Nothing is noted of it before the end, nor when a record could not be read: a program
/// with a better `upgrade` finds it then.
pub(crate) async fn enter(core: &Core, entity: EntityName) -> Result<(), StorageError> {
    kept::visit(core, &entity, |ledger, name, record| {
        let Some(port) = ledger.entities().replica(&name.entity) else { return Ok(()) };
        let entries = entries(&**port, name, record.view());
        if entries.is_none() {
            ledger.entities().lacks_entries(name.entity.clone());
        }
        ledger.tx.set_index(name, &entries.unwrap_or_default())
    })
    .await?;
    if !core.entities.is_indexed(&entity) {
        return Ok(());
    }
    note(core, entity, |shape, now| shape.index = now.index).await
}

/// Frees those that wait for each other for no reason that there is still. Nothing is noted of it before the end.
pub(crate) async fn unlink(core: &Core, unlinked: Unlinked) -> Result<(), StorageError> {
    let Unlinked { entity, formerly } = unlinked;
    for of in formerly.iter().chain([&entity]) {
        free(core, of).await?;
    }
    note(core, entity, |shape, now| shape.references = now.references).await
}

/// Looks anew at every record of an entity that waits for another: whether it has to is decided when it is to be sent.
async fn free(core: &Core, entity: &EntityName) -> Result<(), StorageError> {
    let mut walk = Walk::default();
    loop {
        let of = entity.clone();
        let count;
        (walk, count) = core
            .transact::<_, StorageError, _>(move |ledger| {
                let page =
                    walk.next(ledger, |tx, after, except| tx.pending(Some(&of), after, BATCH, except))?;
                for (name, record) in page.iter().filter(|(_, record)| record.blocked_on.is_some()) {
                    ledger.put(name, record, &Record { blocked_on: None, ..record.clone() })?;
                }
                Ok((walk, page.len()))
            })
            .await?;
        if count == 0 {
            return Ok(());
        }
    }
}

/// Notes a part of what an entity's struct is now.
async fn note(core: &Core, entity: EntityName, set: fn(&mut Shape, Shape)) -> Result<(), StorageError> {
    core.transact(move |ledger| {
        let mut shapes = read(ledger)?;
        let now = ledger.entities().port(entity.as_str()).map(|port| port.shape());
        set(shapes.entry(entity).or_default(), now.unwrap_or_default());
        notes::write(ledger.tx, NOTE, &shapes)
    })
    .await
}

fn read(ledger: &mut Ledger<'_>) -> Result<Shapes, StorageError> {
    // Without it, data of a later version could be taken for data of this one.
    Ok(notes::read_strictly(ledger.tx, NOTE)?.unwrap_or_default())
}
