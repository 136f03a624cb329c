//! A mark is set once.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    #[sync(id, id)]
    key: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
