//! A schema lists its entities.

use serde::{Deserialize, Serialize};
use sync::{OnPull, Schema, Syncable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: String,
}

#[derive(Schema)]
struct App;

impl OnPull<Note> for App {}

fn main() {}
