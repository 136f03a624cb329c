use serde::{Deserialize, Serialize};
use sync::{Engine, OnPull, Schema, Syncable};

#[derive(Clone, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: String,
}

#[derive(Schema)]
#[sync(entities(Note))]
struct App;

impl OnPull<Note> for App {}

async fn read(engine: Engine<App>) {
    let _ = engine.get::<Note>(&"a".to_owned()).await;
}

fn main() {}
