//! All mistakes of a merge are shown at once, each where it was made.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge, on_delete = KeepEdt)]
struct Note {
    id: String,
    #[sync(merge = Conter)]
    count: u64,
    #[sync(merge = Latest)]
    title: String,
    #[sync(mergewith = longer)]
    body: String,
    #[sync(group = "a")]
    street: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
