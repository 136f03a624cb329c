//! What waits for the user, and cannot be read as the type that the program has now.

use serde::{Deserialize, Serialize};
use sync::testing::{Fault, ScriptedRemote};
use sync::{
    BoxError, Change, Conflict, Engine, Error, HandlerError, MemoryStorage, OnConflict, OnPull, OperationId,
    Outdated, Pulled, Resolution, Schema, SyncState, Syncable,
};

pub mod first {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/tasks", conflict = Manual)]
    pub struct Task {
        pub id: String,
        pub text: String,
    }

    #[derive(Schema)]
    #[sync(entities(Task))]
    pub struct App;

    impl OnPull<Task> for App {}

    impl OnConflict<Task> for App {
        async fn on_conflict(&self, _: Conflict<Task>) -> Result<Resolution<Task>, BoxError> {
            Ok(Resolution::Defer)
        }
    }
}

mod second {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/tasks", conflict = Manual, version = 2, upgrade = upgrade)]
    pub struct Task {
        pub id: String,
        pub words: Vec<String>,
    }

    fn upgrade(stored: Outdated<'_>) -> Result<Task, BoxError> {
        let first::Task { id, text } = stored.read()?;
        if text.is_empty() {
            return Err("a task without words".into());
        }
        Ok(Task { id, words: vec![text] })
    }

    #[derive(Schema)]
    #[sync(entities(Task))]
    pub struct App;

    impl OnPull<Task> for App {
        async fn on_pull(&self, _: Pulled<Task>) -> Result<(), BoxError> {
            Ok(())
        }
    }

    impl OnConflict<Task> for App {
        async fn on_conflict(&self, _: Conflict<Task>) -> Result<Resolution<Task>, BoxError> {
            Ok(Resolution::Defer)
        }
    }
}

/// The struct has changed, and nobody has thought of its version.
mod careless {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/tasks", conflict = ServerWins)]
    pub struct Task {
        pub id: String,
        pub text: u32,
    }

    #[derive(Schema)]
    #[sync(entities(Task))]
    pub struct App;

    impl OnPull<Task> for App {}
}

/// Its ids are numbers now.
mod numbered {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/tasks", conflict = ServerWins)]
    pub struct Task {
        pub id: u64,
        pub text: String,
    }

    #[derive(Schema)]
    #[sync(entities(Task))]
    pub struct App;

    impl OnPull<Task> for App {}
}

fn task(id: &str, text: &str) -> first::Task {
    first::Task { id: id.into(), text: text.into() }
}

async fn open<S: Schema>(app: S, server: &ScriptedRemote, storage: &MemoryStorage) -> Engine<S> {
    Engine::builder(app, server.clone(), storage.clone()).build().await.unwrap()
}

/// The first version pushes two tasks that the server refuses; the second one cannot be upgraded.
async fn refused() -> (ScriptedRemote, MemoryStorage, OperationId) {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    let engine = open(first::App, &server, &storage).await;
    engine.push(&task("a", "milk")).await.unwrap();
    let receipt = engine.push(&task("b", "")).await.unwrap();
    for _ in 0..2 {
        server.once(Fault::Refused(422, "no".to_owned()));
    }
    assert_eq!(engine.flush().await.unwrap().parked, 2);
    engine.shutdown().await;
    (server, storage, receipt.id())
}

