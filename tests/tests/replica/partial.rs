//! A device keeps a part of the records, or fetches all of them anew.

use sync::testing::{Call, Fault, Gate, ManualClock, ScriptedRemote};
use sync::{Engine, RestRemote, SqliteStorage, WatchChange, WatchEvent};
use sync_examples::server::{Config, Server};
use sync_tests::device::Folder;

use crate::device::{Board, Card, Comment, Device, card, comment, ids};
use crate::staged::{Staged, Step};

async fn device() -> Device {
    let device = Device::new().await;
    for (id, column, rank) in [("a", "todo", 1), ("b", "done", 2), ("c", "todo", 3), ("d", "done", 4)] {
        device.server.put(&card(id, column, rank));
    }
    device
}

#[tokio::test]
async fn only_what_is_in_the_scope_is_kept() {
    let device = device().await;
    device.engine.pull().await.unwrap();
    assert_eq!(device.ids().await, "abcd");
    device.engine.set_scope([Card::COLUMN.eq("todo")]).await.unwrap();
    assert_eq!(device.ids().await, "ac", "the rest is let go at once");
    assert_eq!(device.engine.count::<Card>().await.unwrap(), 2);
    device.server.put(&card("e", "done", 5));
    device.server.put(&card("f", "todo", 6));
    device.engine.pull().await.unwrap();
    assert_eq!(device.ids().await, "acf");
    assert_eq!(device.server.records::<Card>().len(), 6, "nothing is deleted on the server");
    device.engine.set_scope([Card::COLUMN.eq("todo"), Card::RANK.le(3)]).await.unwrap();
    assert_eq!(device.ids().await, "ac");
    device.engine.set_scope::<Card>([]).await.unwrap();
    device.engine.pull().await.unwrap();
    assert_eq!(device.ids().await, "abcdef");
}

#[tokio::test]
async fn a_record_that_leaves_goes_once_nothing_of_it_waits() {
    let device = device().await;
    device.engine.set_scope([Card::COLUMN.eq("todo")]).await.unwrap();
    device.engine.pull().await.unwrap();
    let mut watch = device.engine.watch(sync::Query::<Card>::new());
    assert!(
        matches!(futures::StreamExt::next(&mut watch).await, Some(Ok(WatchEvent::Snapshot(all))) if all.len() == 2)
    );
    // By an edit of this device: it stays until the server has it.
    device.engine.push(&card("a", "done", 1)).await.unwrap();
    assert_eq!(device.ids().await, "ac");
    device.engine.flush().await.unwrap();
    assert_eq!(device.ids().await, "c");
    assert_eq!(device.server.records::<Card>()["a"].column, "done");
    let Some(Ok(WatchEvent::Changes(changes))) = futures::StreamExt::next(&mut watch).await else { panic!() };
    assert_eq!(changes, [WatchChange::Removed("a".into())]);
    // By somebody else's.
    device.server.put(&card("c", "done", 3));
    device.engine.pull().await.unwrap();
    assert_eq!(device.ids().await, "");
    // One that is made outside is sent, and then let go.
    device.engine.push(&card("x", "done", 9)).await.unwrap();
    device.engine.set_scope([Card::COLUMN.eq("doing")]).await.unwrap();
    assert_eq!(device.ids().await, "x");
    device.engine.flush().await.unwrap();
    assert_eq!(device.ids().await, "");
    assert_eq!(device.server.records::<Card>()["x"].rank, Some(9));
}

#[tokio::test]
async fn a_scope_is_there_after_a_restart() {
    let device = device().await;
    device.engine.set_scope([Card::COLUMN.eq("todo")]).await.unwrap();
    let device = device.restart().await;
    device.engine.pull().await.unwrap();
    assert_eq!(device.ids().await, "ac");
}

