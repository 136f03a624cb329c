//! Whether a side changed a group is found out by comparing its fields.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Weight(f64);

#[derive(Debug, Clone, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    id: String,
    #[sync(group = "scale")]
    weight: Weight,
    #[sync(group = "scale")]
    unit: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
