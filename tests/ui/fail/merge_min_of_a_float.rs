//! Of two floats there is not always a smaller one.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    id: String,
    #[sync(merge = Min)]
    weight: Option<f64>,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
