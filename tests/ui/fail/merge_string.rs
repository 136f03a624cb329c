//! A policy is no string.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    id: String,
    #[sync(merge = "Counter")]
    count: u64,
    #[sync(merge(Set))]
    tags: Vec<String>,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
