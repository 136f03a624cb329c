use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Clone, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins, version = 2)]
struct Note {
    id: String,
    title: String,
}

fn main() {}
