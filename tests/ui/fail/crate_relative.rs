//! The path of the crate says where it begins.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins, crate = offline::sync)]
struct Note {
    id: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
