//! What the server sends, and the program reads without being able to write it again.

use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize, Serializer};
use sync::testing::{Fault, ScriptedRemote};
use sync::{BoxError, Change, Engine, MemoryStorage, OnPull, Pulled, Schema, Syncable};

/// Whatever the server has come up with since is read as `Unknown`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Status {
    Open,
    #[serde(other, skip_serializing)]
    Unknown,
}

/// A status whose `Serialize` is even less careful.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Rash {
    Open,
    #[serde(other)]
    Unknown,
}

impl Serialize for Rash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        assert_eq!(*self, Self::Open, "nobody writes this");
        serializer.serialize_str("open")
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/tasks", conflict = Merge)]
struct Task {
    id: String,
    status: Status,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/rash-tasks", conflict = Merge)]
struct RashTask {
    id: String,
    status: Rash,
}

/// Of these, nothing but the version is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/plain-tasks", conflict = ServerWins)]
struct PlainTask {
    id: String,
    status: Rash,
}

#[derive(Clone, Default, Schema)]
#[sync(entities(Task, RashTask, PlainTask))]
struct App(Arc<Mutex<Vec<String>>>);

impl App {
    fn take<T: Syncable<Id = String>>(&self, pulled: &Pulled<T>) {
        self.0.lock().unwrap().extend(pulled.changes.iter().map(Change::id).cloned());
    }

    /// Which records it was told of since it was asked last.
    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl OnPull<Task> for App {
    async fn on_pull(&self, pulled: Pulled<Task>) -> Result<(), BoxError> {
        self.take(&pulled);
        Ok(())
    }
}

impl OnPull<RashTask> for App {
    async fn on_pull(&self, pulled: Pulled<RashTask>) -> Result<(), BoxError> {
        self.take(&pulled);
        Ok(())
    }
}

impl OnPull<PlainTask> for App {
    async fn on_pull(&self, pulled: Pulled<PlainTask>) -> Result<(), BoxError> {
        self.take(&pulled);
        Ok(())
    }
}

async fn open(server: &ScriptedRemote) -> (App, Engine<App>) {
    let app = App::default();
    let engine = Engine::builder(app.clone(), server.clone(), MemoryStorage::new()).build().await.unwrap();
    (app, engine)
}

fn archived() -> Fault {
    Fault::ExtraItem(r#"{"id":"b","status":"archived"}"#.to_owned())
}

#[tokio::test]
async fn an_item_that_cannot_be_written_again_is_kept_aside_and_the_rest_goes_through() {
    let server = ScriptedRemote::new();
    let (app, engine) = open(&server).await;
    server.put(&Task { id: "a".to_owned(), status: Status::Open });
    server.once(archived());
    let report = engine.pull_only::<Task>().await.unwrap();
    assert_eq!((report.pulled, report.set_aside, app.told()), (1, 1, vec!["a".to_owned()]));
    let told = report.errors[0].to_string();
    assert!(
        told.starts_with("Task `b`: a pulled item cannot be read") && told.contains("Status::Unknown"),
        "{told}"
    );
    let aside = engine.set_aside::<Task>().await.unwrap();
    assert_eq!(aside[0].item, r#"{"id":"b","status":"archived"}"#);

    server.put(&Task { id: "c".to_owned(), status: Status::Open });
    let report = engine.pull_only::<Task>().await.unwrap();
    assert!(report.is_clean(), "the cursor is past it: {report:?}");
    assert_eq!(app.told(), ["c"]);
}

#[tokio::test]
async fn so_is_one_whose_serialize_panics() {
    let server = ScriptedRemote::new();
    let (app, engine) = open(&server).await;
    server.put(&RashTask { id: "a".to_owned(), status: Rash::Open });
    server.once(archived());
    let report = engine.pull_only::<RashTask>().await.unwrap();
    assert_eq!((report.pulled, report.set_aside, app.told()), (1, 1, vec!["a".to_owned()]));
    let told = report.errors[0].to_string();
    assert!(told.contains("writing it panicked"), "{told}");
}

#[tokio::test]
async fn one_of_which_nothing_is_kept_is_handed_over_whatever_waits() {
    let server = ScriptedRemote::new();
    let (app, engine) = open(&server).await;
    server.put(&PlainTask { id: "a".to_owned(), status: Rash::Open });
    engine.pull_only::<PlainTask>().await.unwrap();
    let position = sync::remote::Position::Beginning;
    let item = |id: &str| sync::remote::PageItem::Record {
        version: Some(sync::record::Version::new("7")),
        body: format!(r#"{{"id":"{id}","status":"archived"}}"#).into(),
    };
    engine.push(&PlainTask { id: "c".to_owned(), status: Rash::Open }).await.unwrap();
    app.told();
    let page = sync::remote::Page { items: vec![item("a"), item("b")], position };
    server.once(Fault::Page(Box::new(page)));
    let report = engine.pull_only::<PlainTask>().await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(app.told(), ["a", "b"]);
}
