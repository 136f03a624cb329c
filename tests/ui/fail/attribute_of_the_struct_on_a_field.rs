//! The name belongs on the struct.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(conflict = ServerWins, endpoint = "/notes")]
struct Note {
    #[sync(name = "note")]
    id: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
