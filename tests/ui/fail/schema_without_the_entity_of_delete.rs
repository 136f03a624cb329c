//! `delete` takes an entity of the schema, and no other.

use serde::{Deserialize, Serialize};
use sync::{Engine, OnPull, Schema, Syncable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/drafts", conflict = ServerWins)]
struct Draft {
    id: String,
}

#[derive(Schema)]
#[sync(entities(Note))]
struct App;

impl OnPull<Note> for App {}

async fn sync_now(engine: Engine<App>, id: String) {
    let _ = engine.delete::<Draft>(&id).await;
}

fn main() {}
