//! What the structs of the entities were when the storage was used last, and what follows when they have changed.
//!
//! Payloads are brought up to date when they are read. What cannot wait for that is done before the engine is ready: an entity of which
//! other things are to be kept than were kept is pulled anew, fields that are indexed now are entered, and what waits for records that
//! are referred to no longer, or refer to it no longer, is freed. What is left to do is noted with the new shapes, and ticked off step by
//! step: a start that is cut short is gone on with by the next one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::core::Core;
use super::entities::{Shape, entries};
use super::held;
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

/// The name of the note in the storage: what is left to do.
const LEFT: &str = "reshaping";

type Shapes = BTreeMap<EntityName, Shape>;

/// What is left to do where entities have changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Left {
    /// Those whose records are to be entered into the index.
    enter: BTreeSet<EntityName>,
    /// Those whose records may wait for others for no reason that there is still.
    free: BTreeSet<EntityName>,
}

/// Compares the entities with those that used the storage last, and notes what follows.
///
/// # Errors
/// [`Error::NewerData`] when a later version of the program has used the storage; [`Error::MovedId`] when another member has become the
/// id of an entity.
pub(crate) fn compare(ledger: &mut Ledger<'_>) -> Result<Left, Error> {
    let (before, left_before) = (read(ledger)?, left(ledger)?);
    let (mut shapes, mut left) = (before.clone(), left_before.clone());
    for port in ledger.entities().iter() {
        let (entity, now) = (port.info().entity_name(), port.shape());
        let before = before.get(&entity).cloned().unwrap_or_default();
        if before.version > now.version {
            return Err(Error::NewerData { entity, stored: before.version, known: now.version });
        }
        if now.has_another_id(&before) {
            return Err(Error::MovedId { entity, stored: before.id_member, known: port.info().id_member });
        }
        if now.makes_up(&before) {
            held::begin(ledger, &entity)?;
        }
        if now.makes_up(&before) || now.keeps_otherwise(&before) {
            sweep::pull_anew(ledger, &entity)?;
        }
        if before.index != now.index || (!now.index.is_empty() && before.version != now.version) {
            ledger.tx.clear_index(&entity)?;
            left.enter.insert(entity.clone());
        }
        if now.index.is_empty() {
            left.enter.remove(&entity);
        }
        left.free.extend(unlinked(&entity, &before, &now));
        shapes.insert(entity, now);
    }
    for (gone, shape) in
        shapes.iter_mut().filter(|(entity, _)| ledger.entities().port(entity.as_str()).is_none())
    {
        let now = Shape { references: Vec::new(), ..shape.clone() };
        left.free.extend(unlinked(gone, shape, &now));
        *shape = now;
    }
    if shapes != before {
        notes::write(ledger.tx, NOTE, &shapes)?;
    }
    if left != left_before {
        write_left(ledger, &left)?;
    }
    Ok(left)
}

impl Shape {
    /// Whether the records that are stored, under the ids that they had, would be read as records with other ids.
    fn has_another_id(&self, before: &Self) -> bool {
        let is_noted = before.version != 0 && !before.id_member.is_empty();
        let is_meant = self.version != before.version;
        // A member that has merely got another name is none of the others: what is stored is read by serde's `alias`, or not at all.
        let is_another = self.members.contains(&before.id_member) || before.members.contains(&self.id_member);
        is_noted && !is_meant && self.id_member != before.id_member && is_another
    }

    /// Whether what was pulled so far is not what is to be kept of it, which no page will tell that comes after the cursor.
    fn keeps_otherwise(&self, before: &Self) -> bool {
        // Of a replica, and of what was handed over, the other of the two has seen nothing; and what was deleted since is in no list.
        let moved = self.replica != before.replica;
        // Without the ancestors, the first conflict of each record would be decided as if both sides had changed everything.
        let lacks_bases = before.version != 0 && self.bases && !(before.bases || before.replica);
        moved || lacks_bases
    }

    /// Whether what is kept lacks what the server may have had all along: `upgrade`, or serde's default, makes it up for a member that is new
    /// to the struct.
    fn makes_up(&self, before: &Self) -> bool {
        let is_new = |member: &String| !before.members.is_empty() && !before.members.contains(member);
        let has_changed = self.version != before.version || self.members.iter().any(is_new);
        self.replica && before.version != 0 && has_changed
    }
}

/// The entities whose records may wait for others no longer, now that one may refer to less than before.
fn unlinked(entity: &EntityName, before: &Shape, now: &Shape) -> Vec<EntityName> {
    let gone = before.references.iter().filter(|name| !now.references.contains(name));
    let mut unlinked: Vec<_> = gone.cloned().map(EntityName::from_stored).collect();
    // An upgraded edit may refer to another record than the one that it waits for.
    let is_upgraded = before.version != 0 && before.version != now.version && !before.references.is_empty();
    if is_upgraded || !unlinked.is_empty() {
        unlinked.push(entity.clone());
    }
    unlinked
}

/// Does what is left to do.
pub(crate) async fn finish(core: &Core, left: Left) -> Result<(), StorageError> {
    for entity in left.enter.into_iter().filter(|entity| core.port(entity.as_str()).is_some()) {
        // A record that could not be read is entered by a program with a better `upgrade`, or once its row is mended.
        if enter(core, &entity).await? {
            tick_off(core, move |left| left.enter.remove(&entity)).await?;
        }
    }
    for entity in left.free {
        free(core, &entity).await?;
        tick_off(core, move |left| left.free.remove(&entity)).await?;
    }
    Ok(())
}

/// Enters every record of an entity into the index. Answers whether each of them could be read.
async fn enter(core: &Core, entity: &EntityName) -> Result<bool, StorageError> {
    kept::visit(core, entity, |ledger, name, record| {
        let Some(port) = ledger.entities().replica(&name.entity) else { return Ok(true) };
        let entries = entries(&**port, name, record.view());
        ledger.tx.set_index(name, entries.as_deref().unwrap_or_default())?;
        Ok(entries.is_some())
    })
    .await
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

async fn tick_off(
    core: &Core,
    done: impl FnOnce(&mut Left) -> bool + Send + 'static,
) -> Result<(), StorageError> {
    core.transact(move |ledger| {
        let mut left = left(ledger)?;
        done(&mut left);
        write_left(ledger, &left)
    })
    .await
}

fn read(ledger: &mut Ledger<'_>) -> Result<Shapes, StorageError> {
    // Without it, data of a later version could be taken for data of this one.
    Ok(notes::read_strictly(ledger.tx, NOTE)?.unwrap_or_default())
}

fn left(ledger: &mut Ledger<'_>) -> Result<Left, StorageError> {
    Ok(notes::read_strictly(ledger.tx, LEFT)?.unwrap_or_default())
}

fn write_left(ledger: &mut Ledger<'_>, left: &Left) -> Result<(), StorageError> {
    if *left == Left::default() {
        ledger.tx.set_note(LEFT, None)
    } else {
        notes::write(ledger.tx, LEFT, left)
    }
}