/// The page was asked for before: neither its records nor its cursor are of any use after.
#[tokio::test]
async fn a_page_of_an_earlier_scope_is_not_taken() {
    let device = device().await;
    device.engine.set_scope([Card::COLUMN.eq("todo")]).await.unwrap();
    let gate = Gate::new();
    device.server.once(Fault::Hold(gate.clone()));
    let engine = device.engine.clone();
    let pull = tokio::spawn(async move { engine.pull_only::<Card>().await });
    gate.reached(1).await;
    device.engine.set_scope([Card::COLUMN.eq("done")]).await.unwrap();
    gate.open();
    assert!(pull.await.unwrap().unwrap().errors.is_empty());
    assert_eq!(device.ids().await, "bd");
    let starts = device.server.calls();
    let starts = starts.iter().filter(|call| matches!(call, Call::Pull { entity: "Card", since: None }));
    assert_eq!(starts.count(), 2, "it began anew");
}

/// What the scope in between let go is to come again.
#[tokio::test]
async fn a_page_of_a_scope_that_was_left_and_set_again_is_not_taken() {
    let device = Device::new().await;
    for number in 0..10 {
        device.server.put(&card(&number.to_string(), "todo", number));
    }
    for left in [vec![Card::COLUMN.eq("todo")], vec![]] {
        device.engine.set_scope::<Card>([Card::RANK.ge(0)]).await.unwrap();
        device.engine.set_scope(left.clone()).await.unwrap();
        let gate = Gate::new();
        let holds = gate.clone();
        device.server.script(move |call| match call {
            Call::Pull { entity: "Card", since: Some(_) } => Fault::Hold(holds.clone()),
            _ => Fault::None,
        });
        let engine = device.engine.clone();
        let pull = tokio::spawn(async move { engine.pull_only::<Card>().await });
        gate.reached(1).await;
        device.engine.set_scope([Card::COLUMN.eq("done")]).await.unwrap();
        assert_eq!(device.ids().await, "");
        device.engine.set_scope(left).await.unwrap();
        gate.open();
        assert!(pull.await.unwrap().unwrap().errors.is_empty());
        assert_eq!(device.ids().await, "0123456789");
    }
}

async fn staged() -> (Staged, ScriptedRemote, Engine<Board>) {
    let (storage, server) = (Staged::default(), ScriptedRemote::new());
    for number in 0..1100 {
        server.put(&card(&format!("{number:04}"), if number % 2 == 0 { "todo" } else { "done" }, number));
    }
    let engine = Engine::builder(Board, server.clone(), storage.clone()).build().await.unwrap();
    engine.pull_only::<Card>().await.unwrap();
    (storage, server, engine)
}

/// The second is set while the first lets go what is outside of it, and the disk is full before the second can do the same.
#[tokio::test]
async fn a_scope_that_was_set_over_another_one_is_tidied_up_after_a_restart() {
    let (storage, server, engine) = staged().await;
    // The scope, and the first 500 records.
    storage.play([Step::Runs, Step::RunsBefore]);
    let meanwhile = storage.interlude(async {
        storage.play([Step::Runs, Step::Fails]);
        engine.set_scope([Card::COLUMN.eq("done")]).await.unwrap_err();
    });
    let (first, ()) = tokio::join!(engine.set_scope([Card::COLUMN.eq("todo")]), meanwhile);
    first.unwrap();
    engine.shutdown().await;
    drop(engine);
    let engine = Engine::builder(Board, server, storage).build().await.unwrap();
    assert!(engine.all::<Card>().await.unwrap().iter().all(|card| card.column == "done"));
}

#[tokio::test]
async fn a_scope_that_could_not_be_set_leaves_the_one_that_was_set_meanwhile() {
    let (storage, _, engine) = staged().await;
    storage.play([Step::FailsAfter]);
    let meanwhile = storage.interlude(async { engine.set_scope([Card::COLUMN.eq("todo")]).await.unwrap() });
    let (failed, ()) = tokio::join!(engine.set_scope([Card::COLUMN.eq("done")]), meanwhile);
    failed.unwrap_err();
    engine.resync::<Card>().await.unwrap();
    let cards = engine.all::<Card>().await.unwrap();
    assert!(cards.len() == 550 && cards.iter().all(|card| card.column == "todo"), "{}", cards.len());
}

