//! A struct that has changed while its operations were under way, and nobody has thought of its version.

use std::sync::{Arc, Mutex};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use sync::testing::{Call, Fault, ManualClock, ScriptedRemote};
use sync::{
    BoxError, Change, Conflict, Engine, HandlerError, MemoryStorage, OnConflict, OnPull, OperationId, Pulled,
    Resolution, Schema, SyncError, Syncable,
};

use crate::unreadable::first;

/// As it is now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/tasks", conflict = Manual)]
struct Task {
    id: String,
    text: u32,
}

/// What the application was told of, and asked about.
#[derive(Clone, Default, Schema)]
#[sync(entities(Task))]
struct App {
    told: Arc<Mutex<Vec<Change<Task>>>>,
    asked: Arc<Mutex<Vec<Conflict<Task>>>>,
}

impl OnPull<Task> for App {
    async fn on_pull(&self, pulled: Pulled<Task>) -> Result<(), BoxError> {
        self.told.lock().unwrap().extend(pulled.changes);
        Ok(())
    }
}

impl OnConflict<Task> for App {
    async fn on_conflict(&self, conflict: Conflict<Task>) -> Result<Resolution<Task>, BoxError> {
        self.asked.lock().unwrap().push(conflict);
        Ok(Resolution::KeepLocal)
    }
}

fn was(text: &str) -> first::Task {
    first::Task { id: "a".into(), text: text.into() }
}

fn is(text: u32) -> Task {
    Task { id: "a".into(), text }
}

/// The program before, the storage that both use, and the time.
struct Story {
    server: ScriptedRemote,
    storage: MemoryStorage,
    clock: ManualClock,
}

impl Story {
    fn new() -> Self {
        Self { server: ScriptedRemote::new(), storage: MemoryStorage::new(), clock: ManualClock::default() }
    }

    async fn open<S: Schema>(&self, app: S) -> Engine<S> {
        let builder = Engine::builder(app, self.server.clone(), self.storage.clone());
        builder.clock(self.clock.clone()).build().await.unwrap()
    }

    /// The program before sends a task, and never learns what became of it.
    async fn a_lost_answer(&self, then: &[first::Task]) -> OperationId {
        let engine = self.open(first::App).await;
        let sent = engine.push(&was("one")).await.unwrap().id();
        self.server.once(Fault::AnswerLost);
        engine.flush().await.unwrap();
        for task in then {
            engine.push(task).await.unwrap();
        }
        engine.shutdown().await;
        self.clock.advance(TimeDelta::hours(1));
        sent
    }

    fn sent(&self, operation: OperationId) -> usize {
        let calls = self.server.calls();
        let is_it = |call: &&Call| matches!(call, Call::Write { operation: id, .. } if *id == operation);
        calls.iter().filter(is_it).count()
    }
}

#[tokio::test]
async fn an_answer_about_a_record_whose_edit_does_not_fit_is_written_down() {
    let story = Story::new();
    let operation = story.a_lost_answer(&[was("two")]).await;
    let app = App::default();
    let engine = story.open(app.clone()).await;
    story.server.script(|call| match call {
        Call::Write { .. } => Fault::AcceptedAs(r#"{"id":"a","text":7}"#.to_owned()),
        _ => Fault::None,
    });
    let report = engine.flush().await.unwrap();
    assert_eq!((report.pushed, engine.queue_len()), (2, 0), "{report:?}");
    let [error] = &*report.errors else { panic!("{report:?}") };
    assert!(matches!(**error, SyncError::Handler(HandlerError::Misfit { .. })), "{error}");
    for _ in 0..3 {
        story.clock.advance(TimeDelta::hours(1));
        assert!(engine.flush().await.unwrap().is_clean());
    }
    assert_eq!(story.sent(operation), 2, "once by each program");
    assert_eq!(*app.told.lock().unwrap(), [Change::Upserted(is(7))], "once its last edit is through");
}

#[tokio::test]
async fn a_refused_operation_that_does_not_fit_is_parked() {
    let story = Story::new();
    let operation = story.a_lost_answer(&[]).await;
    let engine = story.open(App::default()).await;
    story.server.put(&is(5));
    engine.pull().await.unwrap();
    story.server.once(Fault::Refused(422, "no".to_owned()));
    let report = engine.flush().await.unwrap();
    assert_eq!((report.parked, engine.queue_len()), (1, 0), "{report:?}");
    engine.discard(operation).await.unwrap();
}

#[tokio::test]
async fn an_ancestor_that_does_not_fit_is_none() {
    let story = Story::new();
    story.server.put(&was("base"));
    let engine = story.open(first::App).await;
    engine.pull().await.unwrap();
    drop(engine);
    let app = App::default();
    let engine = story.open(app.clone()).await;
    engine.push(&is(5)).await.unwrap();
    story.server.put(&is(9));
    let report = engine.flush().await.unwrap();
    let asked = app.asked.lock().unwrap().clone();
    let [Conflict { base: None, local: Some(local), remote: Some(remote), .. }] = &*asked else {
        panic!("{asked:?}, {report:?}")
    };
    assert_eq!((local.text, remote.text), (5, 9));
    assert_eq!((engine.queue_len(), &story.server.records::<Task>()["a"]), (0, &is(5)));
}
