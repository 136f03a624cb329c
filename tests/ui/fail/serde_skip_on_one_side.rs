//! Fields that serde leaves out on one side, and that are lost where a record is read back.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: String,
    #[serde(default, skip_serializing)]
    secret: String,
    #[serde(skip_deserializing)]
    words: Option<u64>,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
