//! What is inside the `Option` is the other entity's id.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/folders", conflict = ServerWins)]
struct Folder {
    id: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: String,
    #[sync(references = Folder)]
    folder_id: Option<String>,
}

sync_ui_tests::in_an_app!(Note, Folder);

fn main() {}
