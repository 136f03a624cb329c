//! What an earlier version of the program stored and this one cannot read: it is in the way of nothing but itself, and gives way.

use serde::{Deserialize, Serialize};
use sync::testing::{Call, Fault, ScriptedRemote};
use sync::{BoxError, Engine, MemoryStorage, Outdated, Schema, SqliteStorage, SyncState, Syncable};
use sync_tests::device::Folder;

mod first {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/boxes", conflict = ServerWins, replica)]
    pub(crate) struct CardBox {
        pub(crate) id: String,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/cards", conflict = ServerWins, replica)]
    pub(crate) struct Card {
        pub(crate) id: String,
        #[sync(references = CardBox)]
        pub(crate) place: String,
    }

    #[derive(Schema)]
    #[sync(entities(CardBox, Card))]
    pub(crate) struct App;
}

/// No box of the first version can be read; what they are written as has not changed.
mod second {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/boxes", conflict = ServerWins, replica, version = 2, upgrade = upgrade)]
    pub(crate) struct CardBox {
        pub(crate) id: String,
    }

    fn upgrade(_: Outdated<'_>) -> Result<CardBox, BoxError> {
        Err("a box of the first version".into())
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/cards", conflict = ServerWins, replica)]
    pub(crate) struct Card {
        pub(crate) id: String,
        #[sync(references = CardBox)]
        pub(crate) place: String,
    }

    #[derive(Schema)]
    #[sync(entities(CardBox, Card))]
    pub(crate) struct App;
}

/// Cards are found by their place.
mod found {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/cards", conflict = ServerWins, replica)]
    pub(crate) struct Card {
        pub(crate) id: String,
        #[sync(index, references = first::CardBox)]
        pub(crate) place: String,
    }

    #[derive(Schema)]
    #[sync(entities(first::CardBox, Card))]
    pub(crate) struct App;
}

async fn open<S: Schema>(app: S, server: &ScriptedRemote, storage: &MemoryStorage) -> Engine<S> {
    Engine::builder(app, server.clone(), storage.clone()).build().await.unwrap()
}

fn a_box(id: &str) -> first::CardBox {
    first::CardBox { id: id.into() }
}

fn card(id: &str, place: &str) -> first::Card {
    first::Card { id: id.into(), place: place.into() }
}

#[tokio::test]
async fn a_deletion_that_waits_and_cannot_be_upgraded_holds_up_no_pull() {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    server.put(&a_box("b"));
    server.put(&card("k", "b"));
    let engine = open(first::App, &server, &storage).await;
    engine.pull().await.unwrap();
    engine.delete::<first::Card>(&"k".into()).await.unwrap();
    engine.delete::<first::CardBox>(&"b".into()).await.unwrap();
    server.script(|call| match call {
        Call::Write { entity: "Card", .. } => Fault::Transient(500),
        _ => Fault::None,
    });
    engine.flush().await.unwrap();
    let state = engine.sync_state::<first::CardBox>(&"b".into()).await.unwrap();
    assert!(matches!(state, SyncState::Blocked { .. }), "{state:?}");
    engine.shutdown().await;
    drop(engine);

    server.heal();
    server.put(&card("new", "b"));
    let engine = open(second::App, &server, &storage).await;
    let report = engine.pull().await.unwrap();
    assert_eq!(report.set_aside, 1, "{report:?}");
    assert!(engine.get::<second::Card>(&"new".into()).await.unwrap().is_some());
    let state = engine.sync_state::<second::CardBox>(&"b".into()).await.unwrap();
    assert!(matches!(state, SyncState::Blocked { .. }), "{state:?}");
}

/// The server has just what was stored, as far as the text goes.
#[tokio::test]
async fn what_cannot_be_upgraded_gives_way_to_the_same_text_of_the_new_version() {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    server.put(&a_box("a"));
    let engine = open(first::App, &server, &storage).await;
    engine.pull().await.unwrap();
    engine.push(&a_box("b")).await.unwrap();
    engine.shutdown().await;
    drop(engine);
    let engine = open(second::App, &server, &storage).await;
    engine.get::<second::CardBox>(&"a".into()).await.unwrap_err();
    engine.pull().await.unwrap();
    let there = engine.get::<second::CardBox>(&"a".into()).await.unwrap();
    assert_eq!(there, Some(second::CardBox { id: "a".into() }));
}

#[tokio::test]
async fn where_a_record_stands_is_known_though_it_cannot_be_upgraded() {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    let engine = open(first::App, &server, &storage).await;
    engine.push(&a_box("a")).await.unwrap();
    engine.shutdown().await;
    drop(engine);
    let engine = open(second::App, &server, &storage).await;
    let a = "a".to_owned();
    assert_eq!(engine.sync_state::<second::CardBox>(&a).await.unwrap(), SyncState::Pending);
    assert!(engine.is_pending::<second::CardBox>(&a).await.unwrap());
}

#[tokio::test]
async fn a_record_whose_row_is_mended_is_found() {
    let (server, folder) = (ScriptedRemote::new(), Folder::new());
    let path = folder.file("app.db");
    server.put(&card("k", "b"));
    server.put(&card("l", "b"));
    let storage = SqliteStorage::open(&path).unwrap();
    let engine = Engine::builder(first::App, server.clone(), storage).build().await.unwrap();
    engine.pull().await.unwrap();
    engine.shutdown().await;
    drop(engine);
    for (from, to, expected) in [("{", "[", &["l"][..]), ("[", "{", &["k", "l"])] {
        let sql = "UPDATE sync_bases SET value = replace(value, ?1, ?2) WHERE key = 'k'";
        let changed = rusqlite::Connection::open(&path).unwrap().execute(sql, [from, to]).unwrap();
        assert_eq!(changed, 1);
        let storage = SqliteStorage::open(&path).unwrap();
        let engine = Engine::builder(found::App, server.clone(), storage).build().await.unwrap();
        let found = engine.query(found::Card::PLACE.eq("b")).await.unwrap();
        assert_eq!(found.iter().map(|card| &*card.id).collect::<Vec<_>>(), expected);
        engine.shutdown().await;
    }
}

/// What the documentation of a row that cannot be read says of the index.
#[tokio::test]
async fn what_is_found_by_a_row_that_was_deleted_with_a_shell_is_right_after_a_resync() {
    let (folder, server) = (Folder::new(), ScriptedRemote::new());
    let path = folder.file("app.db");
    let open = async || {
        let storage = SqliteStorage::open(&path).unwrap();
        Engine::builder(found::App, server.clone(), storage).build().await.unwrap()
    };
    let card = |place: &str| found::Card { id: "a".into(), place: place.into() };
    server.put(&card("shelf"));
    let engine = open().await;
    engine.pull().await.unwrap();
    engine.push(&card("drawer")).await.unwrap();
    drop(engine);
    let shell = rusqlite::Connection::open(&path).unwrap();
    assert_eq!(shell.execute("DELETE FROM sync_outbox WHERE key = 'a'", []).unwrap(), 1);
    drop(shell);
    let engine = open().await;
    engine.resync::<found::Card>().await.unwrap();
    assert!(engine.pull().await.unwrap().is_clean());
    assert_eq!(engine.query(found::Card::PLACE.eq("shelf")).await.unwrap(), [card("shelf")]);
    assert_eq!(engine.query(found::Card::PLACE.eq("drawer")).await.unwrap(), []);
}
