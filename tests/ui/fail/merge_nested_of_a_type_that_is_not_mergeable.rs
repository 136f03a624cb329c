//! A struct inside says itself how it is merged.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Address {
    street: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    id: String,
    #[sync(merge = Nested)]
    address: Address,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
