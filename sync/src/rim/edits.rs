//! Reads and edits of several entities in one transaction.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::Engine;
use super::engine::edit;
use super::entity::name_of;
use super::replica::{Pages, read};
use crate::engine::core::Core;
use crate::engine::entities::Entities;
use crate::engine::intake::{Intake, Withdrawn};
use crate::engine::kept;
use crate::engine::ledger::{Changes, Ledger};
use crate::engine::receipt::{Issued, Receipt};
use crate::entity::{EntityOf, Schema};
use crate::error::Error;
use crate::record::{Edit, RecordRef};
use crate::replica::{Query, Replicated};
use crate::storage::{self, StorageError, Transaction};

/// Reads and edits that are one: see [`Engine::transaction`].
pub struct EngineTransaction<'a, S> {
    ledger: Ledger<'a>,
    tools: &'a Tools,
    withdrawn: Vec<Withdrawn>,
    issued: Issued,
    schema: PhantomData<fn() -> S>,
}

impl<S> fmt::Debug for EngineTransaction<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineTransaction").finish_non_exhaustive()
    }
}

/// What a transaction needs of the engine.
pub(super) struct Tools {
    entities: Arc<Entities>,
    intake: Intake,
}

impl Tools {
    pub(super) fn of(core: &Core) -> Self {
        Self { entities: Arc::clone(&core.entities), intake: Intake::new(core) }
    }
}

/// What a transaction changed; to be told once it is durable.
#[derive(Debug)]
pub(super) struct Changed {
    pub(super) counts: Changes,
    pub(super) withdrawn: Vec<Withdrawn>,
    pub(super) issued: Issued,
}

impl<'a, S: Schema> EngineTransaction<'a, S> {
    pub(super) fn new(tx: &'a mut dyn Transaction, tools: &'a Tools) -> Self {
        let ledger = Ledger::new(tx, &tools.entities);
        let issued = Issued::new(tools.intake.receipts());
        Self { ledger, tools, withdrawn: Vec::new(), issued, schema: PhantomData }
    }

    pub(super) fn into_changed(self) -> Changed {
        Changed { counts: self.ledger.into_changes(), withdrawn: self.withdrawn, issued: self.issued }
    }

    /// A record as it looks on this device, with what this transaction did to it.
    ///
    /// # Errors
    /// As [`Engine::get`].
    pub fn get<T: EntityOf<S> + Replicated>(&mut self, id: &T::Id) -> Result<Option<T>, Error> {
        let name = name_of::<T>(id)?;
        let view = kept::view(&mut self.ledger, &name)?;
        view.map(|view| read::<T>(&name, &view)).transpose()
    }

    /// The records that are asked for, with what this transaction did to them. All of them are held in memory: give the query
    /// a [`limit`](Query::limit) where there may be many.
    ///
    /// # Errors
    /// As [`Engine::query`].
    pub fn query<T: EntityOf<S> + Replicated>(
        &mut self,
        query: impl Into<Query<T>>,
    ) -> Result<Vec<T>, Error> {
        let mut pages = Pages::<T>::new(&query.into());
        let mut found = Vec::new();
        while let Some((name, kept)) = pages.next_in(&mut self.ledger)? {
            found.push(read::<T>(&name, &kept?.view)?);
        }
        Ok(found)
    }

    /// Takes a record into the queue, as [`Engine::push`] does.
    ///
    /// # Errors
    /// As [`Engine::push`].
    pub fn push<T: EntityOf<S>>(&mut self, record: &T) -> Result<Receipt, Error> {
        self.take(edit(record, Edit::Save)?)
    }

    /// Takes a deletion into the queue, as [`Engine::delete`] does.
    ///
    /// # Errors
    /// As [`Engine::delete`].
    pub fn delete<T: EntityOf<S>>(&mut self, id: &T::Id) -> Result<Receipt, Error> {
        self.take((name_of::<T>(id)?, Edit::Delete))
    }

    fn take(&mut self, edit: (RecordRef, Edit)) -> Result<Receipt, Error> {
        let mut taken = self.tools.intake.take(&mut self.ledger, &[edit])?;
        self.withdrawn.append(&mut taken.withdrawn);
        let receipt = taken.receipts.pop().ok_or(Error::ShutDown)?;
        self.issued.add(&receipt);
        Ok(receipt)
    }
}

/// Why a transaction was given up.
pub(super) enum GivenUp<E> {
    ByUser(E),
    ByStorage(StorageError),
}

impl<E> From<StorageError> for GivenUp<E> {
    fn from(error: StorageError) -> Self {
        Self::ByStorage(error)
    }
}

impl<S: Schema> Engine<S> {
    /// Runs a closure whose reads and edits, of whichever entities, are one: nobody else changes anything in between, and all
    /// of the edits are durable together, or none is made.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// # use sync::{BoxError, Engine, Schema, Syncable};
    /// # #[derive(Clone, Serialize, Deserialize, Syncable)]
    /// # #[sync(endpoint = "/accounts", conflict = ServerWins, replica)]
    /// # struct Account { id: String, balance: i64 }
    /// # #[derive(Schema)]
    /// # #[sync(entities(Account))]
    /// # struct App;
    /// # async fn example(engine: Engine<App>) -> Result<(), BoxError> {
    /// engine
    ///     .transaction(|tx| {
    ///         let (from, to) = (tx.get::<Account>(&"a".into())?, tx.get::<Account>(&"b".into())?);
    ///         let (Some(mut from), Some(mut to)) = (from, to) else { return Err("no such account".into()) };
    ///         from.balance -= 10;
    ///         to.balance += 10;
    ///         tx.push(&from)?;
    ///         tx.push(&to)?;
    ///         Ok::<_, BoxError>(())
    ///     })
    ///     .await?;
    /// # Ok(()) }
    /// ```
    ///
    /// The closure runs on the storage's thread: everything else waits for it, so keep it short. Waiting in it for anything that the
    /// engine does, as by `block_on(engine.get(…))`, waits for itself and never ends: what it needs of the queue, `tx` has.
    ///
    /// # Errors
    /// What the closure returned, after which nothing of it stays; the storage's errors, also when the closure panicked;
    /// [`Error::ShutDown`] when the engine was shut down.
    pub async fn transaction<R, E, F>(&self, work: F) -> Result<R, E>
    where
        R: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut EngineTransaction<'_, S>) -> Result<R, E> + Send + 'static,
    {
        self.change(|core| async move {
            let tools = Tools::of(&core);
            let done = storage::transact(&*core.storage, &core.principal, move |tx| {
                let mut transaction = EngineTransaction::<S>::new(tx, &tools);
                let result = work(&mut transaction).map_err(GivenUp::ByUser)?;
                Ok::<_, GivenUp<E>>((result, transaction.into_changed()))
            });
            finish(&core, done.await)
        })
        .await
    }
}

/// Counts what is durable now, and tells those who wait and watch.
pub(super) fn finish<R, E: From<Error>>(core: &Core, done: Result<(R, Changed), GivenUp<E>>) -> Result<R, E> {
    match done {
        Ok((result, changed)) => {
            changed.issued.keep();
            core.count(&changed.counts);
            for withdrawn in changed.withdrawn {
                withdrawn.tell(&core.receipts);
            }
            Ok(result)
        }
        Err(GivenUp::ByUser(error)) => Err(error),
        Err(GivenUp::ByStorage(error)) => Err(Error::from(error).into()),
    }
}
