//! A strategy is chosen, never assumed.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes")]
struct Note {
    id: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
