//! The function takes the ancestor and both sides.

use serde::{Deserialize, Serialize};
use sync::Syncable;

fn longer(local: &String, remote: &String) -> String {
    if local.len() > remote.len() { local.clone() } else { remote.clone() }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    id: String,
    #[sync(merge_with = longer)]
    title: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