#[tokio::test]
async fn the_server_is_asked_for_the_scope_alone() {
    let server = Server::start(Config::new(["/cards", "/comments"])).unwrap();
    for (id, column, rank) in [("a", "todo", 1), ("b", "done", 2), ("c", "todo", 3)] {
        let record = serde_json::to_value(card(id, column, rank)).unwrap();
        server.write_as_other_client("/cards", id, Some(&record));
    }
    let folder = Folder::new();
    let (remote, storage) =
        (RestRemote::new(server.base_url()).unwrap(), SqliteStorage::open(folder.file("app.db")).unwrap());
    let engine = Engine::builder(Board, remote, storage).build().await.unwrap();
    engine.set_scope([Card::COLUMN.eq("todo"), Card::RANK.gt(1), Card::RANK.le(5)]).await.unwrap();
    assert_eq!(engine.pull_only::<Card>().await.unwrap().pulled, 1);
    assert_eq!(ids(&engine.all::<Card>().await.unwrap()), "c");
    let queries: Vec<_> = server.requests().into_iter().map(|seen| seen.query).collect();
    assert_eq!(queries, ["limit=500&list=todo&rank_gt=1&rank_lte=5"]);
    server.write_as_other_client("/cards", "c", None);
    engine.pull_only::<Card>().await.unwrap();
    assert_eq!(engine.count::<Card>().await.unwrap(), 0, "deletions are told of");
}

/// A server that was set up anew has fewer records, and tells of no deletion.
#[tokio::test]
async fn resync_finds_what_the_server_no_longer_has() {
    let device = device().await;
    device.engine.pull().await.unwrap();
    device.engine.push(&card("b", "doing", 2)).await.unwrap();
    device.engine.push(&card("x", "todo", 9)).await.unwrap();
    device.server.forget::<Card>(&"c".into());
    device.server.put(&card("d", "done", 40));
    let report = device.engine.resync::<Card>().await.unwrap();
    assert!(report.errors.is_empty(), "{:?}", report.errors);
    assert_eq!(device.ids().await, "abdx");
    assert_eq!(device.get("b").await, Some(card("b", "doing", 2)), "an edit that waits is not touched");
    assert_eq!(device.get("d").await, Some(card("d", "done", 40)));
    assert_eq!(device.engine.queue_len(), 2);
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.records::<Card>()["b"].column, "doing");
}

#[tokio::test]
async fn a_resync_that_is_cut_short_begins_anew() {
    let device = device().await;
    device.engine.pull().await.unwrap();
    device.server.forget::<Card>(&"c".into());
    device.server.once(Fault::RequestLost);
    device.engine.resync::<Card>().await.unwrap();
    assert_eq!(device.ids().await, "abcd");
    let device = device.restart().await;
    device.engine.pull().await.unwrap();
    assert_eq!(device.ids().await, "abd");
    let before = device.server.calls().len();
    device.engine.pull().await.unwrap();
    let calls = device.server.calls();
    let anew =
        calls[before..].iter().filter(|call| matches!(call, Call::Pull { since: None, entity: "Card" }));
    assert_eq!(anew.count(), 0, "once is enough");
}

#[tokio::test]
async fn the_scope_of_one_entity_is_not_that_of_another() {
    let device = device().await;
    device.server.put(&comment(1, "b"));
    device.engine.set_scope([Card::COLUMN.eq("todo")]).await.unwrap();
    device.engine.pull().await.unwrap();
    assert_eq!(device.engine.all::<Comment>().await.unwrap(), [comment(1, "b")]);
}

/// The server no longer knows the cursor, and has deleted something in the meantime of which it tells nobody.
#[tokio::test]
async fn what_is_pulled_anew_lacks_what_was_deleted() {
    let device = device().await;
    device.engine.pull().await.unwrap();
    device.server.forget::<Card>(&"c".into());
    device.server.once(Fault::CursorGone);
    device.engine.pull_only::<Card>().await.unwrap();
    assert_eq!(device.ids().await, "abd");
    device.server.forget::<Card>(&"a".into());
    device.engine.set_scope([Card::RANK.le(100)]).await.unwrap();
    device.engine.pull().await.unwrap();
    assert_eq!(device.ids().await, "bd", "a new scope is pulled anew, too");
}

