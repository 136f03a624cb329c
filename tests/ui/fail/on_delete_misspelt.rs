//! Who wins is one of two.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge, on_delete = KeepEdits)]
struct Note {
    id: String,
    title: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
