//! `name = …`: a struct that was renamed keeps its queue.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins, name = "Note")]
struct Memo {
    id: String,
}

fn main() {
    assert_eq!(Memo::ENTITY.name, "Note");
    assert_eq!(Memo::NAME, "Note");
    assert_eq!(Memo::ENTITY.entity_name().as_str(), "Note");
}
