//! The last state that the server is known to have had: when its value is fetched, and which version is known with it.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sync::record::RecordKey;
use sync::remote::{Fetched, Page, PageItem, PullRequest, Reply, WriteAnswer, WriteRequest};
use sync::testing::{Call, ScriptedRemote};
use sync::{Engine, EntityInfo, MemoryStorage, OnPull, Remote, RemoteError, Schema, Syncable};

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

/// A server whose answers tell versions, and whose lists tell none.
#[derive(Debug)]
struct Unversioned(ScriptedRemote);

#[async_trait]
impl Remote for Unversioned {
    async fn send(&self, request: WriteRequest) -> Result<Reply<WriteAnswer>, RemoteError> {
        self.0.send(request).await
    }

    async fn pull(&self, request: PullRequest) -> Result<Reply<Page>, RemoteError> {
        let mut reply = self.0.pull(request).await?;
        for item in &mut reply.answer.items {
            if let PageItem::Record { version, .. } = item {
                *version = None;
            }
        }
        Ok(reply)
    }

    async fn fetch(
        &self,
        entity: &'static EntityInfo,
        key: &RecordKey,
    ) -> Result<Reply<Fetched>, RemoteError> {
        self.0.fetch(entity, key).await
    }

    async fn probe(&self) -> Result<(), RemoteError> {
        self.0.probe().await
    }
}

#[tokio::test]
async fn a_version_that_an_answer_told_outlives_a_list_without_versions() {
    let server = ScriptedRemote::new();
    let engine = open(after::App, Unversioned(server.clone()), &MemoryStorage::new()).await;
    engine.push(&page("title", "body")).await.unwrap();
    engine.full_sync().await.unwrap();
    server.put(&page("title", "theirs"));
    engine.push(&page("mine", "body")).await.unwrap();
    engine.flush().await.unwrap();
    assert_eq!(server.records::<after::Page>()["a"], page("mine", "theirs"), "neither is overwritten");
}

#[tokio::test]
async fn it_does_not_outlive_a_list_that_shows_something_else() {
    let server = ScriptedRemote::new();
    let engine = open(after::App, Unversioned(server.clone()), &MemoryStorage::new()).await;
    engine.push(&page("title", "body")).await.unwrap();
    engine.full_sync().await.unwrap();
    server.put(&page("title", "theirs"));
    engine.pull().await.unwrap();
    engine.push(&page("mine", "theirs")).await.unwrap();
    let report = engine.flush().await.unwrap();
    assert_eq!((report.pushed, report.conflicts), (1, 0), "{report:?}");
}