/// The list fails as a whole, and says with which record, and which operation, to begin.
fn decode_error<T>(listed: Result<T, Error>) -> (String, Option<OperationId>, String) {
    match listed.map(drop).unwrap_err() {
        error @ Error::Decode { .. } => {
            let text = error.to_string();
            let Error::Decode { record, operation, .. } = error else { unreachable!() };
            (record.to_string(), operation, text)
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_parked_operation_that_cannot_be_upgraded_is_named_and_can_be_discarded() {
    let (server, storage, operation) = refused().await;
    let engine = open(second::App, &server, &storage).await;
    let (record, named, text) = decode_error(engine.parked::<second::Task>().await);
    assert_eq!((record.as_str(), named), ("Task `b`", Some(operation)));
    assert!(text.contains("a task without words") && text.contains("mend `upgrade`"), "{text}");
    assert!(text.ends_with(&format!("give its operation {operation} up with `discard`")), "{text}");
    let state = engine.sync_state::<second::Task>(&"b".into()).await.unwrap();
    assert!(matches!(state, SyncState::Parked { .. }), "{state:?}");
    engine.discard(operation).await.unwrap();
    let parked = engine.parked::<second::Task>().await.unwrap();
    assert_eq!(parked.iter().map(|parked| &*parked.id).collect::<Vec<_>>(), ["a"]);
    assert_eq!(engine.sync_state::<second::Task>(&"b".into()).await.unwrap(), SyncState::Synced);
}

#[tokio::test]
async fn so_is_one_that_does_not_fit_a_struct_whose_version_is_the_same() {
    let (server, storage, operation) = refused().await;
    let engine = open(careless::App, &server, &storage).await;
    let (record, named, text) = decode_error(engine.parked::<careless::Task>().await);
    assert_eq!(record, "Task `a`", "the first of them");
    assert!(text.contains("expected u32") && !text.contains("milk"), "no value is quoted: {text}");
    engine.discard(named.unwrap()).await.unwrap();
    engine.discard(operation).await.unwrap();
    assert!(engine.parked::<careless::Task>().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_deferred_conflict_that_cannot_be_read_is_named_and_can_be_discarded() {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    for id in ["a", "b"] {
        server.put(&task(id, "theirs"));
    }
    let engine = open(first::App, &server, &storage).await;
    engine.push(&task("a", "mine")).await.unwrap();
    engine.push(&task("b", "")).await.unwrap();
    engine.flush().await.unwrap();
    assert_eq!(engine.conflicts::<first::Task>().await.unwrap().len(), 2);
    engine.shutdown().await;
    drop(engine);
    let engine = open(second::App, &server, &storage).await;
    let (record, named, _) = decode_error(engine.conflicts::<second::Task>().await);
    assert_eq!(record, "Task `b`");
    engine.discard(named.unwrap()).await.unwrap();
    let conflicts = engine.conflicts::<second::Task>().await.unwrap();
    assert_eq!(conflicts.iter().map(|deferred| &*deferred.conflict.id).collect::<Vec<_>>(), ["a"]);
}

#[tokio::test]
async fn an_id_that_is_stored_and_is_of_another_type_is_told_of_as_that() {
    let (server, storage, _) = refused().await;
    let engine = open(numbered::App, &server, &storage).await;
    let (record, named, text) = decode_error(engine.parked::<numbered::Task>().await);
    assert_eq!(record, "Task `a`");
    assert!(text.contains("the id does not fit its type"), "{text}");
    let error = engine.discard(named.unwrap()).await.unwrap_err();
    let Error::Handler(error) = error else { panic!("{error:?}") };
    assert!(matches!(&*error, HandlerError::StoredId { .. }), "{error:?}");
    assert!(error.to_string().starts_with("the id of Task `a`, which is stored"), "{error}");
    assert_eq!(engine.status().parked, 2, "it stays parked");
}

/// What `OnPull` of the second version is told.
mod listening {
    use std::sync::{Arc, Mutex};

    use super::*;

    pub type Told = Arc<Mutex<Vec<Change<second::Task>>>>;

    #[derive(Clone, Default, Schema)]
    #[sync(entities(second::Task))]
    pub struct App(pub Told);

    impl OnPull<second::Task> for App {
        async fn on_pull(&self, pulled: Pulled<second::Task>) -> Result<(), BoxError> {
            self.0.lock().unwrap().extend(pulled.changes);
            Ok(())
        }
    }

    impl OnConflict<second::Task> for App {
        async fn on_conflict(&self, _: Conflict<second::Task>) -> Result<Resolution<second::Task>, BoxError> {
            Ok(Resolution::TakeRemote)
        }
    }
}

fn words(id: &str, word: &str) -> second::Task {
    second::Task { id: id.into(), words: vec![word.into()] }
}

#[tokio::test]
async fn a_refused_edit_that_cannot_be_upgraded_holds_up_no_pull() {
    let (server, storage, operation) = refused().await;
    let app = listening::App::default();
    let engine = open(app.clone(), &server, &storage).await;
    server.put(&words("b", "theirs"));
    server.put(&words("c", "new"));
    let report = engine.pull().await.unwrap();
    let told = report.errors.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(
        matches!(&*told, [only] if only.contains("Task `b`") && only.contains("mend `upgrade`")),
        "{told:?}"
    );
    assert_eq!(*app.0.lock().unwrap(), [Change::Upserted(words("c", "new"))]);

    let report = engine.pull().await.unwrap();
    assert!(report.is_clean() && report.pulled == 0, "the cursor is past it: {report:?}");
    // What was pulled is not lost: it takes the place of the edit once that is given up.
    app.0.lock().unwrap().clear();
    engine.discard(operation).await.unwrap();
    engine.pull().await.unwrap();
    assert_eq!(*app.0.lock().unwrap(), [Change::Upserted(words("b", "theirs"))]);
}

/// What waits, and is no longer what it was made on.
#[tokio::test]
async fn an_edit_that_cannot_be_upgraded_holds_up_no_pull() {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    let engine = open(first::App, &server, &storage).await;
    engine.push(&task("b", "")).await.unwrap();
    engine.shutdown().await;
    drop(engine);
    let app = listening::App::default();
    let engine = open(app.clone(), &server, &storage).await;
    server.put(&words("b", "theirs"));
    server.put(&words("c", "new"));
    let report = engine.pull().await.unwrap();
    assert_eq!((report.set_aside, engine.queue_len()), (1, 1), "{report:?}");
    assert_eq!(*app.0.lock().unwrap(), [Change::Upserted(words("c", "new"))]);
    assert!(engine.pull().await.unwrap().is_clean(), "the cursor is past it");

    // Once the edit is given up, what the server has is asked for.
    app.0.lock().unwrap().clear();
    assert_eq!(engine.clear_queue().await.unwrap(), 1);
    engine.pull().await.unwrap();
    assert_eq!(*app.0.lock().unwrap(), [Change::Upserted(words("b", "theirs"))]);
}

#[tokio::test]
async fn what_is_pulled_beside_a_conflict_that_cannot_be_upgraded_is_shown_once_it_is_discarded() {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    server.put(&task("b", "theirs"));
    let engine = open(first::App, &server, &storage).await;
    engine.push(&task("b", "")).await.unwrap();
    engine.flush().await.unwrap();
    assert_eq!(engine.conflicts::<first::Task>().await.unwrap().len(), 1);
    engine.shutdown().await;
    drop(engine);
    let app = listening::App::default();
    let engine = open(app.clone(), &server, &storage).await;
    server.put(&words("b", "newer"));
    let report = engine.pull().await.unwrap();
    let told = report.errors.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(
        matches!(&*told, [only] if only.contains("mend `upgrade`")),
        "nobody can be told of it: {told:?}"
    );
    assert_eq!(*app.0.lock().unwrap(), []);
    let error = engine.conflicts::<second::Task>().await.unwrap_err();
    let Error::Decode { operation: Some(deferred), .. } = error else { panic!("{error}") };
    engine.discard(deferred).await.unwrap();
    assert_eq!(*app.0.lock().unwrap(), [Change::Upserted(words("b", "newer"))]);
}

/// The struct has changed without its version, so what is queued on top of the server's record does not fit it.
#[tokio::test]
async fn an_edit_that_does_not_fit_its_struct_holds_up_no_pull() {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    server.put(&task("a", "theirs"));
    let engine = open(first::App, &server, &storage).await;
    engine.pull().await.unwrap();
    engine.push(&task("a", "mine")).await.unwrap();
    engine.shutdown().await;
    drop(engine);

    let app = unwary::App::default();
    let engine = open(app.clone(), &server, &storage).await;
    server.put(&unwary::Task { id: "a".into(), text: 1 });
    server.put(&unwary::Task { id: "b".into(), text: 2 });
    let report = engine.pull().await.unwrap();
    assert_eq!((report.set_aside, engine.queue_len()), (1, 1), "{report:?}");
    let told = report.errors.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(
        matches!(&*told, [only] if only.contains("Task `a`") && only.contains("raise its `version`") && !only.contains("mine")),
        "{told:?}"
    );
    assert_eq!(*app.0.lock().unwrap(), [Change::Upserted(unwary::Task { id: "b".into(), text: 2 })]);
    let aside = engine.set_aside::<unwary::Task>().await.unwrap();
    assert_eq!(aside[0].item, r#"{"id":"a","text":1}"#);
    assert!(engine.pull().await.unwrap().is_clean(), "the cursor is past it");

    // Once the edit is given up, what the server has is asked for.
    app.0.lock().unwrap().clear();
    assert_eq!(engine.clear_queue().await.unwrap(), 1);
    engine.pull().await.unwrap();
    assert_eq!(*app.0.lock().unwrap(), [Change::Upserted(unwary::Task { id: "a".into(), text: 1 })]);
    assert!(engine.set_aside::<unwary::Task>().await.unwrap().is_empty());
}

/// As `careless`, with a strategy that has to read both sides.
mod unwary {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/tasks", conflict = Manual)]
    pub struct Task {
        pub id: String,
        pub text: u32,
    }

    #[derive(Clone, Default, Schema)]
    #[sync(entities(Task))]
    pub struct App(pub Arc<Mutex<Vec<Change<Task>>>>);

    impl OnPull<Task> for App {
        async fn on_pull(&self, pulled: Pulled<Task>) -> Result<(), BoxError> {
            self.0.lock().unwrap().extend(pulled.changes);
            Ok(())
        }
    }

    impl OnConflict<Task> for App {
        async fn on_conflict(&self, _: Conflict<Task>) -> Result<Resolution<Task>, BoxError> {
            Ok(Resolution::TakeRemote)
        }
    }
}
