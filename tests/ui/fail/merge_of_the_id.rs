//! The id is the same on both sides.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    #[sync(id, merge = Local)]
    key: String,
    title: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
