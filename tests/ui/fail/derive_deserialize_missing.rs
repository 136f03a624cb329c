//! `Deserialize` is not derived.

use serde::Serialize;
use sync::Syncable;

#[derive(Clone, Serialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: String,
}

fn main() {}
