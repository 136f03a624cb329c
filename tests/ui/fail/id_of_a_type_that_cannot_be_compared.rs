//! Ids are compared.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Key(String);

#[derive(Clone, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: Key,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
