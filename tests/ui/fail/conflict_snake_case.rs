//! A built-in strategy in another case.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = server_wins)]
struct Note {
    id: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
