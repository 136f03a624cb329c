//! The id of a public entity has a type that its users do not know.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
pub struct Note {
    title: String,
    id: NoteId,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct NoteId(u64);

sync_ui_tests::in_an_app!(Note);

fn main() {}
