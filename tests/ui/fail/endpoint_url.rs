//! The base URL belongs to the remote.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "https://api.example.com/notes", conflict = ServerWins)]
struct Note {
    id: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
