//! Records hold what is in no order, and is in another one each time that it is read.

use std::collections::{BTreeMap, HashMap, HashSet};

use futures::StreamExt;
use serde::{Deserialize, Serialize};
use sync::testing::ScriptedRemote;
use sync::{
    BoxError, Engine, MemoryStorage, Outdated, Query, Schema, Syncable, WatchChange, WatchEvent, Watched,
};

type Tags = HashSet<String>;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/recipes", conflict = ServerWins, replica)]
struct Recipe {
    id: u64,
    title: String,
    steps: Vec<String>,
    tags: Tags,
    tags_by: BTreeMap<String, HashSet<String>>,
    amounts: HashMap<String, u32>,
}

#[derive(Schema)]
#[sync(entities(Recipe))]
struct Kitchen;

/// The records, of another version of the struct.
mod second {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/recipes", conflict = ServerWins, replica, version = 2, upgrade = upgrade)]
    pub(crate) struct Recipe {
        #[serde(flatten)]
        pub(crate) first: First,
        pub(crate) id: u64,
        #[serde(default)]
        pub(crate) stars: u8,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub(crate) struct First {
        pub(crate) title: String,
        steps: Vec<String>,
        tags: Tags,
        tags_by: BTreeMap<String, HashSet<String>>,
        amounts: HashMap<String, u32>,
    }

    fn upgrade(stored: Outdated<'_>) -> Result<Recipe, BoxError> {
        stored.read()
    }

    #[derive(Schema)]
    #[sync(entities(Recipe))]
    pub(crate) struct Kitchen;
}

/// A recipe as the server has it, to which a set is a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/recipes", conflict = ServerWins, name = "Recipe")]
struct Listed {
    id: u64,
    title: String,
    steps: Vec<String>,
    tags: Vec<String>,
    tags_by: BTreeMap<String, Vec<String>>,
    amounts: HashMap<String, u32>,
}

fn listed(title: &str) -> Listed {
    let names: Vec<_> = (0..10).map(|name| name.to_string()).collect();
    Listed {
        id: 1,
        title: title.to_owned(),
        steps: names.clone(),
        tags: names.clone(),
        tags_by: [("me".to_owned(), names.clone())].into(),
        amounts: names.into_iter().zip(0..).collect(),
    }
}

/// The same, which the server lists in another order.
fn listed_in_another_order(title: &str) -> Listed {
    let mut recipe = listed(title);
    recipe.tags.reverse();
    recipe.tags_by.values_mut().for_each(|tags| tags.reverse());
    recipe
}

async fn open<S: Schema>(kitchen: S, server: &ScriptedRemote, storage: &MemoryStorage) -> Engine<S> {
    Engine::builder(kitchen, server.clone(), storage.clone()).build().await.unwrap()
}

/// A device that has edited the title of the recipe that it has pulled.
async fn edited(server: &ScriptedRemote, storage: &MemoryStorage) -> Engine<Kitchen> {
    server.put(&listed("Soup"));
    let engine = open(Kitchen, server, storage).await;
    engine.pull().await.unwrap();
    let soup = engine.get::<Recipe>(&1).await.unwrap().unwrap();
    engine.push(&Recipe { title: "Stock".to_owned(), ..soup }).await.unwrap();
    engine
}

#[tokio::test]
async fn sets_that_come_back_in_another_order_are_no_conflict_wherever_they_are() {
    let server = ScriptedRemote::without_versions();
    let engine = edited(&server, &MemoryStorage::new()).await;
    server.put(&listed_in_another_order("Soup"));
    let report = engine.pull().await.unwrap();
    assert_eq!((report.conflicts, report.remaining), (0, 1), "{report:?}");
    engine.flush().await.unwrap();
    assert_eq!(server.records::<Listed>()["1"].title, "Stock");
}

#[tokio::test]
async fn a_list_that_comes_back_in_another_order_is_somebody_elses_write() {
    let server = ScriptedRemote::without_versions();
    let engine = edited(&server, &MemoryStorage::new()).await;
    let mut theirs = listed("Soup");
    theirs.steps.reverse();
    server.put(&theirs);
    let report = engine.pull().await.unwrap();
    assert_eq!((report.conflicts, report.remaining), (1, 0), "{report:?}");
}

#[tokio::test]
async fn a_conflict_of_an_edit_of_an_earlier_version_is_decided_once() {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    edited(&server, &storage).await.shutdown().await;
    server.put(&listed_in_another_order("theirs"));
    server.put(&Listed { id: 2, ..listed("another") });
    let engine = open(second::Kitchen, &server, &storage).await;
    let report = engine.pull().await.unwrap();
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!((report.conflicts, report.pulled), (1, 2));
    assert_eq!(engine.get::<second::Recipe>(&1).await.unwrap().unwrap().first.title, "theirs");
}

#[tokio::test]
async fn a_watch_tells_nothing_of_what_is_listed_again() {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    server.put(&listed("Soup"));
    let engine = open(Kitchen, &server, &storage).await;
    engine.pull().await.unwrap();
    let mut watch = engine.watch(Query::<Recipe>::new());
    let Some(Ok(WatchEvent::Snapshot(recipes))) = watch.next().await else { panic!("no result") };
    let [Watched { record: soup, .. }] = &recipes[..] else { panic!("{recipes:?}") };
    server.put(&listed_in_another_order("Soup"));
    engine.resync::<Recipe>().await.unwrap();
    // What comes next is what happens now.
    engine.push(&Recipe { id: 2, ..soup.clone() }).await.unwrap();
    let Some(Ok(WatchEvent::Changes(changes))) = watch.next().await else { panic!("no changes") };
    assert!(matches!(&changes[..], [WatchChange::Inserted(new)] if new.record.id == 2), "{changes:?}");
}
