//! An engine belongs to a schema.

use serde::{Deserialize, Serialize};
use sync::{Engine, Syncable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: String,
}

struct App;

async fn sync_now(engine: Engine<App>, note: Note) {
    let _ = engine.push(&note).await;
}

fn main() {}
