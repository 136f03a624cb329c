//! The application's own tables and typed pushes in one SQLite transaction.

use std::any::Any;

use super::Engine;
use super::edits::{EngineTransaction, GivenUp, Tools, finish};
use crate::engine::receipt::Receipt;
use crate::entity::{EntityOf, Schema};
use crate::error::Error;
use crate::replica::{Query, Replicated};
use crate::storage::sqlite::SqliteStorage;

/// A transaction on the engine's file, for the application's SQL and its edits.
#[derive(Debug)]
pub struct AppTransaction<'a, S> {
    connection: &'a rusqlite::Connection,
    edits: EngineTransaction<'a, S>,
}

impl<S: Schema> AppTransaction<'_, S> {
    /// The connection, for SQL on tables of your own. `COMMIT` and `ROLLBACK` are the storage's business; its own tables, and the
    /// view `records`, are to be read only.
    ///
    /// So are `PRAGMA user_version` and `PRAGMA application_id`, by which the storage knows its file: a transaction that sets one of them
    /// is undone, with [`StorageError::Reserved`](crate::StorageError::Reserved). Keep the version of your own tables in a table of your
    /// own, also where a helper for migrations would take `user_version`.
    ///
    /// Savepoints of your own are fine around your own statements. Do not undo a push or a deletion with one: its receipt and the
    /// counts would still tell of it. An error of the closure undoes them all.
    #[must_use]
    pub fn connection(&self) -> &rusqlite::Connection {
        self.connection
    }

    /// Reads a record, as [`EngineTransaction::get`] does.
    ///
    /// # Errors
    /// As [`Engine::get`].
    pub fn get<T: EntityOf<S> + Replicated>(&mut self, id: &T::Id) -> Result<Option<T>, Error> {
        self.edits.get(id)
    }

    /// Finds records, as [`EngineTransaction::query`] does.
    ///
    /// # Errors
    /// As [`Engine::query`].
    pub fn query<T: EntityOf<S> + Replicated>(
        &mut self,
        query: impl Into<Query<T>>,
    ) -> Result<Vec<T>, Error> {
        self.edits.query(query)
    }

    /// Takes a record into the queue, as [`Engine::push`] does.
    ///
    /// # Errors
    /// As [`Engine::push`].
    pub fn push<T: EntityOf<S>>(&mut self, record: &T) -> Result<Receipt, Error> {
        self.edits.push(record)
    }

    /// Takes a deletion into the queue, as [`Engine::delete`] does.
    ///
    /// # Errors
    /// As [`Engine::delete`].
    pub fn delete<T: EntityOf<S>>(&mut self, id: &T::Id) -> Result<Receipt, Error> {
        self.edits.delete::<T>(id)
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
    /// The closure runs on the storage's thread: everything else waits for it, so keep it short. Waiting in it for anything that the
    /// engine does, as by `block_on(engine.get(…))`, waits for itself and never ends: what it needs of the queue, `tx` has.
    ///
    /// # Errors
    /// What the closure returned, after which nothing of it stays; [`Error::OtherStorage`] when the engine is built on
    /// another storage; the storage's errors, among them [`Constraint`](crate::StorageError::Constraint) when a deferred foreign key of
    /// the application's own tables leads nowhere at the end; [`Error::ShutDown`] when the engine was shut down.
    pub async fn transaction<S, R, E, F>(&self, engine: &Engine<S>, work: F) -> Result<R, E>
    where
        S: Schema,
        R: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut AppTransaction<'_, S>) -> Result<R, E> + Send + 'static,
    {
        let own = (&*engine.shared().storage as &dyn Any).downcast_ref::<Self>();
        if !own.is_some_and(|own| own.is(self)) {
            return Err(Error::OtherStorage.into());
        }
        let storage = self.clone();
        engine
            .change(|core| async move {
                let tools = Tools::of(&core);
                let done = storage.transact_with_connection(&core.principal, move |transaction| {
                    let connection = transaction.connection();
                    let edits = EngineTransaction::new(transaction, &tools);
                    let mut app = AppTransaction { connection, edits };
                    let result = work(&mut app).map_err(GivenUp::ByUser)?;
                    Ok((result, app.edits.into_changed()))
                });
                finish(&core, done.await)
            })
            .await
    }
}
