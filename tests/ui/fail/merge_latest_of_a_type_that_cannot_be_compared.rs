//! Whether a side changed a field is found out by comparing it.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Weight(f64);

#[derive(Debug, Clone, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    id: String,
    #[sync(merge = Latest)]
    weight: Weight,
    updated_at: chrono::DateTime<chrono::Utc>,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
