//! A record with two ids.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    #[sync(id)]
    key: String,
    #[sync(id)]
    number: u64,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
