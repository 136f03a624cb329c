//! A reference says to what.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: String,
    #[sync(references)]
    folder_id: u64,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
