//! One handler for every entity that hands its records over.

use serde::{Deserialize, Serialize};
use sync::{BoxError, HandsOver, OnPull, Pulled, Schema, Syncable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/cards", conflict = ServerWins, replica)]
struct Card {
    id: String,
}

#[derive(Schema)]
#[sync(entities(Note, Card))]
struct Recorder;

impl<T: Syncable<Keeping: HandsOver>> OnPull<T> for Recorder {
    async fn on_pull(&self, pulled: Pulled<T>) -> Result<(), BoxError> {
        println!("{} of {}", pulled.changes.len(), T::NAME);
        Ok(())
    }
}

fn main() {}
