//! A strategy that takes one side whole does so with deletions.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ClientWins, on_delete = Delete)]
struct Note {
    id: String,
    title: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
