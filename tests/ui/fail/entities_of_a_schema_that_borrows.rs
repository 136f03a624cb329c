//! A schema lives as long as the engine, so it owns what it holds.

use serde::{Deserialize, Serialize};
use sync::{OnPull, Schema, Syncable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: String,
}

#[derive(Schema)]
#[sync(entities(Note))]
struct App<'a> {
    name: &'a str,
}

impl OnPull<Note> for App<'static> {}

fn main() {}
