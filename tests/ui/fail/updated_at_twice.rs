//! A record with two times of its last change.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = LastWriteWins)]
struct Note {
    id: String,
    #[sync(updated_at)]
    changed: chrono::DateTime<chrono::Utc>,
    #[sync(updated_at)]
    edited: chrono::DateTime<chrono::Utc>,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
