//! A function decides about one field, not about a group.

use serde::{Deserialize, Serialize};
use sync::Syncable;

fn lower(_: &u64, local: &u64, remote: &u64) -> u64 {
    *local.min(remote)
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    id: String,
    #[sync(group = "range", merge_with = lower)]
    from: u64,
    #[sync(group = "range")]
    to: u64,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
