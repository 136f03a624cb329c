//! A watch tells the result of a query, and then what changes in it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use sync::replica::OrderBy;
use sync::testing::{Fault, ScriptedRemote};
use sync::{Engine, Error, Query, RetryPolicy, SyncState, WatchChange, WatchEvent};

use crate::device::{Board, Card, Comment, Device, card, comment, ids};
use crate::staged::{Staged, Step};

type Watch = BoxStream<'static, Result<WatchEvent<Card>, Error>>;

async fn result(watch: &mut Watch) -> String {
    let Some(Ok(WatchEvent::Snapshot(cards))) = watch.next().await else { panic!("no result") };
    ids(&cards.into_iter().map(|watched| watched.record).collect::<Vec<_>>())
}

/// The changes in words: `+` for inserted, `~` for updated, `-` for removed.
async fn changes(watch: &mut Watch) -> Vec<String> {
    let Some(Ok(WatchEvent::Changes(changes))) = watch.next().await else { panic!("no changes") };
    let word = |change: &WatchChange<Card>| match change {
        WatchChange::Inserted(card) => format!("+{} {}", card.record.id, state(&card.state)),
        WatchChange::Updated(card) => format!("~{} {}", card.record.id, state(&card.state)),
        WatchChange::Removed(id) => format!("-{id}"),
    };
    changes.iter().map(word).collect()
}

fn state(state: &SyncState) -> &'static str {
    match state {
        SyncState::Synced => "synced",
        SyncState::Pending => "pending",
        SyncState::InFlight { .. } => "in flight",
        SyncState::Parked { .. } => "parked",
        SyncState::InConflict { .. } => "in conflict",
        _ => "waits",
    }
}

/// Nothing is there to be told: what comes next is what happens now.
async fn is_quiet(device: &Device, watch: &mut Watch) {
    device.engine.push(&card("zz", "todo", 99)).await.unwrap();
    assert_eq!(changes(watch).await, ["+zz pending"]);
}

#[tokio::test]
async fn local_edits_and_pulls_are_told_alike() {
    let device = Device::new().await;
    device.server.put(&card("a", "todo", 1));
    device.engine.pull().await.unwrap();
    let mut watch = device.engine.watch(Card::COLUMN.eq("todo"));
    assert_eq!(result(&mut watch).await, "a");
    device.engine.push(&card("b", "todo", 2)).await.unwrap();
    assert_eq!(changes(&mut watch).await, ["+b pending"]);
    device.engine.flush().await.unwrap();
    assert_eq!(changes(&mut watch).await, ["~b synced"]);
    device.server.put(&card("c", "todo", 3));
    device.server.put(&card("a", "done", 1));
    device.server.remove::<Card>(&"b".into());
    device.engine.pull().await.unwrap();
    assert_eq!(changes(&mut watch).await, ["-a", "-b", "+c synced"]);
    is_quiet(&device, &mut watch).await;
}

#[tokio::test]
async fn many_changes_of_one_record_become_one() {
    let device = Device::new().await;
    let mut watch = device.engine.watch(Query::new());
    assert_eq!(result(&mut watch).await, "");
    for rank in 0..50 {
        device.engine.push(&card("a", "todo", rank)).await.unwrap();
    }
    assert_eq!(changes(&mut watch).await, ["+a pending"]);
    device.engine.push(&card("b", "todo", 1)).await.unwrap();
    device.engine.delete::<Card>(&"b".into()).await.unwrap();
    device.engine.push(&card("a", "todo", 49)).await.unwrap();
    is_quiet(&device, &mut watch).await;
}

#[tokio::test]
async fn records_outside_of_the_query_wake_nobody() {
    let device = Device::new().await;
    let mut watch = device.engine.watch(Query::new().filter(Card::RANK.between(10, 20)));
    assert_eq!(result(&mut watch).await, "");
    let waker = counted();
    let mut context = std::task::Context::from_waker(&waker.0);
    assert!(watch.poll_next_unpin(&mut context).is_pending());
    device.engine.push(&card("a", "todo", 9)).await.unwrap();
    device.engine.push(&card("b", "todo", None)).await.unwrap();
    device.engine.push(&comment(1, "a")).await.unwrap();
    device.engine.full_sync().await.unwrap();
    assert_eq!(waker.1.count(), 0);
    device.engine.push(&card("a", "todo", 10)).await.unwrap();
    assert_eq!(waker.1.count(), 1);
    assert_eq!(changes(&mut watch).await, ["+a pending"]);
}

