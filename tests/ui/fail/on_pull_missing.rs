//! Each entity of a schema says what happens with what is pulled.

use serde::{Deserialize, Serialize};
use sync::{Engine, Schema, Syncable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: String,
}

#[derive(Schema)]
#[sync(entities(Note))]
struct App;

async fn sync_now(engine: Engine<App>, note: Note) {
    let _ = engine.push(&note).await;
}

fn main() {}
