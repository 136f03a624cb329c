//! The function is looked for where the struct is.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    id: String,
    #[sync(merge_with = longer)]
    title: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
