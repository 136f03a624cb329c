//! The application on a device: it keeps what it is told in a SQLite file of its own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, params};
use serde_json::Value;
use sync::{BoxError, Conflict, OnConflict, OnPull, Pulled, Resolution, Schema, Syncable};

use crate::entities::{Contact, Note, Price, Stock, Task};

/// What the handlers need: the application's own database.
#[derive(Clone, Schema)]
#[sync(entities(Note, Price, Stock, Contact, Task))]
pub struct App(Arc<Mutex<Connection>>);

impl App {
    pub fn open(path: &Path) -> Result<Self, BoxError> {
        let connection = Connection::open(path)?;
        connection.execute_batch(
            "create table if not exists app (entity text, id text, record text, primary key (entity, id))",
        )?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    /// What the user sees: the records of an entity, by id.
    pub fn records<T: Syncable>(&self) -> Result<BTreeMap<String, Value>, BoxError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("select id, record from app where entity = ?1")?;
        let rows = statement
            .query_map([T::ENTITY.name], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
        rows.map(|row| {
            let (id, record) = row?;
            Ok((id, serde_json::from_str(&record)?))
        })
        .collect()
    }

    /// Shows an edit at once; the engine is told of it next.
    pub fn save<T: Syncable>(&self, record: &T) -> Result<(), BoxError> {
        self.write::<T>(record.id(), Some(record))
    }

    /// Shows a deletion at once.
    pub fn remove<T: Syncable>(&self, id: &T::Id) -> Result<(), BoxError> {
        self.write::<T>(id, None)
    }

    fn write<T: Syncable>(&self, id: &T::Id, record: Option<&T>) -> Result<(), BoxError> {
        let connection = self.connection();
        let id = serde_json::to_string(id)?.trim_matches('"').to_owned();
        match record {
            Some(record) => connection
                .prepare_cached("insert or replace into app (entity, id, record) values (?1, ?2, ?3)")?
                .execute(params![T::ENTITY.name, id, serde_json::to_string(record)?])?,
            None => connection
                .prepare_cached("delete from app where entity = ?1 and id = ?2")?
                .execute(params![T::ENTITY.name, id])?,
        };
        Ok(())
    }

    fn store<T: Syncable>(&self, pulled: &Pulled<T>) -> Result<(), BoxError> {
        pulled.changes.iter().try_for_each(|change| self.write::<T>(change.id(), change.local()))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OnPull<Note> for App {
    async fn on_pull(&self, pulled: Pulled<Note>) -> Result<(), BoxError> {
        self.store(&pulled)
    }
}

impl OnPull<Price> for App {
    async fn on_pull(&self, pulled: Pulled<Price>) -> Result<(), BoxError> {
        self.store(&pulled)
    }
}

impl OnPull<Stock> for App {
    async fn on_pull(&self, pulled: Pulled<Stock>) -> Result<(), BoxError> {
        self.store(&pulled)
    }
}

impl OnPull<Contact> for App {
    async fn on_pull(&self, pulled: Pulled<Contact>) -> Result<(), BoxError> {
        self.store(&pulled)
    }
}

impl OnPull<Task> for App {
    async fn on_pull(&self, pulled: Pulled<Task>) -> Result<(), BoxError> {
        self.store(&pulled)
    }
}

impl OnConflict<Task> for App {
    /// Keeps what both sides wrote.
    async fn on_conflict(&self, conflict: Conflict<Task>) -> Result<Resolution<Task>, BoxError> {
        Ok(match (conflict.local, conflict.remote) {
            (Some(local), Some(remote)) => {
                let text = format!("{} / {}", remote.text, local.text);
                Resolution::Merged(Task { text, ..remote })
            }
            (Some(_), None) => Resolution::KeepLocal,
            (None, _) => Resolution::TakeRemote,
        })
    }
}
