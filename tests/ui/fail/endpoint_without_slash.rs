//! An endpoint is a path below the base URL, so it starts with a slash.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "notes", conflict = ServerWins)]
struct Note {
    id: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
