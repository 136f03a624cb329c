//! A handler that is never called: the engine keeps the records itself.

use serde::{Deserialize, Serialize};
use sync::{BoxError, Engine, OnPull, Pulled, Schema, Syncable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins, replica)]
struct Note {
    id: String,
}

#[derive(Schema)]
#[sync(entities(Note))]
struct App;

impl OnPull<Note> for App {
    async fn on_pull(&self, _: Pulled<Note>) -> Result<(), BoxError> {
        Ok(())
    }
}

async fn sync_now(engine: Engine<App>, note: Note) {
    let _ = engine.push(&note).await;
}

fn main() {}
