//! The struct has a member more than when its records were stored, and no other version for that: serde's default reads them.

use serde::{Deserialize, Serialize};
use sync::testing::{Call, Fault, ScriptedRemote};
use sync::{Engine, MemoryStorage, OnPull, RetryPolicy, Schema, SyncState, Syncable};

mod before {
    use super::*;

    #[derive(Clone, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/memos", conflict = ServerWins)]
    pub(crate) struct Memo {
        pub(crate) id: String,
        pub(crate) text: String,
    }

    #[derive(Schema)]
    #[sync(entities(Memo))]
    pub(crate) struct App;
    impl OnPull<Memo> for App {}
}

mod after {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/memos", conflict = ServerWins)]
    pub(crate) struct Memo {
        pub(crate) id: String,
        pub(crate) text: String,
        #[serde(default)]
        pub(crate) pinned: bool,
    }

    #[derive(Schema)]
    #[sync(entities(Memo))]
    pub(crate) struct App;
    impl OnPull<Memo> for App {}
}

fn memo(text: &str) -> before::Memo {
    before::Memo { id: "a".into(), text: text.into() }
}

async fn open<S: Schema>(app: S, server: &ScriptedRemote, storage: &MemoryStorage) -> Engine<S> {
    let at_once = RetryPolicy { base: std::time::Duration::ZERO, max_attempts: 1, ..RetryPolicy::default() };
    let builder = Engine::builder(app, server.clone(), storage.clone()).retry(at_once);
    builder.build().await.unwrap()
}

#[tokio::test]
async fn what_was_sent_is_known_again() {
    for server in [ScriptedRemote::new(), ScriptedRemote::without_versions()] {
        let storage = MemoryStorage::new();
        let engine = open(before::App, &server, &storage).await;
        engine.push(&memo("sent")).await.unwrap();
        server.once(Fault::AnswerLost);
        engine.flush().await.unwrap();
        drop(engine);
        let engine = open(after::App, &server, &storage).await;
        let report = engine.pull().await.unwrap();
        assert_eq!((report.pushed, report.conflicts), (1, 0), "{report:?}");
        assert_eq!(engine.queue_len(), 0);
    }
}

#[tokio::test]
async fn what_the_server_had_is_known_again() {
    let (server, storage) = (ScriptedRemote::without_versions(), MemoryStorage::new());
    server.put(&memo("theirs"));
    let engine = open(before::App, &server, &storage).await;
    engine.pull().await.unwrap();
    engine.push(&memo("mine")).await.unwrap();
    drop(engine);
    let engine = open(after::App, &server, &storage).await;
    // Somebody has looked at it, and changed nothing.
    server.put(&memo("theirs"));
    let report = engine.full_sync().await.unwrap();
    assert_eq!(report.conflicts, 0, "{report:?}");
    let report = engine.pull().await.unwrap();
    assert_eq!(report.conflicts, 0, "{report:?}");
    assert_eq!(server.records::<after::Memo>()["a"].text, "mine");
}

#[tokio::test]
async fn what_is_sent_again_by_hand_is_sent_as_it_was() {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    let engine = open(before::App, &server, &storage).await;
    let receipt = engine.push(&memo("sent")).await.unwrap();
    server.once(Fault::Transient(500));
    engine.flush().await.unwrap();
    drop(engine);
    let engine = open(after::App, &server, &storage).await;
    // The row is written anew, with what is seen beside it.
    server.put(&after::Memo { id: "a".into(), text: "theirs".into(), pinned: true });
    engine.pull().await.unwrap();
    engine.retry(receipt.id()).await.unwrap();
    assert!(matches!(
        engine.sync_state::<after::Memo>(&"a".into()).await.unwrap(),
        SyncState::InFlight { .. }
    ));
    engine.flush().await.unwrap();
    let sent = server.calls().into_iter().filter_map(|call| match call {
        Call::Write { payload: Some(payload), .. } => Some(payload.as_str().to_owned()),
        _ => None,
    });
    assert_eq!(sent.collect::<Vec<_>>(), [r#"{"id":"a","text":"sent"}"#; 2], "under one idempotency key");
}
