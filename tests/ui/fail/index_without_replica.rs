use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Clone, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: String,
    #[sync(index)]
    title: String,
}

fn main() {}
