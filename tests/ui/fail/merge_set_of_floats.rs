//! A `Vec` is a set if its items are `Eq + Hash`.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    id: String,
    #[sync(merge = Set)]
    weights: Vec<f64>,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
