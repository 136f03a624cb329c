//! Handlers are called from any thread: a schema that cannot be shared is one mistake, however many entities and handlers there are.

use std::cell::RefCell;

use serde::{Deserialize, Serialize};
use sync::{BoxError, Conflict, Engine, MemoryStorage, OnConflict, OnPull, Pulled, Remote, Resolution, Schema, Strategy, Syncable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/tasks", conflict = Manual)]
struct Task {
    id: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/tags", conflict = Own, replica)]
struct Tag {
    id: String,
}

struct Own;

impl<S, T: Syncable> Strategy<S, T> for Own {
    async fn resolve(_: &S, _: Conflict<T>) -> Result<Resolution<T>, BoxError> {
        Ok(Resolution::TakeRemote)
    }
}

#[derive(Schema)]
#[sync(entities(Note, Task, Tag))]
struct App {
    shown: RefCell<Vec<Note>>,
}

impl OnPull<Note> for App {
    async fn on_pull(&self, pulled: Pulled<Note>) -> Result<(), BoxError> {
        std::future::ready(()).await;
        self.shown.borrow_mut().extend(pulled.changes.into_iter().filter_map(|change| change.local().cloned()));
        Ok(())
    }
}

impl OnPull<Task> for App {}

impl OnConflict<Task> for App {
    async fn on_conflict(&self, _: Conflict<Task>) -> Result<Resolution<Task>, BoxError> {
        std::future::ready(()).await;
        Ok(if self.shown.borrow().is_empty() { Resolution::TakeRemote } else { Resolution::KeepLocal })
    }
}

async fn sync_now(remote: impl Remote, note: Note) -> Result<Engine<App>, sync::Error> {
    let app = App { shown: RefCell::default() };
    let engine = Engine::builder(app, remote, MemoryStorage::new()).build().await?;
    engine.push(&note).await?;
    Ok(engine)
}

fn main() {}
