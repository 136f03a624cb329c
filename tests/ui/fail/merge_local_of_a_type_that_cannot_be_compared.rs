//! Whether a side changed a field is found out by comparing it.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Weight(f64);

#[derive(Debug, Clone, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    id: String,
    #[sync(merge = Local)]
    weight: Weight,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
