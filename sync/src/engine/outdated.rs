//! Records that are to be asked for by name: their edits were given up, and what the server has instead is not known here; or their rows
//! could not be read when a page told of them.
//!
//! No page will tell, since for the server nothing has changed. So their names are noted in the transaction that gives the
//! edits up, or writes the page, and each pull of the entity begins with them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::answer::has_id;
use super::core::Core;
use super::ledger::Ledger;
use super::notes;
use super::page::{self, Covers, apply};
use super::pause::{Pause, PauseReason};
use super::port::{EntityPort, ReadPage};
use super::{scope, sweep};
use crate::error::SyncError;
use crate::record::{EntityName, RecordKey, RecordRef};
use crate::remote::{Fetched, PageItem, RemoteError};
use crate::report::SyncReport;
use crate::storage::StorageError;

/// The name of the note in the storage.
const NOTE: &str = "outdated";

/// How many records of an entity are asked for one by one; when there are more, everything of it is pulled anew.
const MOST: usize = 100;

type Names = BTreeMap<EntityName, BTreeSet<RecordKey>>;

/// Why nothing more is asked for: what is left comes with the next pull.
pub(crate) enum Trouble {
    Remote(RemoteError),
    Page(page::Trouble),
    /// The server asked for a pause, with the last record perhaps, which was handed over.
    Wait(Pause),
    /// The engine is closing.
    Closing,
}

impl From<StorageError> for Trouble {
    fn from(error: StorageError) -> Self {
        Self::Page(error.into())
    }
}

/// Has a record asked for at the next pull.
pub(crate) fn note(ledger: &mut Ledger<'_>, record: &RecordRef) -> Result<(), StorageError> {
    let mut names = read(ledger)?;
    let keys = names.entry(record.entity.clone()).or_default();
    if !keys.insert(record.key.clone()) {
        return Ok(());
    }
    if keys.len() > MOST {
        names.remove(&record.entity);
        sweep::pull_anew(ledger, &record.entity)?;
    }
    write(ledger, &names)
}

/// The record is known now.
pub(crate) fn forget(ledger: &mut Ledger<'_>, record: &RecordRef) -> Result<(), StorageError> {
    let mut names = read(ledger)?;
    if let Some(keys) = names.get_mut(&record.entity) {
        keys.remove(&record.key);
    }
    write(ledger, &names)
}

/// Asks for the records of an entity, and hands them over like pages of one record.
pub(crate) async fn ask(
    core: &Core,
    port: &Arc<dyn EntityPort>,
    report: &mut SyncReport,
) -> Result<(), Trouble> {
    let entity = port.info().entity_name();
    let names = core.transact::<_, StorageError, _>(read).await?;
    for key in names.get(&entity).into_iter().flatten() {
        let covers = Covers::Outdated(RecordRef::new(entity.clone(), key.clone()));
        ask_for(core, port, key, covers, report).await?;
    }
    Ok(())
}

/// What the server said of a record that was asked for.
pub(crate) enum Told {
    /// It is there, and a list of what is in the scope would have it.
    Listed,
    /// It is not there, or outside of the scope.
    NotListed,
    /// Nothing of use, which is reported: this one is asked for again another time, and holds up nothing else.
    Nothing,
}

/// Asks for one record, and hands it over like a page.
pub(crate) async fn ask_for(
    core: &Core,
    port: &Arc<dyn EntityPort>,
    key: &RecordKey,
    covers: Covers,
    report: &mut SyncReport,
) -> Result<Told, Trouble> {
    if core.is_closing() {
        return Err(Trouble::Closing);
    }
    if let Some(pause) = core.throttled() {
        return Err(Trouble::Wait(pause));
    }
    let name = RecordRef::new(port.info().entity_name(), key.clone());
    let fetched = match core.remote.fetch(port.info(), key).await {
        Ok(fetched) => fetched,
        Err(source) => {
            if PauseReason::of(&source).is_some() && !core.fails_alone(&source).await? {
                return Err(Trouble::Remote(source));
            }
            core.fail(report, SyncError::Record { record: name, source });
            return Ok(Told::Nothing);
        }
    };
    core.end_pause().await?;
    let pause = core.obey(fetched.wish()).await?;
    let item = match fetched.answer {
        Fetched::Present { version, body } => PageItem::Record { version, body },
        Fetched::Missing => {
            PageItem::Tombstone { id: port.id_json(key).map_err(page::Trouble::from).map_err(Trouble::Page)? }
        }
    };
    let read = port.read_page(vec![item]);
    if let Some(id) = another_id(&read, key) {
        let (url, reason) = (port.info().endpoint.to_owned(), has_id(&id));
        let source = RemoteError::Protocol { url, reason, retry_after: None, source: None };
        core.fail(report, SyncError::Record { record: name, source });
        return pause.map_or(Ok(Told::Nothing), |pause| Err(Trouble::Wait(pause)));
    }
    let scope = core.entities.scope(&name.entity);
    let there = read.page.is_there(0) && scope::holds(&scope, &read.page.index(0));
    apply(core, port, &read, covers, false, report).await.map_err(Trouble::Page)?;
    match pause {
        Some(pause) => Err(Trouble::Wait(pause)),
        None if there => Ok(Told::Listed),
        None => Ok(Told::NotListed),
    }
}

/// The id of the record that came back, where another one was asked for.
fn another_id(read: &ReadPage, asked: &RecordKey) -> Option<String> {
    let unreadable = read.unreadable.iter().filter_map(|(_, unreadable)| unreadable.key.as_ref());
    let mut came = (0..read.page.len()).map(|index| read.page.key(index)).chain(unreadable);
    came.find(|key| *key != asked).map(ToString::to_string)
}

fn read(ledger: &mut Ledger<'_>) -> Result<Names, StorageError> {
    Ok(notes::read(ledger.tx, NOTE)?.unwrap_or_default())
}

fn write(ledger: &mut Ledger<'_>, names: &Names) -> Result<(), StorageError> {
    let names: BTreeMap<_, _> = names.iter().filter(|(_, keys)| !keys.is_empty()).collect();
    notes::write_any(ledger.tx, NOTE, &names)
}
