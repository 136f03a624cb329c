//! The mark of the id belongs on a field.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(conflict = ServerWins, endpoint = "/notes", id)]
struct Note {
    id: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
