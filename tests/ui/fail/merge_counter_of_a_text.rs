//! A text has no `+` and `-`.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    id: String,
    #[sync(merge = Counter)]
    title: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
