//! Servers that tell versions in the head of their answers alone, or none at all.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use sync::remote::rest::{RecordDialect, VersionSource};
use sync::testing::ScriptedRemote;
use sync::{Dialect, Engine, MemoryStorage, OnPull, RestRemote, Schema, Syncable};
use sync_examples::server::{Config, Server};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/memos", conflict = ServerWins)]
struct Memo {
    id: String,
    text: String,
}

#[derive(Schema)]
#[sync(entities(Memo))]
struct App;
impl OnPull<Memo> for App {}

fn memo(text: &str) -> Memo {
    Memo { id: "a".into(), text: text.into() }
}

async fn device(server: &Server) -> Engine<App> {
    let record = RecordDialect { version: VersionSource::ETag, ..RecordDialect::default() };
    let dialect = Dialect { record, ..Dialect::default() };
    let remote = RestRemote::builder(server.base_url()).dialect(dialect).build().unwrap();
    Engine::builder(App, remote, MemoryStorage::new()).build().await.unwrap()
}

#[tokio::test]
async fn our_own_write_coming_back_without_a_version_is_no_conflict_with_the_next_edit() {
    let server = Server::start(Config::new(["/memos"])).unwrap();
    let engine = device(&server).await;
    engine.push(&memo("one")).await.unwrap();
    engine.flush().await.unwrap();
    for text in ["two", "three"] {
        let receipt = engine.push(&memo(text)).await.unwrap();
        let report = engine.pull().await.unwrap();
        assert_eq!((report.conflicts, engine.queue_len()), (0, 1), "{report:?}");
        assert_eq!(engine.flush().await.unwrap().pushed, 1);
        receipt.synced().await.unwrap();
        assert_eq!(server.records("/memos")["a"]["text"], text);
    }
    let update = server.requests().into_iter().rfind(|request| request.method == "PATCH").unwrap();
    assert!(update.if_match.is_some(), "it is still made on the version that the answer told");
}

#[tokio::test]
async fn somebody_elses_write_is_one_all_the_same() {
    let server = Server::start(Config::new(["/memos"])).unwrap();
    let engine = device(&server).await;
    engine.push(&memo("one")).await.unwrap();
    engine.flush().await.unwrap();
    server.write_as_other_client("/memos", "a", Some(&serde_json::to_value(memo("theirs")).unwrap()));
    engine.push(&memo("two")).await.unwrap();
    let report = engine.full_sync().await.unwrap();
    assert_eq!((report.conflicts, engine.queue_len()), (1, 0), "{report:?}");
    assert_eq!(server.records("/memos")["a"]["text"], "theirs");
}

#[tokio::test]
async fn a_set_that_comes_back_in_another_order_is_no_conflict() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/recipes", conflict = ServerWins)]
    struct Recipe {
        id: u64,
        title: String,
        tags: HashSet<u8>,
    }

    /// As the server has it, to which the tags are a list.
    #[derive(Clone, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/recipes", conflict = ServerWins, name = "Recipe")]
    struct Listed {
        id: u64,
        title: String,
        tags: Vec<u8>,
    }

    #[derive(Schema)]
    #[sync(entities(Recipe))]
    struct Kitchen;
    impl OnPull<Recipe> for Kitchen {}

    let server = ScriptedRemote::without_versions();
    server.put(&Listed { id: 1, title: "Soup".into(), tags: (0..10).collect() });
    let engine = Engine::builder(Kitchen, server.clone(), MemoryStorage::new()).build().await.unwrap();
    engine.pull().await.unwrap();
    engine.push(&Recipe { id: 1, title: "Stock".into(), tags: (0..10).collect() }).await.unwrap();
    server.put(&Listed { id: 1, title: "Soup".into(), tags: (0..10).rev().collect() });
    let report = engine.full_sync().await.unwrap();
    assert_eq!((report.conflicts, report.pushed), (0, 1), "{report:?}");
    assert_eq!(server.records::<Recipe>()["1"].title, "Stock");
}
