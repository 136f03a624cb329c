//! An entity is merged by what `Syncable` derives.

use serde::{Deserialize, Serialize};
use sync::{Mergeable, Syncable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable, Mergeable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    id: String,
    #[sync(merge = Text)]
    title: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
