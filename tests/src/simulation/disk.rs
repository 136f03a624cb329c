//! A device's disk: transactions as [`MemoryStorage`] runs them, an engine that can die between any two, and a look at
//! everything that was committed.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use sync::record::{EntityName, OperationId, Principal, Record, RecordKey, RecordRef};
use sync::storage::{Counts, Cursor, IndexEntry, Place, Search, SetAside, StorageLock, Transaction, Work};
use sync::{MemoryStorage, Storage, StorageError};

use super::faults::Fault;
use super::life::Life;

/// What one transaction wrote.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(crate) records: Vec<(RecordRef, Record, Record)>,
    pub(crate) cursors: Vec<(EntityName, Option<Cursor>)>,
    /// What the index was told of records.
    pub(crate) index: Vec<(RecordRef, Vec<IndexEntry>)>,
    /// The ids of the items that were kept aside.
    pub(crate) aside: Vec<String>,
    /// The engine's notes that were written.
    pub(crate) notes: Vec<(String, Option<String>)>,
}

impl Written {
    /// Whether it is a page with what that covers: the way to a cursor, or a question that was noted. No edit of the user's
    /// shares its transaction, so that a row which loses its edit there was not written for another one that comes just then.
    pub(crate) fn is_a_page(&self) -> bool {
        !self.cursors.is_empty() || !self.notes.is_empty()
    }
}

/// The disk, in the hands of one life of the device's process.
pub(crate) struct SimStorage {
    disk: MemoryStorage,
    life: Arc<Life>,
}

impl SimStorage {
    pub(crate) fn new(disk: MemoryStorage, life: Arc<Life>) -> Self {
        Self { disk, life }
    }
}

impl fmt::Debug for SimStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimStorage")
    }
}

#[async_trait]
impl Storage for SimStorage {
    async fn transact(&self, principal: &Principal, work: Work) -> Result<(), StorageError> {
        let life = &self.life;
        life.place("before a commit").await;
        if life.strikes(Fault::SlowCommit) {
            life.pass(1, 40).await;
        }
        let fails = life.strikes(Fault::StorageFails);
        let written = Arc::new(Mutex::new(Written::default()));
        let log = Arc::clone(&written);
        let work: Work = Box::new(move |transaction| {
            let mut spy = Spy { transaction, written: Written::default() };
            work(&mut spy)?;
            if fails {
                return Err(StorageError::Full {
                    name: "the simulation".to_owned(),
                    source: "it is full".into(),
                });
            }
            *log.lock().unwrap_or_else(PoisonError::into_inner) = spy.written;
            Ok(())
        });
        self.disk.transact(principal, work).await?;
        let written = std::mem::take(&mut *written.lock().unwrap_or_else(PoisonError::into_inner));
        life.committed(&written);
        life.place("after a commit").await;
        if life.strikes(Fault::SlowCommit) {
            life.pass(1, 40).await;
        }
        Ok(())
    }

    fn lock(&self) -> Result<StorageLock, StorageError> {
        self.life.take_possession()
    }
}

/// Notes what a transaction writes.
struct Spy<'a> {
    transaction: &'a mut dyn Transaction,
    written: Written,
}

impl Transaction for Spy<'_> {
    fn record(&mut self, name: &RecordRef) -> Result<Option<Record>, StorageError> {
        self.transaction.record(name)
    }

    fn put(&mut self, name: &RecordRef, record: &Record) -> Result<(), StorageError> {
        let before = self.transaction.record(name)?.unwrap_or_default();
        self.transaction.put(name, record)?;
        self.written.records.push((name.clone(), before, record.clone()));
        Ok(())
    }

    fn sendable(
        &mut self,
        now: DateTime<Utc>,
        horizon: TimeDelta,
        limit: usize,
        except: &HashSet<RecordRef>,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        self.transaction.sendable(now, horizon, limit, except)
    }

    fn next_due(&mut self) -> Result<Option<DateTime<Utc>>, StorageError> {
        self.transaction.next_due()
    }

    fn pending(
        &mut self,
        entity: Option<&EntityName>,
        after: Option<u64>,
        limit: usize,
        except: &HashSet<RecordRef>,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        self.transaction.pending(entity, after, limit, except)
    }

    fn oldest_waiting(
        &mut self,
        except: &HashSet<RecordRef>,
    ) -> Result<Option<(RecordRef, Record)>, StorageError> {
        self.transaction.oldest_waiting(except)
    }

    fn parked(
        &mut self,
        entity: Option<&EntityName>,
        after: Option<u64>,
        limit: usize,
        except: &HashSet<RecordRef>,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        self.transaction.parked(entity, after, limit, except)
    }

    fn parked_by_id(&mut self, id: OperationId) -> Result<Option<(RecordRef, Record)>, StorageError> {
        self.transaction.parked_by_id(id)
    }

    fn based(
        &mut self,
        entity: &EntityName,
        after: Option<&RecordKey>,
        limit: usize,
    ) -> Result<Vec<RecordKey>, StorageError> {
        self.transaction.based(entity, after, limit)
    }

    fn kept_count(&mut self, entity: &EntityName) -> Result<u64, StorageError> {
        self.transaction.kept_count(entity)
    }

    fn set_index(&mut self, name: &RecordRef, entries: &[IndexEntry]) -> Result<(), StorageError> {
        self.transaction.set_index(name, entries)?;
        self.written.index.push((name.clone(), entries.to_vec()));
        Ok(())
    }

    fn clear_index(&mut self, entity: &EntityName) -> Result<(), StorageError> {
        self.transaction.clear_index(entity)
    }

    fn find(&mut self, entity: &EntityName, search: &Search) -> Result<Vec<Place>, StorageError> {
        self.transaction.find(entity, search)
    }

    fn release(&mut self, on: &RecordRef) -> Result<u64, StorageError> {
        self.transaction.release(on)
    }

    fn earlier_child(
        &mut self,
        parent: &RecordRef,
        places: Range<u64>,
    ) -> Result<Option<(u64, RecordRef)>, StorageError> {
        self.transaction.earlier_child(parent, places)
    }

    fn counts(&mut self) -> Result<Vec<(EntityName, Counts)>, StorageError> {
        self.transaction.counts()
    }

    fn last_seq(&mut self) -> Result<u64, StorageError> {
        self.transaction.last_seq()
    }

    fn cursor(&mut self, entity: &EntityName) -> Result<Option<Cursor>, StorageError> {
        self.transaction.cursor(entity)
    }

    fn set_cursor(&mut self, entity: &EntityName, cursor: Option<&Cursor>) -> Result<(), StorageError> {
        self.transaction.set_cursor(entity, cursor)?;
        self.written.cursors.push((entity.clone(), cursor.cloned()));
        Ok(())
    }

    fn note(&mut self, name: &str) -> Result<Option<String>, StorageError> {
        self.transaction.note(name)
    }

    fn set_note(&mut self, name: &str, text: Option<&str>) -> Result<(), StorageError> {
        self.transaction.set_note(name, text)?;
        self.written.notes.push((name.to_owned(), text.map(str::to_owned)));
        Ok(())
    }

    fn set_aside(&mut self, item: &SetAside) -> Result<(), StorageError> {
        self.transaction.set_aside(item)?;
        self.written.aside.push(item.identity().to_owned());
        Ok(())
    }

    fn items_aside(&mut self, entity: &EntityName, limit: usize) -> Result<Vec<SetAside>, StorageError> {
        self.transaction.items_aside(entity, limit)
    }

    fn forget_aside(&mut self, name: &RecordRef) -> Result<(), StorageError> {
        self.transaction.forget_aside(name)
    }
}
