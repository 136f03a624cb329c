//! A time that is not a point in time.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = LastWriteWins)]
struct Note {
    id: String,
    updated_at: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
