//! It has to be a time, also where both sides are merged.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    id: String,
    #[sync(merge = Latest)]
    title: String,
    updated_at: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
