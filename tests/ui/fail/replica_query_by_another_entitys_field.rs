use serde::{Deserialize, Serialize};
use sync::{Query, Syncable};

#[derive(Clone, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins, replica)]
struct Note {
    id: String,
    #[sync(index)]
    done: bool,
}

#[derive(Clone, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/tasks", conflict = ServerWins, replica)]
struct Task {
    id: String,
}

fn find() -> Query<Task> {
    Query::new().filter(Note::DONE.eq(true))
}

fn main() {}
