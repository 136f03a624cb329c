//! The last state that the server is known to have had, and when its value is fetched.

use serde::{Deserialize, Serialize};
use sync::testing::{Call, ScriptedRemote};
use sync::{Engine, MemoryStorage, OnPull, Remote, Schema, Syncable};

/// No ancestor is needed, so none is kept.
mod before {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/pages", conflict = ServerWins)]
    pub struct Page {
        pub id: String,
        pub title: String,
        pub body: String,
    }

    #[derive(Schema)]
    #[sync(entities(Page))]
    pub struct App;

    impl OnPull<Page> for App {}
}

mod after {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/pages", conflict = Merge)]
    pub struct Page {
        pub id: String,
        pub title: String,
        pub body: String,
    }

    #[derive(Schema)]
    #[sync(entities(Page))]
    pub struct App;

    impl OnPull<Page> for App {}
}

fn page(title: &str, body: &str) -> after::Page {
    after::Page { id: "a".into(), title: title.into(), body: body.into() }
}

async fn open<S: Schema>(app: S, remote: impl Remote, storage: &MemoryStorage) -> Engine<S> {
    Engine::builder(app, remote, storage.clone()).build().await.unwrap()
}

/// A storage in which the program before has pulled the page, and edited it if that is asked for.
async fn used_before(server: &ScriptedRemote, edit: Option<&str>) -> MemoryStorage {
    let storage = MemoryStorage::new();
    server.put(&page("title", "body"));
    let engine = open(before::App, server.clone(), &storage).await;
    engine.pull().await.unwrap();
    if let Some(title) = edit {
        let edited = before::Page { id: "a".into(), title: title.into(), body: "body".into() };
        engine.push(&edited).await.unwrap();
    }
    engine.shutdown().await;
    storage
}

#[tokio::test]
async fn a_program_that_begins_to_need_ancestors_fetches_them() {
    let server = ScriptedRemote::new();
    let storage = used_before(&server, None).await;
    let engine = open(after::App, server.clone(), &storage).await;
    engine.full_sync().await.unwrap();
    engine.push(&page("mine", "body")).await.unwrap();
    server.put(&page("title", "theirs"));
    engine.full_sync().await.unwrap();
    assert_eq!(server.records::<after::Page>()["a"], page("mine", "theirs"));
    engine.shutdown().await;
    drop(engine);
    let before = server.calls().len();
    open(after::App, server.clone(), &storage).await.pull().await.unwrap();
    assert!(
        matches!(&server.calls()[before..], [Call::Pull { since: Some(_), .. }]),
        "once: {:?}",
        &server.calls()[before..]
    );
}

#[tokio::test]
async fn it_does_so_under_an_edit_that_waits() {
    let server = ScriptedRemote::new();
    let storage = used_before(&server, Some("mine")).await;
    let engine = open(after::App, server.clone(), &storage).await;
    engine.pull().await.unwrap();
    server.put(&page("title", "theirs"));
    engine.full_sync().await.unwrap();
    assert_eq!(server.records::<after::Page>()["a"], page("mine", "theirs"));
}
