//! A union cannot be written as JSON.

use sync::Syncable;

#[derive(Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
union Note {
    id: u64,
    text: u64,
}

fn main() {}
