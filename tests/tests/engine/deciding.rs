//! Order where the user decides about a parent.

use serde::{Deserialize, Serialize};
use sync::testing::{Call, ScriptedRemote};
use sync::{BoxError, Conflict, Engine, MemoryStorage, OnConflict, OnPull, Resolution, Schema, Syncable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/shelves", conflict = Manual)]
struct Shelf {
    id: String,
    label: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/books", conflict = ServerWins)]
struct Book {
    id: String,
    #[sync(references = Shelf)]
    shelf: String,
}

#[derive(Schema)]
#[sync(entities(Shelf, Book))]
struct App;
impl OnPull<Shelf> for App {}
impl OnPull<Book> for App {}
impl OnConflict<Shelf> for App {
    async fn on_conflict(&self, _: Conflict<Shelf>) -> Result<Resolution<Shelf>, BoxError> {
        Ok(Resolution::Defer)
    }
}

fn shelf(id: &str, label: &str) -> Shelf {
    Shelf { id: id.into(), label: label.into() }
}

fn book(shelf: &str) -> Book {
    Book { id: "book".into(), shelf: shelf.into() }
}

#[tokio::test]
async fn a_parent_that_is_deleted_by_a_decision_waits_for_what_was_edited_before_that() {
    let server = ScriptedRemote::new();
    let engine = Engine::builder(App, server.clone(), MemoryStorage::new());
    let engine = engine.max_in_flight(1).build().await.unwrap();
    engine.push_all(&[shelf("old", "mine"), shelf("new", "mine")]).await.unwrap();
    engine.push(&book("old")).await.unwrap();
    engine.full_sync().await.unwrap();
    server.put(&shelf("old", "theirs"));
    engine.push(&shelf("old", "mine, too")).await.unwrap();
    engine.flush().await.unwrap();
    let conflicts = engine.conflicts::<Shelf>().await.unwrap();
    let [conflict] = &conflicts[..] else { panic!("one conflict: {conflicts:?}") };
    engine.push(&book("new")).await.unwrap();
    engine.answer(conflict.operation, Resolution::<Shelf>::Delete).await.unwrap();
    engine.flush().await.unwrap();
    let writes = server.calls().into_iter().filter_map(|call| match call {
        Call::Write { verb, key, .. } => Some(format!("{verb} {key}")),
        _ => None,
    });
    let writes: Vec<_> = writes.collect();
    assert_eq!(writes[writes.len() - 2..], ["update book", "delete old"]);
    assert_eq!(engine.queue_len(), 0);
}
