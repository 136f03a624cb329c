use serde::{Deserialize, Serialize};
use sync::{Query, Syncable};

#[derive(Clone, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins, replica)]
struct Note {
    id: String,
    done: bool,
}

fn find() -> Query<Note> {
    Query::new().filter(Note::DONE.eq(true))
}

fn main() {}
