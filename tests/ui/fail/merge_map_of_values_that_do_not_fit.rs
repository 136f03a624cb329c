//! The values of a map are counted, and cannot be.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    id: String,
    #[sync(merge = Map(Counter))]
    names: BTreeMap<String, String>,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
