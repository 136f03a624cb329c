//! What a changed struct asks for beyond reading what is stored: values that only the server knows, entries of an index, and the order
//! of what waits.

use std::sync::atomic::{AtomicBool, Ordering};

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use sync::testing::{Call, Fault, ManualClock, ScriptedRemote};
use sync::{BoxError, Engine, MemoryStorage, OnPull, Outdated, Schema, Syncable};

mod first {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/cards", conflict = ServerWins, replica)]
    pub(crate) struct Card {
        pub(crate) id: String,
        pub(crate) text: String,
        #[sync(index)]
        pub(crate) due: String,
    }

    #[derive(Schema)]
    #[sync(entities(Card))]
    pub(crate) struct App;
}

/// The server has had colors all along.
mod colored {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/cards", conflict = ServerWins, replica, version = 2, upgrade = upgrade)]
    pub(crate) struct Card {
        pub(crate) id: String,
        pub(crate) text: String,
        #[sync(index)]
        pub(crate) due: String,
        pub(crate) color: String,
    }

    fn upgrade(stored: Outdated<'_>) -> Result<Card, BoxError> {
        let first::Card { id, text, due } = stored.read()?;
        Ok(Card { id, text, due, color: "white".to_owned() })
    }

    #[derive(Schema)]
    #[sync(entities(Card))]
    pub(crate) struct App;
}

/// The same JSON, ordered by another type.
mod timed {
    use chrono::{DateTime, Utc};

    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/cards", conflict = ServerWins, replica)]
    pub(crate) struct Card {
        pub(crate) id: String,
        pub(crate) text: String,
        #[sync(index)]
        pub(crate) due: DateTime<Utc>,
    }

    #[derive(Schema)]
    #[sync(entities(Card))]
    pub(crate) struct App;
}

/// Its `upgrade` is mended between two starts of the program.
mod mended {
    use super::*;

    pub(crate) static MENDED: AtomicBool = AtomicBool::new(false);

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/cards", conflict = ServerWins, replica, version = 2, upgrade = upgrade)]
    pub(crate) struct Card {
        pub(crate) id: String,
        #[sync(index)]
        pub(crate) words: u32,
    }

    fn upgrade(stored: Outdated<'_>) -> Result<Card, BoxError> {
        let first::Card { id, text, .. } = stored.read()?;
        if text.is_empty() && !MENDED.load(Ordering::SeqCst) {
            return Err("a card without words".into());
        }
        if text == "?" {
            return Err("a card that cannot be read at all".into());
        }
        Ok(Card { id, words: u32::try_from(text.split_whitespace().count())? })
    }

    #[derive(Schema)]
    #[sync(entities(Card))]
    pub(crate) struct App;
}

/// Every card is in a box.
mod boxed {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/boxes", conflict = ServerWins)]
    pub(crate) struct CardBox {
        pub(crate) id: String,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/cards", conflict = ServerWins, replica, version = 2, upgrade = upgrade)]
    pub(crate) struct Card {
        pub(crate) id: String,
        pub(crate) text: String,
        #[sync(references = CardBox)]
        pub(crate) place: String,
    }

    fn upgrade(stored: Outdated<'_>) -> Result<Card, BoxError> {
        let first::Card { id, text, .. } = stored.read()?;
        Ok(Card { id, text, place: "inbox".to_owned() })
    }

    #[derive(Schema)]
    #[sync(entities(CardBox, Card))]
    pub(crate) struct App;

