//! A handler runs on any thread of the runtime.

use std::rc::Rc;

use serde::{Deserialize, Serialize};
use sync::{BoxError, Engine, OnPull, Pulled, Schema, Syncable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: String,
}

#[derive(Schema)]
#[sync(entities(Note))]
struct App;

impl OnPull<Note> for App {
    async fn on_pull(&self, pulled: Pulled<Note>) -> Result<(), BoxError> {
        let changes = Rc::new(pulled.changes);
        std::future::ready(()).await;
        drop(changes);
        Ok(())
    }
}

async fn sync_now(engine: Engine<App>, note: Note) {
    let _ = engine.push(&note).await;
}

fn main() {}
