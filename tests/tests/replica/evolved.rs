//! What a changed struct asks for beyond reading what is stored: values that only the server knows, entries of an index, and the order
//! of what waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sync::testing::{Call, Fault, ManualClock, ScriptedRemote};
use sync::{AutoSync, BoxError, Engine, MemoryStorage, OnPull, Outdated, Schema, SyncState, Syncable};

use tokio::time::timeout;

use crate::staged::{Staged, Step};

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

/// Every card is in a box, and the next version of the program moves all of them.
mod shelved {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/boxes", conflict = ServerWins)]
    pub(crate) struct CardBox {
        pub(crate) id: String,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/cards", conflict = ServerWins)]
    pub(crate) struct Card {
        pub(crate) id: String,
        #[sync(references = CardBox)]
        pub(crate) place: String,
    }

    #[derive(Schema)]
    #[sync(entities(CardBox, Card))]
    pub(crate) struct App;

    impl OnPull<CardBox> for App {}
    impl OnPull<Card> for App {}
}

mod moved {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/cards", conflict = ServerWins, version = 2, upgrade = upgrade)]
    pub(crate) struct Card {
        pub(crate) id: String,
        #[sync(references = shelved::CardBox)]
        pub(crate) place: String,
    }

    fn upgrade(stored: Outdated<'_>) -> Result<Card, BoxError> {
        let shelved::Card { id, .. } = stored.read()?;
        Ok(Card { id, place: "inbox".to_owned() })
    }

    #[derive(Schema)]
    #[sync(entities(shelved::CardBox, Card))]
    pub(crate) struct App;

