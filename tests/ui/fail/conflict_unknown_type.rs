//! A strategy of one's own that does not exist.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = HigherWins)]
struct Note {
    id: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
