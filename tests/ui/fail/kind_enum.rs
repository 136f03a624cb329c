//! An enum has no id of its own.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
enum Note {
    Text { id: String },
    Drawing { id: String },
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
