//! An id that serde does not read back.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    #[serde(skip_deserializing)]
    id: String,
    title: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
