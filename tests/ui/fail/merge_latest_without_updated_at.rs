//! Nothing says which side is the later one.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    id: String,
    #[sync(merge = Latest)]
    title: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
