//! Where records, cursors and meta data live: the [`Storage`] trait and its adapters.
//!
//! A storage runs closures, each in one atomic transaction, and answers when the result is durable. It knows nothing of
//! the rules: it keeps [`Record`]s and finds them again by their [`Lane`](crate::record::Lane). Every adapter passes
//! [`conformance!`](macro@crate::storage::conformance). (`docs/design.md`, section 7.)

pub mod conformance;
mod error;
mod index;
mod memory;
mod possession;
#[cfg(feature = "sqlite")]
pub mod sqlite;

use std::any::Any;
use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

#[doc(inline)]
pub use crate::__storage_conformance as conformance;

pub use self::error::{Cause, StorageError};
pub use self::index::{Condition, IndexEntry, IndexValue, Order, Place, Search};
pub use self::memory::MemoryStorage;
#[cfg(feature = "sqlite")]
pub use self::sqlite::{Durability, SqliteBuilder, SqliteStorage};
use crate::record::{EntityName, OperationId, Principal, Record, RecordKey, RecordRef};

/// What a storage runs in one transaction.
pub type Work = Box<dyn FnOnce(&mut dyn Transaction) -> Result<(), StorageError> + Send>;

/// A place that keeps records, cursors and meta data through a kill and a power cut.
#[async_trait]
pub trait Storage: Any + fmt::Debug + Send + Sync + 'static {
    /// Runs `work` in one atomic transaction, in which it sees the data of one principal only, and answers when what it
    /// wrote is durable. When `work` fails or panics, nothing of it stays.
    ///
    /// Transactions run one after the other. Those of concurrent callers may share one commit, but a failure of one
    /// never undoes another. Once the storage has taken `work` over, it runs even when the caller stops waiting.
    ///
    /// # Errors
    /// What `work` returned, [`StorageError::Panicked`], or why the storage could not do it.
    async fn transact(&self, principal: &Principal, work: Work) -> Result<(), StorageError>;

    /// Takes the storage into possession for one engine, until the answer is dropped.
    ///
    /// # Errors
    /// [`StorageError::Locked`] when another engine has it.
    fn lock(&self) -> Result<StorageLock, StorageError>;
}

/// Possession of a storage; dropping it gives the storage free.
pub struct StorageLock(#[expect(dead_code, reason = "held for its Drop")] Box<dyn Any + Send + Sync>);

impl StorageLock {
    /// Wraps what frees the storage when it is dropped.
    #[must_use]
    pub fn new(guard: impl Any + Send + Sync) -> Self {
        Self(Box::new(guard))
    }
}

impl fmt::Debug for StorageLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StorageLock")
    }
}

/// What can be done inside a transaction. Everything is that of the transaction's principal, except
/// [`last_seq`](Self::last_seq).
pub trait Transaction {
    /// One record.
    ///
    /// # Errors
    /// When the storage cannot be read, or the row is not a record.
    fn record(&mut self, name: &RecordRef) -> Result<Option<Record>, StorageError>;

    /// Stores a record, or removes the row when the record [is empty](Record::is_empty). Keeps every index right: the
    /// lane, the parked operation's id, and [the references that wait](Record::waiting_references). What a record without
    /// a pending edit is blocked on means nothing, and need not be kept.
    ///
    /// # Errors
    /// When the storage cannot be written.
    fn put(&mut self, name: &RecordRef, record: &Record) -> Result<(), StorageError>;

