//! A policy that is nearly one of the known ones.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    id: String,
    #[sync(merge = Conter)]
    count: u64,
    #[sync(merge = nested)]
    place: u64,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
