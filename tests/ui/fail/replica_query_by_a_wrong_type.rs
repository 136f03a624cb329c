use serde::{Deserialize, Serialize};
use sync::{Engine, Schema, Syncable};

#[derive(Clone, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins, replica)]
struct Note {
    id: String,
    #[sync(index)]
    done: bool,
}

#[derive(Schema)]
#[sync(entities(Note))]
struct App;

async fn find(engine: Engine<App>) {
    let _ = engine.query(Note::DONE.eq("yes")).await;
}

fn main() {}
