//! A policy that is none of the known ones is a type of yours.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    id: String,
    #[sync(merge = Longer)]
    title: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
