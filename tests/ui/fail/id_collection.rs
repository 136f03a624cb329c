//! A collection is no scalar, and no part of a URL.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: Vec<u8>,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
