use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Clone, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins, replica)]
struct Note {
    id: String,
    #[serde(skip)]
    #[sync(index)]
    title: String,
}

fn main() {}