#[tokio::test]
async fn a_record_that_could_not_be_asked_for_in_a_listing_is_asked_for_at_the_next_pull() {
    for fault in [Fault::Refused(403, "not now".to_owned()), Fault::RequestLost] {
        let device = device().await;
        device.engine.pull().await.unwrap();
        for id in ["b", "c"] {
            device.server.forget::<Card>(&id.into());
        }
        device.server.script(move |call| match call {
            Call::Fetch { key, .. } if key == "b" => fault.clone(),
            _ => Fault::None,
        });
        device.engine.resync::<Card>().await.unwrap();
        assert_eq!(device.ids().await, "abd", "nobody said that it is gone, and the others were asked for");
        device.server.heal();
        device.engine.pull().await.unwrap();
        assert_eq!(device.ids().await, "ad");
    }
}

#[tokio::test]
async fn a_resync_is_not_cut_short_by_the_limit_of_a_pull() {
    let server = ScriptedRemote::new();
    for number in 0..50 {
        server.put(&card(&format!("{number:02}"), "todo", number));
    }
    let storage = sync::MemoryStorage::new();
    let builder = Engine::builder(Board, server.clone(), storage).page_size(7).page_limit(3);
    let engine = builder.build().await.unwrap();
    engine.resync::<Card>().await.unwrap();
    assert_eq!(engine.count::<Card>().await.unwrap(), 50);
    server.put(&card("new", "todo", 1));
    assert_eq!(engine.pull_only::<Card>().await.unwrap().pulled, 1, "after that, pulls go on from there");
}

#[tokio::test]
async fn the_first_pull_goes_on_where_it_was_cut_short() {
    let (server, clock) = (ScriptedRemote::new(), ManualClock::default());
    for number in 0..20 {
        server.put(&card(&format!("{number:02}"), "todo", number));
    }
    server.script(|call| match call {
        Call::Pull { .. } => Fault::ThenWait(std::time::Duration::from_secs(1)),
        _ => Fault::None,
    });
    let builder = Engine::builder(Board, server.clone(), sync::MemoryStorage::new());
    let engine = builder.page_size(7).clock(clock.clone()).build().await.unwrap();
    for there in [7, 14, 20] {
        engine.pull_only::<Card>().await.unwrap();
        assert_eq!(engine.count::<Card>().await.unwrap(), there);
        clock.advance(chrono::TimeDelta::seconds(2));
    }
}

mod tickets {
    use super::{Engine, Folder, RestRemote, Server, SqliteStorage};
    use serde::{Deserialize, Serialize};
    use sync::replica::Indexable;
    use sync::storage::IndexValue;
    use sync::{Schema, Syncable};
    use sync_examples::server::Config;

    /// It has an order of its own, and is a word in JSON.
    #[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum State {
        Open,
        Closed,
    }

    impl Indexable for State {
        fn index_value(&self) -> IndexValue {
            (*self as u8).index_value()
        }
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/tickets", conflict = ServerWins, replica)]
    struct Ticket {
        id: String,
        #[sync(index)]
        state: State,
        #[sync(index)]
        urgent: bool,
    }

    #[derive(Schema)]
    #[sync(entities(Ticket))]
    struct Desk;

    #[tokio::test]
    async fn a_server_is_asked_in_the_words_of_the_entity() {
        let server = Server::start(Config::new(["/tickets"])).unwrap();
        for (id, state, urgent) in
            [("a", State::Open, true), ("b", State::Closed, true), ("c", State::Open, false)]
        {
            let ticket = Ticket { id: id.into(), state, urgent };
            server.write_as_other_client("/tickets", id, Some(&serde_json::to_value(&ticket).unwrap()));
        }
        let folder = Folder::new();
        let (remote, storage) = (
            RestRemote::new(server.base_url()).unwrap(),
            SqliteStorage::open(folder.file("app.db")).unwrap(),
        );
        let engine = Engine::builder(Desk, remote, storage).build().await.unwrap();
        engine.set_scope([Ticket::STATE.eq(State::Open), Ticket::URGENT.eq(true)]).await.unwrap();
        assert_eq!(engine.pull().await.unwrap().pulled, 1);
        assert_eq!(engine.all::<Ticket>().await.unwrap()[0].id, "a");
        assert_eq!(server.requests()[0].query, "limit=500&state=open&urgent=true");
    }
}
