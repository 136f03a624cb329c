//! An attribute that looks like none.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins, retries = 3)]
struct Note {
    id: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
