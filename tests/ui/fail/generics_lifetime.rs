//! A record outlives the call that pushes it, so it owns what it holds.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note<'a> {
    id: u64,
    title: &'a str,
}

fn main() {}
