//! Entities of another crate are listed by their path, and referred to as if they were here.

use serde::{Deserialize, Serialize};
use sync::{
    BoxError, Conflict, Engine, EntityOf, Error, MemoryStorage, OnConflict, OnPull, Resolution, Schema, Syncable,
};
use sync_ui_tests::entities::{self, Task};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/comments", conflict = ClientWins)]
struct Comment {
    id: u64,
    #[sync(references = sync_ui_tests::entities::Note)]
    note: String,
}

#[derive(Schema)]
#[sync(entities(entities::Note, Task, Comment))]
struct App;

impl OnPull<entities::Note> for App {}
impl OnPull<Task> for App {}
impl OnPull<Comment> for App {}

impl OnConflict<Task> for App {
    async fn on_conflict(&self, _: Conflict<Task>) -> Result<Resolution<Task>, BoxError> {
        Ok(Resolution::TakeRemote)
    }
}

/// Another schema may list them as well.
#[derive(Schema)]
#[sync(entities(sync_ui_tests::entities::Note))]
struct Reader;

impl OnPull<entities::Note> for Reader {}

async fn push(engine: &Engine<App>) -> Result<(), Error> {
    engine.push(&entities::Note { id: "a".into(), title: "title".into() }).await?;
    engine.push(&Comment { id: 1, note: "a".into() }).await?;
    Ok(())
}

fn listed<S: Schema, T: EntityOf<S>>() -> &'static str {
    T::ENTITY.name
}

fn main() {
    let _ = (push, MemoryStorage::new);
    assert_eq!(listed::<App, entities::Note>(), "Note");
    assert_eq!(listed::<Reader, entities::Note>(), "Note");
    assert_eq!(Comment::ENTITY.references, ["Note"]);
}
