//! The name in the storage is not empty.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins, name = "")]
struct Note {
    id: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
