//! The struct has a member more than when its records were stored, and no other version for that: serde's default reads them.

use serde::{Deserialize, Serialize};
use sync::testing::{Call, Fault, ScriptedRemote};
use sync::{Engine, MemoryStorage, OnPull, Schema, Syncable};

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
    Engine::builder(app, server.clone(), storage.clone()).build().await.unwrap()
}

/// As before and after, and kept by the engine.
mod kept {
    pub(crate) mod before {
        use super::super::*;

        #[derive(Clone, Serialize, Deserialize, Syncable)]
        #[sync(endpoint = "/memos", conflict = ServerWins, replica)]
        pub(crate) struct Memo {
            pub(crate) id: String,
            pub(crate) text: String,
        }

        #[derive(Schema)]
        #[sync(entities(Memo))]
        pub(crate) struct App;
    }

    pub(crate) mod after {
        use super::super::*;

        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
        #[sync(endpoint = "/memos", conflict = ServerWins, replica)]
        pub(crate) struct Memo {
            pub(crate) id: String,
            pub(crate) text: String,
            #[serde(default)]
            pub(crate) pinned: bool,
        }

        #[derive(Schema)]
        #[sync(entities(Memo))]
        pub(crate) struct App;
    }
}

#[tokio::test]
async fn a_member_that_is_new_is_fetched_before_it_is_sent() {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    server.put(&kept::after::Memo { id: "a".into(), text: "theirs".into(), pinned: true });
    let engine = open(kept::before::App, &server, &storage).await;
    engine.pull().await.unwrap();
    engine.shutdown().await;
    drop(engine);
    let engine = open(kept::after::App, &server, &storage).await;
    let memo = engine.get::<kept::after::Memo>(&"a".into()).await.unwrap().unwrap();
    engine.push(&kept::after::Memo { text: "mine".into(), ..memo }).await.unwrap();
    assert!(engine.flush().await.unwrap().is_clean());
    let there = &server.records::<kept::after::Memo>()["a"];
    assert_eq!((&*there.text, there.pinned), ("mine", true));
}

/// The member that is new is inside of another one.
mod inside {
    pub(crate) mod before {
        use super::super::*;

        #[derive(Clone, Serialize, Deserialize)]
        pub(crate) struct Source {
            pub(crate) page: u32,
        }

        #[derive(Clone, Serialize, Deserialize, Syncable)]
        #[sync(endpoint = "/memos", conflict = ServerWins, replica)]
        pub(crate) struct Memo {
            pub(crate) id: String,
            pub(crate) text: String,
            pub(crate) source: Source,
        }

        #[derive(Schema)]
        #[sync(entities(Memo))]
        pub(crate) struct App;
    }

    pub(crate) mod after {
        use super::super::*;

        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub(crate) struct Source {
            pub(crate) page: u32,
            #[serde(default)]
            pub(crate) book: String,
        }

        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
        #[sync(endpoint = "/memos", conflict = ServerWins, replica)]
        pub(crate) struct Memo {
            pub(crate) id: String,
            pub(crate) text: String,
            pub(crate) source: Source,
        }

        #[derive(Schema)]
        #[sync(entities(Memo))]
        pub(crate) struct App;
    }
}

#[tokio::test]
async fn a_member_inside_of_another_one_is_fetched_before_it_is_sent() {
    use inside::after::{Memo, Source};
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    let theirs = |id: &str| Memo {
        id: id.into(),
        text: "theirs".into(),
        source: Source { page: 7, book: "theirs".into() },
    };
    server.put(&theirs("a"));
    server.put(&theirs("b"));
    let engine = open(inside::before::App, &server, &storage).await;
    engine.pull().await.unwrap();
    engine.shutdown().await;
    drop(engine);
    let engine = open(inside::after::App, &server, &storage).await;
    let memo = engine.get::<Memo>(&"a".into()).await.unwrap().unwrap();
    engine.push(&Memo { text: "mine".into(), ..memo }).await.unwrap();
    let memo = engine.get::<Memo>(&"b".into()).await.unwrap().unwrap();
    engine.push(&Memo { source: Source { page: 8, ..memo.source }, ..memo }).await.unwrap();
    let report = engine.flush().await.unwrap();
    assert!(report.is_clean() && report.pushed == 2, "{report:?}");
    let there = server.records::<Memo>();
    assert_eq!(there["a"], Memo { text: "mine".into(), ..theirs("a") });
    assert_eq!(there["b"], Memo { source: Source { page: 8, book: "theirs".into() }, ..theirs("b") });
}

#[tokio::test]
async fn what_cannot_be_fetched_is_looked_for_once() {
    use inside::after::{Memo, Source};
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    let source = Source { page: 7, book: "theirs".into() };
    server.put(&Memo { id: "a".into(), text: "theirs".into(), source });
    let engine = open(inside::before::App, &server, &storage).await;
    engine.pull().await.unwrap();
    engine.shutdown().await;
    drop(engine);
    let engine = open(inside::after::App, &server, &storage).await;
    server.script(|call| match call {
        Call::Pull { .. } => Fault::Refused(405, "no lists".to_owned()),
        _ => Fault::None,
    });
    for text in ["mine", "mine again"] {
        let memo = engine.get::<Memo>(&"a".into()).await.unwrap().unwrap();
        engine.push(&Memo { text: text.into(), ..memo }).await.unwrap();
        engine.flush().await.unwrap();
        assert_eq!(server.records::<Memo>()["a"].text, text);
    }
    let asked = server.calls().into_iter().filter(|call| matches!(call, Call::Pull { .. })).count();
    assert_eq!(asked, 2, "once before the struct had changed, and once after");
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
    let report = engine.pull().await.unwrap();
    assert_eq!((report.conflicts, report.remaining), (0, 1), "{report:?}");
    engine.flush().await.unwrap();
    assert_eq!(server.records::<after::Memo>()["a"].text, "mine");
}
