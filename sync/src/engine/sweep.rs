//! Finds deletions on servers that do not tell them: lists everything, and asks for what is missing in the list.
//!
//! A list that is empty, cut short or shifted while it was read is no proof that a record is gone: each missing record is
//! asked for, and only the server's word that it does not have it counts.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use fastbloom::BloomFilter;

use super::core::Core;
use super::ledger::{Ledger, readable};
use super::notes;
use super::outdated::{self, Told, ask_for};
use super::page::Covers;
use super::port::{EntityPort, ReadPage};
use super::scope;
use crate::error::SyncError;
use crate::record::{EntityName, Record, RecordKey, RecordRef};
use crate::remote::Deletions;
use crate::report::SyncReport;
use crate::storage::{Cursor, StorageError};

/// The name of the note in the storage: when everything of an entity was listed last.
const NOTE: &str = "listed";

/// The name of the note in the storage: the entities of which everything is to be listed, whatever the remote tells of deletions.
const ASKED: &str = "resync";

/// The name of the note in the storage: the entities of which a listing is under way, or was cut short, with the cursor before it.
const UNDER_WAY: &str = "listing";

/// What was seen is kept in so many bits, however much there is: a mebibyte. Of a million records, one in fifty that are
/// gone is taken for seen; the next listing, whose filter has another seed, finds it.
const BITS: usize = 8 * 1024 * 1024;
const HASHES: u32 = 6;

/// So many ids are read from the storage at once.
const CHUNK: usize = 500;

/// After so many records that are missing in the list and exist, it is not believed.
const DOUBTFUL: u32 = 10;

/// One listing of everything.
pub(crate) struct Sweep {
    seen: BloomFilter,
    started: DateTime<Utc>,
    /// The number of the wish that it grants, if anybody asked for it.
    wish: Option<u64>,
}

/// The pages of one pull, from where it begins.
pub(crate) enum Round {
    /// A listing of everything.
    Listing(Sweep),
    /// What is left of a listing that was cut short: it is to come in the end, however often that is. The next pull lists again.
    Rest,
    /// From where the last pull came to.
    Ordinary,
}

/// Why a listing came to nothing.
pub(crate) enum Trouble {
    /// It lacks what exists.
    Incomplete(SyncError),
    /// A record could not be asked for, or not be handed over.
    Asking(outdated::Trouble),
}

impl From<StorageError> for Trouble {
    fn from(error: StorageError) -> Self {
        Self::Asking(error.into())
    }
}

type Times = BTreeMap<EntityName, DateTime<Utc>>;

impl Round {
    /// Begins one; with a listing when it is time for that, or when everything is pulled anyway.
    pub(crate) async fn begin(
        core: &Core,
        port: &Arc<dyn EntityPort>,
        cursor: Option<&Cursor>,
    ) -> Result<Self, StorageError> {
        let (started, entity, deletions) = (core.now(), port.info().entity_name(), core.remote.deletions());
        let (cursor, stamper) = (cursor.map(|cursor| cursor.as_str().to_owned()), core.stamper());
        core.transact(move |ledger| {
            let (last, wish) = (times(ledger)?.get(&entity).copied(), wishes(ledger)?.get(&entity).copied());
            let due = match deletions {
                Deletions::Listed { every } => {
                    let every = TimeDelta::from_std(every).unwrap_or(TimeDelta::MAX);
                    // A clock that went back must not put it off for ever.
                    let rests = last
                        .is_some_and(|last| last <= started && started.signed_duration_since(last) < every);
                    cursor.is_none() || !rests
                }
                Deletions::Told => false,
            };
            if !due && wish.is_none() {
                return Ok(Self::Ordinary);
            }
            let mut listings = under_way(ledger)?;
            if cursor.is_some() && listings.get(&entity).is_some_and(|before| *before != cursor) {
                return Ok(Self::Rest);
            }
            listings.insert(entity, cursor);
            notes::write_any(ledger.tx, UNDER_WAY, &listings)?;
            let seed = stamper.stamp().id.as_uuid().as_u128();
            let seen = BloomFilter::with_num_bits(BITS).seed(&seed).hashes(HASHES);
            Ok(Self::Listing(Sweep { seen, started, wish }))
        })
        .await
    }

    pub(crate) fn lists_everything(&self) -> bool {
        matches!(self, Self::Listing(_))
    }

    /// These have come.
    pub(crate) fn see(&mut self, read: &ReadPage) {
        if let Self::Listing(sweep) = self {
            sweep.see(read);
        }
    }

    /// The last page has come. Whatever a list did not show by now is not in it.
    pub(crate) async fn finish(
        self,
        core: &Core,
        port: &Arc<dyn EntityPort>,
        report: &mut SyncReport,
    ) -> Result<(), Trouble> {
        match self {
            Self::Listing(sweep) => sweep.finish(core, port, report).await,
            Self::Rest => {
                let entity = port.info().entity_name();
                Ok(core.transact::<_, StorageError, _>(move |ledger| is_over(ledger, &entity)).await?)
            }
            Self::Ordinary => Ok(()),
        }
    }
}

impl Sweep {
    /// These are in the list.
    fn see(&mut self, read: &ReadPage) {
        for index in 0..read.page.len() {
            self.seen.insert(read.page.key(index).as_str());
        }
        for key in read.unreadable.iter().filter_map(|(_, unreadable)| unreadable.key.as_ref()) {
            self.seen.insert(key.as_str());
        }
    }

