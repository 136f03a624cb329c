//! A public entity refers to several others, of which its users do not know one.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
pub struct Note {
    id: u64,
    #[sync(references = Note)]
    parent: Option<u64>,
    #[sync(references = Folder)]
    folder: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/folders", conflict = ServerWins)]
struct Folder {
    id: u64,
}

sync_ui_tests::in_an_app!(Note, Folder);

fn main() {}
