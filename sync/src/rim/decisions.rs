//! What waits for the user, and what the user decides about it.

use std::collections::HashSet;
use std::sync::Arc;

use super::decide;
use super::engine::Engine;
use super::entity::Facts;
use super::parked::{Deferred, Parked, deferred, parked};
use crate::entity::{EntityOf, Schema};
use crate::error::{Error, HandlerError};
use crate::handler::Resolution;
use crate::record::{EntityName, OperationId, Record, RecordRef};

/// How many rows one transaction reads when a list is asked for.
const BATCH: usize = 500;

impl<S: Schema> Engine<S> {
    /// The operations of an entity that the server refused, or that failed too often. Conflicts that were deferred, which
    /// [`Status::parked`](crate::Status::parked) counts as well, are in [`conflicts`](Self::conflicts).
    ///
    /// # Errors
    /// When the storage fails; [`Error::Decode`] when one of them cannot be read as `T`. The list fails as a whole then: the error names
    /// the record, and the operation to [`discard`](Self::discard) where the type, or its `upgrade`, is not to be mended.
    pub async fn parked<T: EntityOf<S>>(&self) -> Result<Vec<Parked<T>>, Error> {
        self.list(T::INFO.entity_name(), parked::<T>).await
    }

    /// The conflicts of an entity that a handler left to the user.
    ///
    /// # Errors
    /// As [`parked`](Self::parked).
    pub async fn conflicts<T: EntityOf<S>>(&self) -> Result<Vec<Deferred<T>>, Error> {
        self.list(T::INFO.entity_name(), deferred::<T>).await
    }

    async fn list<R>(
        &self,
        entity: EntityName,
        read: fn(&RecordRef, &Record) -> Result<Option<R>, Error>,
    ) -> Result<Vec<R>, Error> {
        let mut list = Vec::new();
        let mut after = None;
        loop {
            let name = entity.clone();
            let page = self
                .core()
                .transact::<_, Error, _>(move |ledger| {
                    Ok(ledger.tx.parked(Some(&name), after, BATCH, &HashSet::new())?)
                })
                .await?;
            let Some((_, last)) = page.last() else { return Ok(list) };
            after = last.lane().seq();
            for (name, record) in &page {
                list.extend(read(name, record)?);
            }
        }
    }

    /// Has a parked operation sent again at the next sync, as it was, with its attempts counted anew.
    ///
    /// On a conflict that was deferred it asks for a new decision: the edit is sent as it was made, and where the server
    /// still takes that for a conflict, the strategy or handler decides once more.
    ///
    /// # Errors
    /// [`Error::NotParked`] when there is none with this id, [`Error::Storage`] when the storage fails, [`Error::ShutDown`] when the
    /// engine was shut down.
    pub async fn retry(&self, operation: OperationId) -> Result<(), Error> {
        self.change(move |core| async move { core.retry(operation).await }).await
    }

    /// Has every parked operation sent again, except conflicts that wait for an answer. Answers how many there were.
    ///
    /// # Errors
    /// [`Error::Storage`] when the storage fails, after which the rest is still parked; with
    /// [`StorageError::Row`](crate::StorageError::Row) for one that cannot be read, once all others are to be sent again.
    /// [`Error::ShutDown`] when the engine was shut down.
    pub async fn retry_all(&self) -> Result<u64, Error> {
        self.change(|core| async move { core.retry_all().await }).await
    }

    /// Gives a parked operation up. Where the server's state of the record is known, `OnPull` is told to show it; where it
    /// is not, the next pull of the entity asks the server for it.
    ///
    /// On a conflict that was deferred it does what the answer [`Resolution::TakeRemote`] does: the server's side stands.
    ///
    /// # Errors
    /// It stays parked then, or there was none.
    /// - [`Error::NotParked`]: no parked operation has this id;
    /// - [`Error::Handler`]: `OnPull` failed, or what the server has cannot be read as the type of the entity;
    /// - [`Error::Storage`]: the storage fails;
    /// - [`Error::InHandler`]: a handler or strategy called it, and would wait for its own turn;
    /// - [`Error::ShutDown`]: the engine was shut down.
    pub async fn discard(&self, operation: OperationId) -> Result<(), Error> {
        self.decide(move |core| async move { core.discard(operation).await }).await
    }

    /// Answers a conflict that was left to the user. A winner is sent at the next sync.
    ///
    /// The answer is one to what [`conflicts`](Self::conflicts) has listed under this id. Once a sync has seen something else of the
    /// server's, that is another conflict under another id, which has to be looked at.
    ///
    /// # Errors
    /// The conflict waits on then, or there was none.
    /// - [`Error::NotParked`]: no parked operation of this entity has this id, or no longer: list the conflicts anew;
    ///   [`Error::NotAConflict`]: it is parked for another reason;
    /// - [`Error::OtherRecord`], [`Error::Reference`], [`Error::Encode`]: the merged record has another id, refers to what can be no
    ///   record, or cannot be written as JSON;
    /// - [`Error::Handler`]: `OnPull`, which is told of the decision, failed;
    /// - [`Error::Storage`]: the storage fails;
    /// - [`Error::InHandler`]: a handler or strategy called it, and would wait for its own turn;
    /// - [`Error::ShutDown`]: the engine was shut down.
    pub async fn answer<T: EntityOf<S>>(
        &self,
        operation: OperationId,
        resolution: Resolution<T>,
    ) -> Result<(), Error> {
        let core = self.core();
        let port = core.port(T::INFO.name).ok_or(Error::NotParked(operation))?;
        let found =
            core.transact::<_, Error, _>(move |ledger| Ok(ledger.tx.parked_by_id(operation)?)).await?;
        let (name, _) = found
            .filter(|(name, _)| name.entity.as_str() == T::INFO.name)
            .ok_or(Error::NotParked(operation))?;
        let decision = decide::decision(&name.key, resolution).map_err(|error| match error {
            HandlerError::OtherRecord { merged, .. } => Error::OtherRecord { record: name.clone(), merged },
            HandlerError::Reference { record, source } => Error::Reference { record, source },
            HandlerError::Json { record, source } => Error::Encode { record, source: Arc::new(source) },
            other => Error::Handler(Arc::new(other)),
        })?;
        let port = Arc::clone(port);
        self.decide(move |core| async move { core.answer(&port, operation, decision).await }).await
    }

    /// Gives every edit of this account up that has not reached the server, parked ones included, and those of entities that the schema
    /// does not list: the only call that throws edits away without looking at each. Answers how many records there were.
    ///
    /// # Errors
    /// What was not given up by then is still queued.
    /// - [`Error::Handler`]: `OnPull`, which is told of each record, failed;
    /// - [`Error::Storage`]: the storage fails; with [`StorageError::Row`](crate::StorageError::Row) for a row that cannot be read, once
    ///   all others are given up;
    /// - [`Error::InHandler`]: a handler or strategy called it, and would wait for its own turn;
    /// - [`Error::ShutDown`]: the engine was shut down.
    pub async fn clear_queue(&self) -> Result<u64, Error> {
        self.decide(|core| async move { core.clear_queue().await }).await
    }
}
