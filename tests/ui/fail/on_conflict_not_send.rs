//! A handler runs on any thread of the runtime.

use std::rc::Rc;

use serde::{Deserialize, Serialize};
use sync::{BoxError, Conflict, Engine, OnConflict, OnPull, Resolution, Schema, Syncable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Manual)]
struct Note {
    id: String,
}

#[derive(Schema)]
#[sync(entities(Note))]
struct App;

impl OnPull<Note> for App {}

impl OnConflict<Note> for App {
    async fn on_conflict(&self, conflict: Conflict<Note>) -> Result<Resolution<Note>, BoxError> {
        let local = Rc::new(conflict.local);
        std::future::ready(()).await;
        drop(local);
        Ok(Resolution::TakeRemote)
    }
}

async fn sync_now(engine: Engine<App>, note: Note) {
    let _ = engine.push(&note).await;
}

fn main() {}