    impl OnPull<shelved::CardBox> for App {}
    impl OnPull<Card> for App {}
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

/// The first program has pulled a card whose color it did not know.
async fn pulled_before_there_were_colors() -> (ScriptedRemote, MemoryStorage) {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    server.put(&colored("a", "x", "red"));
    let engine = open(first::App, &server, &storage).await;
    engine.pull().await.unwrap();
    engine.shutdown().await;
    drop(engine);
    (server, storage)
}

#[tokio::test]
async fn what_an_upgrade_invents_gives_way_to_what_the_server_has() {
    let (server, storage) = pulled_before_there_were_colors().await;
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

/// Made before the program was updated, and after that.
#[tokio::test]
async fn an_edit_that_waited_does_not_send_what_an_upgrade_invented() {
    for before in [true, false] {
        let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
        server.put(&colored("a", "x", "red"));
        let engine = open(first::App, &server, &storage).await;
        engine.pull().await.unwrap();
        if before {
            engine.push(&card("a", "y", "")).await.unwrap();
        }
        engine.shutdown().await;
        drop(engine);
        let engine = open(colored::App, &server, &storage).await;
        if !before {
            engine.push(&colored("a", "y", "white")).await.unwrap();
        }
        let report = engine.flush().await.unwrap();
        assert!(report.is_clean() && report.conflicts == 0, "{before}: {report:?}");
        assert_eq!(server.records::<colored::Card>()["a"], colored("a", "y", "red"), "{before}");
        let shown = engine.get::<colored::Card>(&"a".into()).await.unwrap();
        assert_eq!(shown, Some(colored("a", "y", "red")), "{before}");
        assert_eq!(engine.queue_len(), 0, "{before}");
    }
}

/// It waits for what the server has, and does so after a restart; what else there is does not.
#[tokio::test]
async fn an_edit_waits_while_what_an_upgrade_invented_cannot_be_put_right() {
    let (server, storage) = pulled_before_there_were_colors().await;
    server.script(|call| match call {
        Call::Pull { .. } => Fault::Transient(500),
        _ => Fault::None,
    });
    for name in ["b", "c"] {
        let engine = open(colored::App, &server, &storage).await;
        engine.push(&colored("a", "y", "white")).await.unwrap();
        engine.push(&colored(name, "new", "blue")).await.unwrap();
        let report = engine.flush().await.unwrap();
        assert_eq!((report.pushed, report.remaining, report.errors.len()), (1, 1, 1), "{report:?}");
        assert_eq!(server.records::<colored::Card>()["a"], colored("a", "x", "red"));
        let state = engine.sync_state::<colored::Card>(&"a".into()).await.unwrap();
        assert!(
            matches!(&state, SyncState::Blocked { on, .. } if on.to_string().contains("everything is pulled first")),
            "{state:?}"
        );
        engine.shutdown().await;
    }
    server.heal();
    let engine = open(colored::App, &server, &storage).await;
    assert!(engine.flush().await.unwrap().is_clean());
    assert_eq!(server.records::<colored::Card>()["a"], colored("a", "y", "red"));
}

/// It says nothing of the list, which is read after that.
#[tokio::test]
async fn an_edit_waits_also_where_a_refusal_asks_for_patience() {
    let (server, storage) = pulled_before_there_were_colors().await;
    let clock = ManualClock::default();
    let building = Engine::builder(colored::App, server.clone(), storage).clock(clock.clone());
    let engine = building.build().await.unwrap();
    engine.push(&colored("a", "y", "white")).await.unwrap();
    server.once(Fault::RefusedThenWait(403, Duration::from_secs(60)));
    engine.flush().await.unwrap();
    clock.advance(TimeDelta::minutes(2));
    assert!(engine.flush().await.unwrap().is_clean());
    assert_eq!(server.records::<colored::Card>()["a"], colored("a", "y", "red"));
}

/// A wall clock that follows tokio's.
#[derive(Debug)]
struct Ticking(tokio::time::Instant);

impl sync::Clock for Ticking {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::from_std(self.0.elapsed()).unwrap()
    }
}

/// What was sent before it had the server ask for patience, so the list is not asked for in that flush; and nothing else ever asks for it.
#[tokio::test(start_paused = true)]
async fn an_edit_that_waits_for_a_listing_has_a_timer() {
    let (server, storage) = pulled_before_there_were_colors().await;
    let clock = Ticking(tokio::time::Instant::now());
    let building = Engine::builder(colored::App, server.clone(), storage).clock(clock);
    let engine = building.build().await.unwrap();
    let edited = engine.push(&colored("a", "y", "white")).await.unwrap();
    engine.push(&colored("b", "new", "blue")).await.unwrap();
    server.once(Fault::ThenWait(Duration::from_secs(60)));
    engine.start(AutoSync { pull_every: None, ..AutoSync::default() });
    timeout(Duration::from_secs(3600), edited.synced()).await.expect("within an hour").unwrap();
    assert_eq!(server.records::<colored::Card>()["a"], colored("a", "y", "red"));
}

/// As where a web page stands in the place of the list, or a gateway gives up on it alone.
#[tokio::test]
async fn an_edit_is_sent_after_an_upgrade_where_the_list_can_never_be_read() {
    for fault in [Fault::WebPage(404), Fault::RequestLost] {
        let (server, storage) = pulled_before_there_were_colors().await;
        let engine = open(colored::App, &server, &storage).await;
        engine.push(&colored("a", "y", "white")).await.unwrap();
        let of_the_list = fault.clone();
        server.script(move |call| match call {
            Call::Pull { .. } => of_the_list.clone(),
            _ => Fault::None,
        });
        for _ in 0..9 {
            assert_eq!(engine.flush().await.unwrap().pushed, 0, "it may be a gateway's");
        }
        assert_eq!(engine.flush().await.unwrap().pushed, 1, "{fault:?}");
    }
}

/// Then there is nothing to wait for.
#[tokio::test]
async fn an_edit_is_sent_after_an_upgrade_where_the_server_lists_nothing() {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    let engine = open(first::App, &server, &storage).await;
    engine.push(&card("a", "x", "")).await.unwrap();
    engine.flush().await.unwrap();
    engine.push(&card("a", "y", "")).await.unwrap();
    engine.shutdown().await;
    drop(engine);
    server.script(|call| match call {
        Call::Pull { .. } => Fault::Refused(405, "no lists".to_owned()),
        _ => Fault::None,
    });
    let engine = open(colored::App, &server, &storage).await;
    assert_eq!(engine.flush().await.unwrap().pushed, 1);
    assert_eq!(server.records::<colored::Card>()["a"], colored("a", "y", "white"));
}

/// A start that was cut short is gone on with.
#[tokio::test]
async fn an_upgraded_edit_waits_no_longer_for_what_it_referred_to_before() {
    let (server, storage) = (ScriptedRemote::new(), Staged::default());
    let engine = Engine::builder(shelved::App, server.clone(), storage.clone()).build().await.unwrap();
    engine.push(&shelved::CardBox { id: "box".into() }).await.unwrap();
    engine.push(&shelved::Card { id: "k".into(), place: "box".into() }).await.unwrap();
    server.once(Fault::Refused(422, "no".to_owned()));
    engine.flush().await.unwrap();
    let state = engine.sync_state::<shelved::Card>(&"k".into()).await.unwrap();
    assert!(matches!(state, SyncState::Blocked { parked: true, .. }), "{state:?}");
    engine.shutdown().await;
    drop(engine);
    storage.play([Step::Runs, Step::Fails]);
    Engine::builder(moved::App, server.clone(), storage.clone()).build().await.unwrap_err();
    let engine = Engine::builder(moved::App, server.clone(), storage).build().await.unwrap();
    engine.flush().await.unwrap();
    assert_eq!(server.records::<moved::Card>()["k"].place, "inbox");
}

#[tokio::test]
async fn a_scope_by_a_field_that_is_of_another_type_loses_no_record() {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    server.put(&card("a", "x", "2026-01-01T00:00:00Z"));
    server.put(&card("b", "x", "2026-01-02T00:00:00Z"));
    let engine = open(first::App, &server, &storage).await;
    engine.set_scope([first::Card::DUE.eq("2026-01-01T00:00:00Z")]).await.unwrap();
    engine.pull().await.unwrap();
    engine.shutdown().await;
    drop(engine);
    let engine = open(timed::App, &server, &storage).await;
    server.put(&card("a", "y", "2026-01-01T00:00:00Z"));
    engine.pull().await.unwrap();
    let kept = engine.all::<timed::Card>().await.unwrap();
    assert_eq!(kept.iter().map(|card| (&*card.id, &*card.text)).collect::<Vec<_>>(), [("a", "y")]);
    engine.shutdown().await;
    drop(engine);

    // It is kept as one of the new type.
    let before = server.calls().len();
    open(timed::App, &server, &storage).await.pull().await.unwrap();
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
async fn a_refused_edit_that_cannot_be_upgraded_holds_up_no_pull() {
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
        let found = engine.query(timed::Card::DUE.eq(due.parse::<DateTime<Utc>>().unwrap()));
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
