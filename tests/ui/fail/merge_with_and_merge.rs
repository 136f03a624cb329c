//! A field is merged in one way.

use serde::{Deserialize, Serialize};
use sync::Syncable;

fn longer(_: &String, local: &String, _: &String) -> String {
    local.clone()
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    id: String,
    #[sync(merge = Text, merge_with = longer)]
    title: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
