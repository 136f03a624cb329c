//! All mistakes are shown at once, each where it was made.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Clone, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "notes", conflict = LastWriteWins, nam = "note")]
struct Note {
    key: String,
    #[sync(refrences = Folder)]
    folder: u64,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
