//! `Clone` is not derived.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: String,
}

fn main() {}
