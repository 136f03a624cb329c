//! A slip of the finger in a built-in strategy.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = LastWriteWin)]
struct Note {
    id: String,
    updated_at: chrono::DateTime<chrono::Utc>,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
