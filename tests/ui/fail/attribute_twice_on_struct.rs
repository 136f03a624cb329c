//! An attribute is given once, in one list or two.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
#[sync(endpoint = "/memos")]
struct Note {
    id: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
