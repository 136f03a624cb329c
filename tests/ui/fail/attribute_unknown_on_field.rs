//! A misspelt attribute on a field.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: String,
    #[sync(update_at)]
    changed: chrono::DateTime<chrono::Utc>,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