#[tokio::test]
async fn a_limited_watch_is_filled_up_from_behind() {
    let device = Device::new().await;
    for (id, rank) in [("a", 1), ("b", 2), ("c", 3), ("d", 4)] {
        device.server.put(&card(id, "todo", rank));
    }
    device.engine.pull().await.unwrap();
    let mut watch = device.engine.watch(Query::new().order_by(Card::RANK).limit(2));
    assert_eq!(result(&mut watch).await, "ab");
    device.engine.delete::<Card>(&"a".into()).await.unwrap();
    assert_eq!(changes(&mut watch).await, ["+c synced", "-a"]);
    device.engine.push(&card("d", "todo", 0)).await.unwrap();
    assert_eq!(changes(&mut watch).await, ["+d pending", "-c"]);
}

/// Without an order, the rows of the records are gone through, also of those that are deleted here.
#[tokio::test]
async fn a_limited_watch_of_everything_is_filled_up_from_behind() {
    let device = Device::new().await;
    for id in ["a", "b", "c", "d"] {
        device.server.put(&card(id, "todo", 1));
    }
    device.engine.pull().await.unwrap();
    let mut watch = device.engine.watch(Query::new().limit(2));
    assert_eq!(result(&mut watch).await, "ab");
    device.engine.delete::<Card>(&"a".into()).await.unwrap();
    assert_eq!(changes(&mut watch).await, ["+c synced", "-a"]);
    device.engine.delete::<Card>(&"c".into()).await.unwrap();
    assert_eq!(changes(&mut watch).await, ["+d synced", "-c"]);
}

/// A program with a graphical interface polls the stream from its own loop.
#[test]
fn a_watch_can_be_polled_from_outside_of_a_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let device = runtime.block_on(Device::new());
    let mut watch = device.engine.watch(Query::new());
    futures::executor::block_on(async {
        assert_eq!(result(&mut watch).await, "");
        device.engine.push(&card("a", "todo", 1)).await.unwrap();
        assert_eq!(changes(&mut watch).await, ["+a pending"]);
    });
}

#[tokio::test]
async fn a_refused_edit_and_its_end_are_told() {
    let device = Device::new().await;
    let mut watch = device.engine.watch(Query::new());
    assert_eq!(result(&mut watch).await, "");
    device.server.once(Fault::Refused(422, "no".into()));
    device.engine.push(&card("a", "todo", 1)).await.unwrap();
    device.engine.flush().await.unwrap();
    assert_eq!(changes(&mut watch).await, ["+a parked"]);
    let Ok(SyncState::Parked { operation, reason }) = device.engine.sync_state::<Card>(&"a".into()).await
    else {
        panic!("it is not parked")
    };
    assert!(matches!(reason, sync::record::ParkReason::Refused { refusal, .. } if refusal.status == 422));
    device.engine.discard(operation).await.unwrap();
    assert_eq!(changes(&mut watch).await, ["-a"]);
}

#[tokio::test]
async fn more_changes_than_are_remembered_are_all_told() {
    let device = Device::new().await;
    let mut watch = device.engine.watch(Query::new());
    assert_eq!(result(&mut watch).await, "");
    let cards: Vec<_> = (0..1500).map(|number| card(&format!("{number:04}"), "todo", number)).collect();
    device.engine.push_all(&cards).await.unwrap();
    assert_eq!(changes(&mut watch).await.len(), 1500);
    device.engine.delete::<Card>(&"0007".into()).await.unwrap();
    assert_eq!(changes(&mut watch).await, ["-0007"]);
}

#[tokio::test]
async fn a_watch_ends_with_its_engine() {
    let device = Device::new().await;
    let mut first = device.engine.watch(Query::new());
    let mut second = device.engine.watch::<Card>(Query::new());
    assert_eq!(result(&mut first).await, "");
    device.engine.shutdown().await;
    assert!(first.next().await.is_none());
    drop(device);
    assert!(second.next().await.is_none(), "also one that was never read");
}

