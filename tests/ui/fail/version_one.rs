use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Clone, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins, version = 1, upgrade = upgrade)]
struct Note {
    id: String,
    title: String,
}

fn upgrade(stored: sync::Outdated<'_>) -> Result<Note, sync::BoxError> {
    stored.read()
}

fn main() {}
