//! Only a map takes the policy of what is inside, and it takes one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    id: String,
    #[sync(merge = Set(Text))]
    tags: Vec<String>,
    #[sync(merge = Map(Max, Min))]
    ages: BTreeMap<String, u64>,
    #[sync(merge = Map<Counter>)]
    stock: BTreeMap<String, u64>,
    #[sync(merge = HashMap(Counter))]
    sold: BTreeMap<String, u64>,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
