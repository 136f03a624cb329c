//! The application's own tables and typed pushes in one SQLite transaction.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use super::Engine;
use super::engine::edit;
use super::entity::name_of;
use crate::engine::core::Stamper;
use crate::engine::entities::Entities;
use crate::engine::ledger::{Changes, Ledger};
use crate::engine::outbox::{Withdrawn, take};
use crate::engine::receipt::{Receipt, Receipts};
use crate::entity::{EntityOf, Schema};
use crate::error::Error;
use crate::record::{Edit, RecordRef};
use crate::storage::StorageError;
use crate::storage::sqlite::{SqliteStorage, SqliteTransaction};

/// A transaction on the engine's file, for the application's SQL and its pushes.
#[derive(Debug)]
pub struct AppTransaction<'a, 'c, S> {
    transaction: &'a mut SqliteTransaction<'c>,
    entities: &'a Entities,
    stamper: &'a Stamper,
    receipts: &'a Arc<Receipts>,
    changes: Changes,
    withdrawn: Vec<Withdrawn>,
    schema: PhantomData<fn() -> S>,
}

impl<S: Schema> AppTransaction<'_, '_, S> {
    /// The connection, for SQL on tables of your own. `COMMIT` and `ROLLBACK` are the storage's business, and so are its
    /// own tables.
    #[must_use]
    pub fn connection(&self) -> &rusqlite::Connection {
        self.transaction.connection()
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
        let mut ledger = Ledger::new(self.transaction, self.entities);
        let mut taken = take(&mut ledger, self.stamper, self.receipts, vec![edit])?;
        self.changes.add(ledger.into_changes());
        self.withdrawn.append(&mut taken.withdrawn);
        taken.receipts.pop().ok_or(Error::ShutDown)
    }
}

/// Why a transaction was given up.
enum GivenUp<E> {
    ByUser(E),
    ByStorage(StorageError),
}

impl<E> From<StorageError> for GivenUp<E> {
    fn from(error: StorageError) -> Self {
        Self::ByStorage(error)
    }
}

impl SqliteStorage {
    /// Runs a closure in which the application's own SQL and typed pushes commit together, durably, or not at all.
    ///
    /// ```no_run
    /// # use serde::{Deserialize, Serialize};
    /// # use sync::{BoxError, Engine, OnPull, Remote, Schema, SqliteStorage, Syncable};
    /// # #[derive(Clone, Serialize, Deserialize, Syncable)]
    /// # #[sync(endpoint = "/notes", conflict = ServerWins)]
    /// # struct Note { id: String, title: String }
    /// # #[derive(Schema)]
    /// # #[sync(entities(Note))]
    /// # struct App;
    /// # impl OnPull<Note> for App {}
    /// # async fn example(storage: SqliteStorage, engine: Engine<App>, note: Note) -> Result<(), BoxError> {
    /// storage
    ///     .transaction(&engine, move |tx| {
    ///         tx.connection().execute("insert into my_notes values (?1, ?2)", (&note.id, &note.title))?;
    ///         tx.push(&note)?;
    ///         Ok::<_, BoxError>(())
    ///     })
    ///     .await?;
    /// # Ok(()) }
    /// ```
    ///
    /// The closure runs on the storage's thread: everything else waits for it, so keep it short.
    ///
    /// # Errors
    /// What the closure returned, after which nothing of it stays; [`Error::OtherStorage`] when the engine is built on
    /// another storage; the storage's errors.
    pub async fn transaction<S, R, E, F>(&self, engine: &Engine<S>, work: F) -> Result<R, E>
    where
        S: Schema,
        R: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut AppTransaction<'_, '_, S>) -> Result<R, E> + Send + 'static,
    {
        let (core, pushed) = engine.parts();
        let own = (&*core.storage as &dyn Any).downcast_ref::<Self>();
        if !own.is_some_and(|own| own.is(self)) {
            return Err(Error::OtherStorage.into());
        }
        if core.is_closing() {
            return Err(Error::ShutDown.into());
        }
        let (entities, stamper, receipts) =
            (Arc::clone(&core.entities), core.stamper(), Arc::clone(&core.receipts));
        let result = self
            .transact_with_connection(&core.principal, move |transaction| {
                let mut app = AppTransaction {
                    transaction,
                    entities: &entities,
                    stamper: &stamper,
                    receipts: &receipts,
                    changes: Changes::default(),
                    withdrawn: Vec::new(),
                    schema: PhantomData,
                };
                let result = work(&mut app).map_err(GivenUp::ByUser)?;
                Ok((result, app.changes, app.withdrawn))
            })
            .await;
        match result {
            Ok((result, changes, withdrawn)) => {
                core.count(changes);
                for withdrawn in withdrawn {
                    withdrawn.tell(&core.receipts);
                }
                pushed();
                Ok(result)
            }
            Err(GivenUp::ByUser(error)) => Err(error),
            Err(GivenUp::ByStorage(error)) => Err(Error::from(error).into()),
        }
    }
}
