//! Only entities can be referred to.

use serde::{Deserialize, Serialize};
use sync::Syncable;

struct Folder;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: String,
    #[sync(references = Folder)]
    folder_id: u64,
}

fn main() {}
