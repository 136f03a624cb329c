//! Folders in folders: what refers to a record of its own kind, and to one that refers back.

use chrono::TimeDelta;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use sync::testing::{Call, Fault, Gate, ManualClock, ScriptedRemote};
use sync::{Engine, Error, MemoryStorage, OnPull, Schema, SyncEvent, SyncState, Syncable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/folders", conflict = ServerWins)]
struct Folder {
    id: String,
    #[sync(references = Folder)]
    parent: Option<String>,
}

#[derive(Schema)]
#[sync(entities(Folder))]
struct App;
impl OnPull<Folder> for App {}

fn folder(id: &str, parent: Option<&str>) -> Folder {
    Folder { id: id.into(), parent: parent.map(Into::into) }
}

/// What refers to a record and the record itself come in one page.
#[tokio::test]
async fn a_child_is_let_go_by_the_page_that_shows_it_and_its_parent() {
    let (server, clock, storage) = (ScriptedRemote::new(), ManualClock::default(), MemoryStorage::new());
    let engine = || Engine::builder(App, server.clone(), storage.clone()).clock(clock.clone()).build();
    let lose = |fault: Fault| {
        server.script(move |call| match call {
            Call::Write { key, .. } if key == "parent" => fault.clone(),
            _ => Fault::None,
        });
    };
    // The server has the parent, and its answer does not come before the program ends.
    let first = engine().await.unwrap();
    let mut events = first.events();
    lose(Fault::Hold(Gate::new()));
    first.push(&folder("parent", None)).await.unwrap();
    first.push(&folder("child", None)).await.unwrap();
    let flush = tokio::spawn({
        let first = first.clone();
        async move { first.flush().await }
    });
    while !matches!(events.next().await, Some(SyncEvent::Pushed { .. })) {}
    flush.abort();
    drop((first, events));
    assert!(flush.await.is_err());
    let engine = loop {
        match engine().await {
            Err(Error::Storage(_)) => tokio::task::yield_now().await,
            built => break built.unwrap(),
        }
    };
    lose(Fault::RequestLost);
    engine.push(&folder("child", Some("parent"))).await.unwrap();
    engine.flush().await.unwrap();
    let state = engine.sync_state::<Folder>(&"child".into()).await.unwrap();
    assert!(matches!(state, SyncState::Blocked { .. }), "{state:?}");
    server.heal();
    assert_eq!(engine.pull().await.unwrap().pulled, 2);
    clock.advance(TimeDelta::hours(2));
    engine.flush().await.unwrap();
    assert_eq!(engine.queue_len(), 0);
    assert_eq!(server.records::<Folder>()["child"], folder("child", Some("parent")));
}

/// One of them has to go first. Which, is nobody's promise.
#[tokio::test]
async fn records_that_refer_to_each_other_are_sent_all_the_same() {
    let circles: [&[_]; 3] = [
        &[folder("a", Some("a"))],
        &[folder("a", Some("b")), folder("b", Some("a"))],
        &[folder("a", Some("b")), folder("b", Some("c")), folder("c", Some("a"))],
    ];
    for circle in circles {
        let server = ScriptedRemote::new();
        let engine = Engine::builder(App, server.clone(), MemoryStorage::new()).build().await.unwrap();
        for folder in circle {
            engine.push(folder).await.unwrap();
        }
        engine.flush().await.unwrap();
        assert_eq!(engine.queue_len(), 0, "{circle:?}");
        let sent: Vec<_> = server.records::<Folder>().into_values().collect();
        assert_eq!(sent, circle);
    }
}

/// The first of the children waits for that deletion itself.
#[tokio::test]
async fn a_parent_is_deleted_after_each_earlier_child_that_does_not_wait_for_that() {
    let (server, clock) = (ScriptedRemote::new(), ManualClock::default());
    let storage = MemoryStorage::new();
    let engine = Engine::builder(App, server.clone(), storage).clock(clock.clone()).build().await.unwrap();
    let first = folder("first", Some("parent"));
    engine.push_all(&[folder("parent", Some("first")), first.clone()]).await.unwrap();
    engine.push(&folder("second", Some("parent"))).await.unwrap();
    engine.flush().await.unwrap();
    engine.push(&first).await.unwrap();
    engine.push(&folder("second", None)).await.unwrap();
    engine.delete::<Folder>(&"parent".into()).await.unwrap();
    engine.delete::<Folder>(&"first".into()).await.unwrap();
    server.script(|call| match call {
        Call::Write { key, .. } if key == "second" => Fault::Transient(500),
        _ => Fault::None,
    });
    engine.flush().await.unwrap();
    let on_the_server: Vec<_> = server.records::<Folder>().into_keys().collect();
    assert_eq!(on_the_server, ["first", "parent", "second"]);
    server.heal();
    clock.advance(TimeDelta::hours(2));
    engine.flush().await.unwrap();
    assert_eq!(engine.queue_len(), 0);
    let on_the_server: Vec<_> = server.records::<Folder>().into_values().collect();
    assert_eq!(on_the_server, [folder("second", None)]);
}

#[tokio::test]
async fn a_circle_of_which_one_waits_for_the_other_is_sent_after_a_restart() {
    let (server, clock, storage) = (ScriptedRemote::new(), ManualClock::default(), MemoryStorage::new());
    let engine = || Engine::builder(App, server.clone(), storage.clone()).clock(clock.clone()).build();
    let first = engine().await.unwrap();
    first.push_all(&[folder("a", Some("b")), folder("b", Some("a"))]).await.unwrap();
    server.script(|_| Fault::Transient(500));
    first.flush().await.unwrap();
    let mut states = Vec::new();
    for id in ["a", "b"] {
        states.push(first.sync_state::<Folder>(&id.into()).await.unwrap());
    }
    let blocked = states.iter().filter(|state| matches!(state, SyncState::Blocked { .. })).count();
    assert_eq!(blocked, 1, "{states:?}");
    drop(first);
    server.heal();
    clock.advance(TimeDelta::hours(2));
    let engine = engine().await.unwrap();
    engine.flush().await.unwrap();
    assert_eq!((engine.queue_len(), server.records::<Folder>().len()), (0, 2));
}
