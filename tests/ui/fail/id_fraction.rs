//! An id is written in one way alone.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: f64,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
