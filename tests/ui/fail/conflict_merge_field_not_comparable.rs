//! A merge compares each field with what it was before.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Weight(f64);

#[derive(Debug, Clone, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    id: String,
    weight: Weight,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
