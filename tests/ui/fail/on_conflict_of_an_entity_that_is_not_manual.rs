//! A handler that nobody would ever ask.

use serde::{Deserialize, Serialize};
use sync::{BoxError, Conflict, Engine, OnConflict, OnPull, Resolution, Schema, Syncable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: String,
}

#[derive(Schema)]
#[sync(entities(Note))]
struct App;

impl OnPull<Note> for App {}

impl OnConflict<Note> for App {
    async fn on_conflict(&self, _: Conflict<Note>) -> Result<Resolution<Note>, BoxError> {
        Ok(Resolution::TakeRemote)
    }
}

async fn sync_now(engine: Engine<App>, note: Note) {
    let _ = engine.push(&note).await;
}

fn main() {}
