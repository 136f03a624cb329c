//! A struct of which serde writes the fields under names that it does not read: one mistake, however many fields there are.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[serde(rename_all(serialize = "camelCase"))]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: String,
    #[serde(alias = "fullTitle")]
    full_title: String,
    first_line: String,
    last_line: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
