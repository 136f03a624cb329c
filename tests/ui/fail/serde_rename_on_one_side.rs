//! Fields that serde writes under a name that it does not read.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[serde(rename_all = "camelCase")]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    #[serde(rename(serialize = "_id", deserialize = "id"))]
    id: String,
    #[serde(default, rename(deserialize = "full-title"), alias = "full_title")]
    full_title: Option<String>,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
