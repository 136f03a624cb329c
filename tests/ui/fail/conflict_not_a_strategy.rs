//! A type that does not decide conflicts.

use serde::{Deserialize, Serialize};
use sync::{OnPull, Schema, Syncable};

struct HigherWins;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = HigherWins)]
struct Note {
    id: String,
}

#[derive(Schema)]
#[sync(entities(Note))]
struct App;

impl OnPull<Note> for App {}

fn main() {}
