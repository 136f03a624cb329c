//! A group is taken from one side.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    id: String,
    #[sync(group = "range", merge = Counter)]
    from: u64,
    #[sync(group = "range")]
    to: u64,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