#[tokio::test]
async fn watches_of_several_entities_are_told_apart() {
    let device = Device::new().await;
    let mut comments = device.engine.watch::<Comment>(Query::new());
    assert!(matches!(comments.next().await, Some(Ok(WatchEvent::Snapshot(none))) if none.is_empty()));
    device.engine.push(&card("a", "todo", 1)).await.unwrap();
    assert!(comments.next().now_or_never().is_none());
    device.engine.push(&comment(1, "a")).await.unwrap();
    let Some(Ok(WatchEvent::Changes(changes))) = comments.next().await else { panic!("no changes") };
    assert!(matches!(&changes[..], [WatchChange::Inserted(watched)] if watched.record == comment(1, "a")));
}

/// The edit was told of while the disk was full, and nothing happens after that.
#[tokio::test(start_paused = true)]
async fn a_watch_looks_again_after_the_storage_failed() {
    let storage = Staged::default();
    let engine = Engine::builder(Board, ScriptedRemote::new(), storage.clone()).build().await.unwrap();
    let mut watch = engine.watch::<Card>(Query::new());
    assert_eq!(result(&mut watch).await, "");
    engine.push(&card("a", "todo", 1)).await.unwrap();
    storage.play([Step::Fails; 3]);
    for _ in 0..3 {
        assert!(matches!(watch.next().await, Some(Err(Error::Storage(_)))));
    }
    assert_eq!(changes(&mut watch).await, ["+a pending"]);
}

/// There, nothing has a clock of its own.
#[test]
fn a_watch_looks_again_after_the_storage_failed_outside_of_a_runtime_too() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let storage = Staged::default();
    let at_once = RetryPolicy { base: Duration::ZERO, ..RetryPolicy::default() };
    let building = Engine::builder(Board, ScriptedRemote::new(), storage.clone()).retry(at_once).build();
    let engine = runtime.block_on(building).unwrap();
    let mut watch = engine.watch::<Card>(Query::new());
    futures::executor::block_on(async {
        assert_eq!(result(&mut watch).await, "");
        engine.push(&card("a", "todo", 1)).await.unwrap();
        storage.play([Step::Fails]);
        assert!(matches!(watch.next().await, Some(Err(Error::Storage(_)))));
        assert_eq!(changes(&mut watch).await, ["+a pending"]);
    });
}

/// As that of a window that is closed, and whose owner has forgotten it.
#[tokio::test]
async fn a_watch_that_is_left_alone_while_it_reads_keeps_no_storage() {
    let storage = Staged::default();
    let build = || Engine::builder(Board, ScriptedRemote::new(), storage.clone()).build();
    let engine = build().await.unwrap();
    let mut watch = engine.watch(Query::new());
    storage.play([Step::RunsBefore]);
    assert!(watch.next().now_or_never().is_none(), "the storage is busy");
    storage.interlude(async {}).await;
    engine.shutdown().await;
    drop(engine);
    build().await.expect("nobody has the storage any more");
    assert_eq!(result(&mut watch).await, "", "what it has read can still be told");
    assert!(watch.next().await.is_none());
}

#[test]
fn a_watch_reads_on_though_the_runtime_of_the_engine_has_ended() {
    let home = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let storage = Staged::default();
    let building = Engine::builder(Board, ScriptedRemote::new(), storage.clone()).build();
    let engine = home.block_on(building).unwrap();
    let mut watch = engine.watch(Query::new());
    drop(home);
    futures::executor::block_on(async {
        storage.play([Step::RunsBefore]);
        let (read, ()) = tokio::join!(result(&mut watch), storage.interlude(async {}));
        assert_eq!(read, "");
        engine.push(&card("a", "todo", 1)).await.unwrap();
        assert_eq!(changes(&mut watch).await, ["+a pending"]);
    });
}

/// More cards than one transaction reads, and what a watch tells when some of them are changed after its first.
struct Contest {
    storage: Staged,
    engine: Engine<Board>,
}

impl Contest {
    async fn new() -> Self {
        let storage = Staged::default();
        let engine = Engine::builder(Board, ScriptedRemote::new(), storage.clone()).build().await.unwrap();
        engine.push_all(&Self::cards("new")).await.unwrap();
        Self { storage, engine }
    }

    fn cards(title: &str) -> Vec<Card> {
        let number = |number| Card { title: title.into(), ..card(&format!("{number:04}"), "todo", number) };
        (0..1100).map(number).collect()
    }

