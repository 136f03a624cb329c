//! An id that serde dissolves.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Key {
    key: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    #[serde(flatten)]
    id: Key,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
