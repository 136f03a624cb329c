//! A field that stands alone in its group was meant for another one.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    id: String,
    #[sync(group = "address")]
    street: String,
    #[sync(group = "address")]
    city: String,
    #[sync(group = "adress")]
    country: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