    /// Up to `limit` records that can be sent, without those in `except`: first those in [`Lane::Waiting`](crate::record::Lane::Waiting) whose time has come, by
    /// due time, then those in [`Lane::Ready`](crate::record::Lane::Ready), by `seq`. A due time later than `now + horizon` counts as come (see
    /// [`next`](crate::record::next())). Costs the same however many records there are.
    ///
    /// # Errors
    /// When the storage cannot be read.
    fn sendable(
        &mut self,
        now: DateTime<Utc>,
        horizon: TimeDelta,
        limit: usize,
        except: &HashSet<RecordRef>,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError>;

    /// The earliest due time of a waiting record.
    ///
    /// # Errors
    /// When the storage cannot be read.
    fn next_due(&mut self) -> Result<Option<DateTime<Utc>>, StorageError>;

    /// Up to `limit` records with a pending edit, in whichever lane, by `seq`, from after the given place on, without those in
    /// `except`; of one entity, or of all.
    ///
    /// # Errors
    /// When the storage cannot be read.
    fn pending(
        &mut self,
        entity: Option<&EntityName>,
        after: Option<u64>,
        limit: usize,
        except: &HashSet<RecordRef>,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError>;

    /// Of the records with an edit that waits to be sent, parked ones not among them, the one with the lowest `seq`, without those in
    /// `except`. Costs the same however many records there are.
    ///
    /// # Errors
    /// When the storage cannot be read.
    fn oldest_waiting(
        &mut self,
        except: &HashSet<RecordRef>,
    ) -> Result<Option<(RecordRef, Record)>, StorageError>;

    /// Up to `limit` parked records, by `seq`, from after the given place on, without those in `except`; of one entity, or of all.
    ///
    /// # Errors
    /// When the storage cannot be read.
    fn parked(
        &mut self,
        entity: Option<&EntityName>,
        after: Option<u64>,
        limit: usize,
        except: &HashSet<RecordRef>,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError>;

    /// The record whose parked operation has this id.
    ///
    /// # Errors
    /// When the storage cannot be read.
    fn parked_by_id(&mut self, id: OperationId) -> Result<Option<(RecordRef, Record)>, StorageError>;

    /// Up to `limit` ids of records that have a [base](Record::base), in the order of their bytes, from after the given one
    /// on.
    ///
    /// # Errors
    /// When the storage cannot be read.
    fn based(
        &mut self,
        entity: &EntityName,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StorageError>;

    /// How many records of an entity have a [base](Record::base) with a value.
    ///
    /// # Errors
    /// When the storage cannot be read.
    fn kept_count(&mut self, entity: &EntityName) -> Result<u64, StorageError>;

    /// Enters the values of all of a record's indexed fields, in place of those that it had; without any values, takes it out of
    /// the index. Which fields an entity has does not change until the index is [cleared](Self::clear_index).
    ///
    /// # Errors
    /// When the storage cannot be written.
    fn set_index(&mut self, name: &RecordRef, entries: &[IndexEntry]) -> Result<(), StorageError>;

    /// Takes every record of an entity out of the index.
    ///
    /// # Errors
    /// When the storage cannot be written.
    fn clear_index(&mut self, entity: &EntityName) -> Result<(), StorageError>;

    /// The records of an entity that are searched for, each with its place in the order of the search. A search with conditions or an order finds what is in the
    /// index, without looking at anything else; one without finds every record that there is.
    ///
    /// # Errors
    /// When the storage cannot be read.
    fn find(&mut self, entity: &EntityName, search: &Search) -> Result<Vec<Place>, StorageError>;

    /// Frees the records that are blocked on this one: they are looked at again. Answers how many there were.
    ///
    /// # Errors
    /// When the storage cannot be written.
    fn release(&mut self, on: &RecordRef) -> Result<u64, StorageError>;

    /// The first operation that waits (parked ones do not), has its place in the outbox within `places`, and refers to `parent` or is the
    /// reason that its record does not any more: that place, and the record. The parent's own do not count. Costs the same however many
    /// records there are.
    ///
    /// # Errors
    /// When the storage cannot be read.
    fn earlier_child(
        &mut self,
        parent: &RecordRef,
        places: Range<u64>,
    ) -> Result<Option<(u64, RecordRef)>, StorageError>;

    /// How many records wait and how many are parked, by entity.
    ///
    /// # Errors
    /// When the storage cannot be read.
    fn counts(&mut self) -> Result<Vec<(EntityName, Counts)>, StorageError>;

    /// The greatest `seq`, `revision` or number of a decision of any operation of any principal ([`Record::greatest_number`]), or of any that there ever was, as a storage
    /// finds it easier; 0 when there never was one.
    ///
    /// # Errors
    /// When the storage cannot be read.
    fn last_seq(&mut self) -> Result<u64, StorageError>;

    /// The cursor of an entity.
    ///
    /// # Errors
    /// When the storage cannot be read.
    fn cursor(&mut self, entity: &EntityName) -> Result<Option<Cursor>, StorageError>;

    /// Moves the cursor of an entity; `None` forgets it.
    ///
    /// # Errors
    /// When the storage cannot be written.
    fn set_cursor(&mut self, entity: &EntityName, cursor: Option<&Cursor>) -> Result<(), StorageError>;

    /// A note that the engine left under this name.
    ///
    /// # Errors
    /// When the storage cannot be read.
    fn note(&mut self, name: &str) -> Result<Option<String>, StorageError>;

    /// Leaves a note; `None` removes it.
    ///
    /// # Errors
    /// When the storage cannot be written.
    fn set_note(&mut self, name: &str, text: Option<&str>) -> Result<(), StorageError>;

    /// Keeps a pulled item aside that could not be read. One with the same entity and the same
    /// [`identity`](SetAside::identity) takes the place of the earlier. Of those without an id, the newest [`KEYLESS_ASIDE`] of the
    /// entity are kept: no version of theirs ever comes that takes them back.
    ///
    /// # Errors
    /// When the storage cannot be written.
    fn set_aside(&mut self, item: &SetAside) -> Result<(), StorageError>;

    /// Up to `limit` items that were kept aside for an entity, in the order in which they came.
    ///
    /// # Errors
    /// When the storage cannot be read.
    fn items_aside(&mut self, entity: &EntityName, limit: usize) -> Result<Vec<SetAside>, StorageError>;

    /// Forgets the item that was kept aside for a record, because a version that can be read has come.
    ///
    /// # Errors
    /// When the storage cannot be written.
    fn forget_aside(&mut self, name: &RecordRef) -> Result<(), StorageError>;
}

/// How many records of an entity have a pending edit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Those that are sent without the user's doing: ready, waiting or blocked.
    pub waiting: u64,
    /// Those that wait for the user.
    pub parked: u64,
}

/// The server's opaque "you have seen everything up to here".
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(Arc<str>);

impl Cursor {
    /// Takes a cursor over.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The cursor's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How many items without an id are kept aside for an entity.
pub const KEYLESS_ASIDE: usize = 100;

/// A pulled item that could not be read, kept for people to look at.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAside {
    /// The entity that it was pulled for.
    pub entity: EntityName,
    /// The record's id, when at least that could be read.
    pub key: Option<RecordKey>,
    /// The item's JSON.
    pub item: String,
    /// What is wrong with it.
    pub error: String,
    /// When it came, by this device's clock.
    pub since: DateTime<Utc>,
}

impl SetAside {
    /// What tells items apart: the record's id, or the whole item when it has none.
    #[must_use]
    pub fn identity(&self) -> &str {
        self.key.as_ref().map_or(&self.item, |key| key.as_str())
    }
}

impl fmt::Debug for SetAside {
    /// Leaves the item out: it is the user's data and does not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetAside")
            .field("entity", &self.entity)
            .field("key", &self.key)
            .field("error", &self.error)
            .field("since", &self.since)
            .finish_non_exhaustive()
    }
}

impl Record {
    /// What the operations that wait refer to, and what the record referred to before them, with their places in the outbox: what a
    /// storage indexes for [`Transaction::earlier_child`].
    pub fn waiting_references(&self) -> impl Iterator<Item = (&RecordRef, u64)> {
        let flight = self.flight.iter().map(|flight| &flight.intention);
        flight.chain(&self.queued).flat_map(|intention| intention.parents().map(|name| (name, intention.seq)))
    }

    /// The greatest number that the record's operations have of the engine (place, revision, decision), parked ones included: what a
    /// storage keeps for [`Transaction::last_seq`].
    #[must_use]
    pub fn greatest_number(&self) -> Option<u64> {
        let flight = self.flight.iter().map(|flight| &flight.intention);
        let parked = self.parked.iter().map(|parked| &parked.intention);
        let intentions = flight.chain(&self.queued).chain(parked);
        intentions.map(|intention| intention.meant_at().max(intention.revision).max(intention.seq)).max()
    }
}

/// Runs a closure in a transaction and hands its result out.
///
/// # Errors
/// The closure's error, after which nothing of it stays, or the storage's.
pub(crate) async fn transact<R, E, F>(storage: &dyn Storage, principal: &Principal, work: F) -> Result<R, E>
where
    R: Send + 'static,
    E: From<StorageError> + Send + 'static,
    F: FnOnce(&mut dyn Transaction) -> Result<R, E> + Send + 'static,
{
    let slot = Arc::new(Mutex::new(None));
    let inner = Arc::clone(&slot);
    let work: Work = Box::new(move |transaction| {
        let result = work(transaction);
        let verdict = if result.is_ok() { Ok(()) } else { Err(StorageError::Aborted) };
        *inner.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
        verdict
    });
    let committed = storage.transact(principal, work).await;
    let result = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    outcome(committed, result)
}

/// What to tell whoever asked for a transaction: what the closure came to, if that is what became of it.
fn outcome<R, E: From<StorageError>>(
    committed: Result<(), StorageError>,
    result: Option<Result<R, E>>,
) -> Result<R, E> {
    match (committed, result) {
        (Ok(()), Some(result)) | (Err(StorageError::Aborted), Some(result @ Err(_))) => result,
        (Err(error), _) => Err(error.into()),
        (Ok(()), None) => Err(StorageError::Closed.into()),
    }
}
