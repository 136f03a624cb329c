//! An endpoint has no fragment.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes#all", conflict = ServerWins)]
struct Note {
    id: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
