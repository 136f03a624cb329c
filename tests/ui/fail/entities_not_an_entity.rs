//! Only entities are listed.

use serde::{Deserialize, Serialize};
use sync::{Engine, OnPull, Schema, Syncable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: String,
}

struct Draft;

#[derive(Schema)]
#[sync(entities(Note, Draft))]
struct App;

impl OnPull<Note> for App {}

async fn sync_now(engine: Engine<App>, note: Note) {
    let _ = engine.push(&note).await;
}

fn main() {}
