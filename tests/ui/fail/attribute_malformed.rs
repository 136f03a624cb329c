//! The attribute is a list with commas.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(conflict = ServerWins; endpoint = "/notes")]
struct Note {
    id: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
