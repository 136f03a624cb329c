//! A type of yours has to be a policy.

use serde::{Deserialize, Serialize};
use sync::Syncable;

struct Longer;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    id: String,
    #[sync(merge = Longer)]
    title: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
