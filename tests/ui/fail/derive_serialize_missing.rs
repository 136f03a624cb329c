//! `Serialize` is not derived.

use serde::Deserialize;
use sync::Syncable;

#[derive(Clone, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: String,
}

fn main() {}
