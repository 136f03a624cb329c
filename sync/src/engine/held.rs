//! Edits that are not sent before everything of their entity was listed.
//!
//! What `upgrade`, or serde's default, makes up for a member that is new to a replica's struct, the server may have had all along; it would
//! take an update with that for what the user wants, since nothing has changed there. So the entity is pulled first, in the sync that is to
//! send the update, and what was made up gives way to what is listed ([`rebase`](crate::record::rebase)). That takes a version: without, a
//! value that is another one than was known is somebody else's write.
//!
//! That an entity has a member more is seen when the engine is built, but for one inside of another member: that is seen when a record is to
//! be sent of which less is known than the program writes.
//!
//! What waits for that is blocked on a record that does not exist. A server that refuses to list, or whose lists cannot be read time and
//! again, or never come though others do, has nothing to put right: then it is sent as it is.

use std::collections::BTreeSet;

use super::core::Core;
use super::entities::{Entities, Held};
use super::ledger::Ledger;
use super::pause::Pause;
use super::{notes, sweep};
use crate::error::SyncError;
use crate::record::{Base, EntityName, Payload, Record, RecordKey, RecordRef, Write};
use crate::remote::{RemoteError, TransientCause};
use crate::storage::StorageError;

/// The name of the note in the storage.
const NOTE: &str = "made up";

/// A server whose list is nothing that can be read, so often in a row, has none.
const IN_VAIN: u32 = 10;

type Names = BTreeSet<EntityName>;

/// Holds the edits of an entity back from now on, where the server is known to have something of it.
pub(crate) fn begin(ledger: &mut Ledger<'_>, entity: &EntityName) -> Result<(), StorageError> {
    if ledger.tx.based(entity, None, 1)?.is_empty() {
        return Ok(());
    }
    let mut names = read(ledger)?;
    names.insert(entity.clone());
    notes::write(ledger.tx, NOTE, &names)
}

/// Goes on with what an earlier engine has held back. What waited for that comes up anew.
pub(crate) fn recover(ledger: &mut Ledger<'_>) -> Result<(), StorageError> {
    for entity in read(ledger)? {
        if let Some(everything) = everything(&entity) {
            ledger.tx.release(&everything)?;
        }
        ledger.entities().held().insert(entity, Held::UntilListed { is_waited_for: false, in_vain: 0 });
    }
    Ok(())
}

/// What a record that is to be sent waits for: an update of what the server is known to have does so, and what it was sent before does not.
pub(crate) fn blocks(
    ledger: &mut Ledger<'_>,
    name: &RecordRef,
    record: &Record,
) -> Result<Option<RecordRef>, StorageError> {
    let entity = &name.entity;
    let (Some(Base { version: Some(_), value: Some(known) }), None, Some(queued)) =
        (&record.base, &record.flight, &record.queued)
    else {
        return Ok(None);
    };
    if !matches!(queued.write, Write::Update(_)) {
        return Ok(None);
    }
    let held = ledger.entities().held().get(entity).copied();
    let is_held = match held {
        Some(Held::NoMore) => false,
        Some(Held::UntilListed { .. }) => true,
        None => ledger.is_held_from_now_on(entity) || begin_where_made_up(ledger, entity, known)?,
    };
    if !is_held {
        return Ok(None);
    }
    ledger.hold(entity);
    Ok(everything(entity))
}

/// Holds the edits of a replica back from now on, when the program writes more of a record than the server was seen to have; answers
/// whether it does.
fn begin_where_made_up(
    ledger: &mut Ledger<'_>,
    entity: &EntityName,
    known: &Payload,
) -> Result<bool, StorageError> {
    let replica = ledger.entities().replica(entity);
    let is_made_up = replica.is_some_and(|port| known.is_made_up(&port.rules()));
    if is_made_up {
        begin(ledger, entity)?;
        sweep::pull_anew(ledger, entity)?;
    }
    Ok(is_made_up)
}

/// A transaction is durable that has found edits which are to wait.
pub(crate) fn wait(entities: &Entities, entity: &EntityName) {
    let mut held = entities.held();
    let in_vain = match held.get(entity) {
        Some(Held::UntilListed { in_vain, .. }) => *in_vain,
        Some(Held::NoMore) | None => 0,
    };
    held.insert(entity.clone(), Held::UntilListed { is_waited_for: true, in_vain });
}

/// That everything of an entity is pulled, as a record.
fn everything(entity: &EntityName) -> Option<RecordRef> {
    RecordKey::new("(everything is pulled first)").ok().map(|key| RecordRef::new(entity.clone(), key))
}

/// Whether something of an entity waits for that.
pub(crate) fn is_waited_for(core: &Core, entity: &'static str) -> bool {
    let held = core.entities.held().get(&EntityName::new(entity)).copied();
    matches!(held, Some(Held::UntilListed { is_waited_for: true, .. }))
}

/// Whether a pull has failed in such a way that the list will never be had. `pause`: why everything else has to wait as well, if it does.
pub(crate) fn is_in_vain(core: &Core, entity: &EntityName, error: &SyncError, pause: Option<&Pause>) -> bool {
    let mut held = core.entities.held();
    let Some(Held::UntilListed { in_vain, .. }) = held.get_mut(entity) else { return false };
    let may_pass = match error {
        SyncError::Pull { source, .. } if source.retry_after().is_some() => return false,
        SyncError::Pull { source: RemoteError::Refused { .. }, .. } => return true,
        // It is this list alone that does not come.
        SyncError::Pull { source: RemoteError::Unreachable { .. }, .. } => pause.is_some(),
        SyncError::Pull { source, .. } => !matches!(
            source,
            // It may be a gateway's page, which passes.
            RemoteError::Transient { cause: TransientCause::WebPage, .. }
                | RemoteError::Protocol { .. }
                | RemoteError::CursorGone { .. }
        ),
        SyncError::StuckCursor { .. } | SyncError::PullPanicked { .. } => false,
        _ => true,
    };
    *in_vain = if may_pass { 0 } else { in_vain.saturating_add(1) };
    *in_vain >= IN_VAIN
}

/// Everything of an entity was listed, or never will be.
pub(crate) async fn end(core: &Core, entity: &EntityName) -> Result<(), StorageError> {
    if !matches!(core.entities.held().get(entity), Some(Held::UntilListed { .. })) {
        return Ok(());
    }
    let of = entity.clone();
    core.transact::<_, StorageError, _>(move |ledger| {
        let mut names = read(ledger)?;
        names.remove(&of);
        if let Some(everything) = everything(&of) {
            ledger.release(&everything)?;
        }
        if names.is_empty() { ledger.tx.set_note(NOTE, None) } else { notes::write(ledger.tx, NOTE, &names) }
    })
    .await?;
    core.entities.held().insert(entity.clone(), Held::NoMore);
    Ok(())
}

fn read(ledger: &mut Ledger<'_>) -> Result<Names, StorageError> {
    Ok(notes::read(ledger.tx, NOTE)?.unwrap_or_default())
}