    /// The list is over: asks for what is known and was not in it.
    async fn finish(
        self,
        core: &Core,
        port: &Arc<dyn EntityPort>,
        report: &mut SyncReport,
    ) -> Result<(), Trouble> {
        let entity = port.info().entity_name();
        let complete = self.ask_for_the_missing(core, port, report).await;
        if matches!(complete, Err(Trouble::Asking(_))) {
            return complete;
        }
        // A list that is not believed is made again in its time, too, and not with every pull.
        let (started, wish) = (self.started, self.wish);
        core.transact::<_, StorageError, _>(move |ledger| {
            let mut times = times(ledger)?;
            times.insert(entity.clone(), started);
            if let Some(wish) = wish {
                grant(ledger, &entity, wish)?;
            }
            is_over(ledger, &entity)?;
            notes::write(ledger.tx, NOTE, &times)
        })
        .await?;
        complete
    }

    async fn ask_for_the_missing(
        &self,
        core: &Core,
        port: &Arc<dyn EntityPort>,
        report: &mut SyncReport,
    ) -> Result<(), Trouble> {
        let entity = port.info().entity_name();
        let (mut gone, mut missing, mut unknown) = (0_u32, 0_u32, 0_u32);
        let mut after: Option<RecordKey> = None;
        loop {
            let (of, from) = (entity.clone(), after);
            let known = core
                .transact::<_, StorageError, _>(move |ledger| ledger.tx.based(&of, from.as_ref(), CHUNK))
                .await?;
            for key in known.iter().filter(|key| !self.seen.contains(key.as_str())) {
                // What is outside of the scope and waits is in no list.
                if !in_scope(core, &entity, key).await? {
                    continue;
                }
                match ask_for(core, port, key, Covers::Itself, report).await.map_err(Trouble::Asking)? {
                    Told::Listed => missing += 1,
                    Told::NotListed => gone += 1,
                    // It stays, and is asked for by name at the next pull.
                    Told::Nothing => {
                        unknown += 1;
                        let name = RecordRef::new(entity.clone(), key.clone());
                        core.transact::<_, StorageError, _>(move |ledger| outdated::note(ledger, &name))
                            .await?;
                    }
                }
                if missing + unknown >= DOUBTFUL && missing + unknown > gone {
                    return Err(Trouble::Incomplete(SyncError::IncompleteList { entity, missing }));
                }
            }
            if known.len() < CHUNK {
                return Ok(());
            }
            after = known.into_iter().next_back();
        }
    }
}

/// Whether the server's list has the record, as far as is known here, if it exists.
async fn in_scope(core: &Core, entity: &EntityName, key: &RecordKey) -> Result<bool, StorageError> {
    if core.entities.scope(entity).terms().is_none() {
        return Ok(true);
    }
    let name = RecordRef::new(entity.clone(), key.clone());
    core.transact(move |ledger| {
        // Of one that cannot be read, only the server can tell.
        let Some(record) = readable(ledger.record(&name))? else { return Ok(true) };
        let based = Record { base: record.base, ..Record::default() };
        Ok(scope::keeps(ledger.entities(), &name, &based))
    })
    .await
}

/// Has everything of an entity listed with the next pull, and what is missing asked for.
pub(crate) async fn resync(core: &Core, entity: EntityName) -> Result<(), StorageError> {
    core.transact(move |ledger| ask(ledger, &entity)).await
}

/// Forgets the cursor of an entity. What was deleted before the next pull is in no list then: it is asked for. Where nothing is known,
/// nothing can be missing, and the pull goes on where it was cut short.
pub(crate) fn pull_anew(ledger: &mut Ledger<'_>, entity: &EntityName) -> Result<(), StorageError> {
    ledger.tx.set_cursor(entity, None)?;
    // The wish also outlives the cursor of a page that is under way.
    if ledger.tx.based(entity, None, 1)?.is_empty() { Ok(()) } else { ask(ledger, entity) }
}

/// The entities that are to be listed, each with the number of the wish: a later one is not granted by an earlier listing.
type Wishes = BTreeMap<EntityName, u64>;

fn ask(ledger: &mut Ledger<'_>, entity: &EntityName) -> Result<(), StorageError> {
    let mut wishes = wishes(ledger)?;
    *wishes.entry(entity.clone()).or_default() += 1;
    write_wishes(ledger, &wishes)
}

/// A listing is over that granted this wish.
fn grant(ledger: &mut Ledger<'_>, entity: &EntityName, wish: u64) -> Result<(), StorageError> {
    let mut wishes = wishes(ledger)?;
    if wishes.get(entity) != Some(&wish) {
        return Ok(());
    }
    wishes.remove(entity);
    write_wishes(ledger, &wishes)
}

fn wishes(ledger: &mut Ledger<'_>) -> Result<Wishes, StorageError> {
    Ok(notes::read(ledger.tx, ASKED)?.unwrap_or_default())
}

fn write_wishes(ledger: &mut Ledger<'_>, wishes: &Wishes) -> Result<(), StorageError> {
    notes::write_any(ledger.tx, ASKED, wishes)
}

/// Nothing is left of the listing of an entity.
fn is_over(ledger: &mut Ledger<'_>, entity: &EntityName) -> Result<(), StorageError> {
    let mut all = under_way(ledger)?;
    match all.remove(entity) {
        Some(_) => notes::write_any(ledger.tx, UNDER_WAY, &all),
        None => Ok(()),
    }
}

fn under_way(ledger: &mut Ledger<'_>) -> Result<BTreeMap<EntityName, Option<String>>, StorageError> {
    Ok(notes::read(ledger.tx, UNDER_WAY)?.unwrap_or_default())
}

fn times(ledger: &mut Ledger<'_>) -> Result<Times, StorageError> {
    Ok(notes::read(ledger.tx, NOTE)?.unwrap_or_default())
}
