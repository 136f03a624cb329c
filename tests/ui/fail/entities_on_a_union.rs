//! A schema is a struct.

use serde::{Deserialize, Serialize};
use sync::{Engine, OnPull, Schema, Syncable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: String,
}

#[derive(Schema)]
#[sync(entities(Note))]
union App {
    number: u64,
    text: [u8; 8],
}

impl OnPull<Note> for App {}

async fn sync_now(engine: Engine<App>, note: Note) {
    let _ = engine.push(&note).await;
}

fn main() {}
