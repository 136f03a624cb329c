//! Ids are kept where no integer has that many bits.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: u128,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
