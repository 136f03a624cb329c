//! The same, where the rule is of what serde reads.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[serde(rename_all(deserialize = "SCREAMING_SNAKE_CASE"))]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