    async fn next(&self, watch: &mut Watch, meanwhile: &[Card]) -> WatchEvent<Card> {
        self.storage.play([Step::RunsBefore]);
        let change = self.storage.interlude(async { drop(self.engine.push_all(meanwhile).await.unwrap()) });
        let (event, ()) = tokio::join!(watch.next(), change);
        event.expect("the engine is there").expect("the storage does not fail")
    }
}

#[tokio::test]
async fn a_record_that_moves_while_many_are_read_is_in_the_result_once() {
    let moving = [card("0000", "todo", 5000), card("0700", "done", 700), card("0900", "todo", -1)];
    for (order, descending, shown, told) in [
        (OrderBy::from(Card::RANK), false, 1099, vec!["~0000 pending"]),
        (Card::RANK.descending(), true, 1100, vec!["-0700", "~0900 pending"]),
    ] {
        let contest = Contest::new().await;
        let mut watch = contest.engine.watch(Query::new().filter(Card::COLUMN.eq("todo")).order_by(order));
        let WatchEvent::Snapshot(cards) = contest.next(&mut watch, &moving).await else {
            panic!("no result")
        };
        let mut places: Vec<_> = cards.iter().map(|card| (card.record.rank, &card.record.id)).collect();
        if descending {
            places.reverse();
        }
        assert!(places.is_sorted(), "descending: {descending}");
        let ids: BTreeSet<_> = places.iter().map(|(_, id)| *id).collect();
        assert_eq!((cards.len(), ids.len()), (shown, shown), "descending: {descending}");
        assert_eq!(changes(&mut watch).await, told, "what was read before is told again");
    }
}

#[tokio::test]
async fn a_record_that_moves_while_many_are_read_was_never_gone() {
    let contest = Contest::new().await;
    let mut watch = contest.engine.watch(Query::new().filter(Card::COLUMN.eq("todo")).order_by(Card::RANK));
    assert!(matches!(watch.next().await, Some(Ok(WatchEvent::Snapshot(all))) if all.len() == 1100));
    contest.engine.push_all(&Contest::cards("changed")).await.unwrap();
    let moving = [card("0000", "todo", 5000), card("0900", "todo", -1)];
    let WatchEvent::Changes(told) = contest.next(&mut watch, &moving).await else { panic!("no changes") };
    let updated = |change: &WatchChange<Card>| match change {
        WatchChange::Updated(card) => card.record.id.clone(),
        other => panic!("{other:?}"),
    };
    let ids: BTreeSet<_> = told.iter().map(updated).collect();
    assert_eq!((told.len(), ids.len()), (1100, 1100));
    assert_eq!(changes(&mut watch).await, ["~0000 pending"]);
}

/// A waker that counts how often it is woken.
fn counted() -> (std::task::Waker, Arc<Count>) {
    let count = Arc::new(Count::default());
    (std::task::Waker::from(Arc::clone(&count)), count)
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Count {
    fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl std::task::Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A comment waits for its card; nothing of the comment itself is written when that changes.
#[tokio::test]
async fn a_record_that_waits_for_another_tells_what_for() {
    let device = Device::new().await;
    let mut comments = device.engine.watch::<Comment>(Query::new());
    assert!(matches!(comments.next().await, Some(Ok(WatchEvent::Snapshot(_)))));
    let told = |event: Option<Result<WatchEvent<Comment>, Error>>| match event {
        Some(Ok(WatchEvent::Changes(changes))) => match changes.into_iter().next() {
            Some(WatchChange::Inserted(watched) | WatchChange::Updated(watched)) => watched.state,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    device.engine.push(&card("a", "todo", 1)).await.unwrap();
    device.engine.push(&comment(1, "a")).await.unwrap();
    assert_eq!(told(comments.next().await), SyncState::Pending);
    device.server.once(Fault::Refused(422, "no".into()));
    device.engine.flush().await.unwrap();
    assert!(matches!(told(comments.next().await), SyncState::Blocked { parked: true, .. }));
    let parked = device.engine.parked::<Card>().await.unwrap();
    device.engine.discard(parked[0].operation).await.unwrap();
    assert_eq!(told(comments.next().await), SyncState::Pending);
}