    impl OnPull<CardBox> for App {}
}

async fn open<S: Schema>(app: S, server: &ScriptedRemote, storage: &MemoryStorage) -> Engine<S> {
    Engine::builder(app, server.clone(), storage.clone()).build().await.unwrap()
}

fn card(id: &str, text: &str, due: &str) -> first::Card {
    first::Card { id: id.into(), text: text.into(), due: due.into() }
}

fn colored(id: &str, text: &str, color: &str) -> colored::Card {
    colored::Card { id: id.into(), text: text.into(), due: String::new(), color: color.into() }
}

#[tokio::test]
async fn what_an_upgrade_invents_gives_way_to_what_the_server_has() {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    server.put(&colored("a", "x", "red"));
    let engine = open(first::App, &server, &storage).await;
    engine.pull().await.unwrap();
    engine.shutdown().await;
    drop(engine);
    let engine = open(colored::App, &server, &storage).await;
    let get = async || engine.get::<colored::Card>(&"a".into()).await.unwrap().unwrap();
    assert_eq!(get().await.color, "white", "until the server is asked");
    engine.full_sync().await.unwrap();
    assert_eq!(get().await.color, "red");
    let edited = colored::Card { text: "y".into(), ..get().await };
    engine.push(&edited).await.unwrap();
    engine.full_sync().await.unwrap();
    assert_eq!(server.records::<colored::Card>()["a"], colored("a", "y", "red"));

    engine.shutdown().await;
    drop(engine);
    let before = server.calls().len();
    open(colored::App, &server, &storage).await.pull().await.unwrap();
    assert!(matches!(&server.calls()[before..], [Call::Pull { since: Some(_), .. }]), "once");
}

#[tokio::test]
async fn a_record_that_a_mended_upgrade_can_read_is_found() {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    let engine = open(first::App, &server, &storage).await;
    engine.push_all(&[card("a", "one word more", ""), card("c", "", "")]).await.unwrap();
    engine.shutdown().await;
    drop(engine);
    let found = async |engine: &Engine<mended::App>| {
        let found = engine.query(mended::Card::WORDS.ge(0_u32)).await.unwrap();
        found.into_iter().map(|card| card.id).collect::<Vec<_>>()
    };
    for (mended, expected) in [(false, &["a"][..]), (true, &["a", "c"])] {
        mended::MENDED.store(mended, Ordering::SeqCst);
        let engine = open(mended::App, &server, &storage).await;
        assert_eq!(found(&engine).await, expected);
        engine.shutdown().await;
    }
}

#[tokio::test]
async fn an_edit_that_cannot_be_upgraded_holds_up_no_pull() {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    let engine = open(first::App, &server, &storage).await;
    engine.push(&card("b", "?", "")).await.unwrap();
    server.once(Fault::Refused(422, "no".to_owned()));
    engine.flush().await.unwrap();
    engine.shutdown().await;
    drop(engine);
    let engine = open(mended::App, &server, &storage).await;
    server.put(&mended::Card { id: "b".into(), words: 7 });
    server.put(&mended::Card { id: "c".into(), words: 1 });
    let report = engine.pull().await.unwrap();
    assert!(report.is_clean(), "nobody is to be told of it: {report:?}");
    assert_eq!(engine.get::<mended::Card>(&"c".into()).await.unwrap().unwrap().words, 1);
    assert_eq!(engine.clear_queue().await.unwrap(), 1);
    assert_eq!(engine.get::<mended::Card>(&"b".into()).await.unwrap().unwrap().words, 7);
}

#[tokio::test]
async fn a_field_that_is_of_another_type_is_entered_anew() {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    server.put(&card("a", "x", "2026-01-01T00:00:00Z"));
    server.put(&card("b", "x", "2026-01-01T00:00:00.5Z"));
    let engine = open(first::App, &server, &storage).await;
    engine.pull().await.unwrap();
    engine.shutdown().await;
    drop(engine);
    let engine = open(timed::App, &server, &storage).await;
    let found = async |due: &str| {
        let found = engine.query(timed::Card::DUE.eq(due.parse::<chrono::DateTime<chrono::Utc>>().unwrap()));
        found.await.unwrap().into_iter().map(|card| card.id).collect::<Vec<_>>()
    };
    assert_eq!(found("2026-01-01T00:00:00Z").await, ["a"]);
    assert_eq!(found("2026-01-01T00:00:00.5Z").await, ["b"]);
}

#[tokio::test]
async fn an_upgraded_edit_waits_for_what_it_refers_to_now() {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    let engine = open(first::App, &server, &storage).await;
    engine.push(&card("a", "x", "")).await.unwrap();
    engine.shutdown().await;
    drop(engine);
    let clock = ManualClock::default();
    let building = Engine::builder(boxed::App, server.clone(), storage.clone()).clock(clock.clone()).build();
    let engine = building.await.unwrap();
    engine.push(&boxed::CardBox { id: "inbox".into() }).await.unwrap();
    server.script(|call| match call {
        Call::Write { entity: "CardBox", .. } => Fault::Transient(500),
        _ => Fault::None,
    });
    engine.flush().await.unwrap();
    assert!(!written(&server).contains(&"Card"), "the card is not sent before its box is there");
    server.heal();
    clock.advance(TimeDelta::minutes(61));
    engine.flush().await.unwrap();
    assert_eq!(written(&server).last(), Some(&"Card"));
    assert_eq!(engine.queue_len(), 0);
}

/// The entities of what was sent, in order.
fn written(server: &ScriptedRemote) -> Vec<&'static str> {
    let entity = |call| match call {
        Call::Write { entity, .. } => Some(entity),
        _ => None,
    };
    server.calls().into_iter().filter_map(entity).collect()
}
