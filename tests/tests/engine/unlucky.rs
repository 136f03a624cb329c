//! Unlucky moments: an edit, a panic, a refusal or a restart at the worst time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::future::ready;
use futures::{FutureExt, StreamExt};
use serde::{Deserialize, Deserializer, Serialize};
use sync::record::Principal;
use sync::remote::{Page, PageItem, Position};
use sync::storage::{StorageLock, Work};
use sync::testing::{Call, Fault, Gate, ScriptedRemote};
use sync::{
    AutoSync, BoxError, Engine, MemoryStorage, OnPull, Pulled, Schema, Storage, StorageError, SyncError,
    SyncEvent, Syncable,
};
use sync_tests::app::App;
use sync_tests::entities::{Note, Task, note, task};
use tokio::sync::Semaphore;

use crate::device::{Device, NO_PULLS};

const SOON: Duration = Duration::from_secs(5);
/// A record whose `Deserialize` has a bug.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/brittle", conflict = ServerWins)]
struct Brittle {
    id: String,
    #[serde(deserialize_with = "fragile")]
    text: String,
}

fn fragile<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    assert!(text != "boom", "a bug in the application's `Deserialize`");
    Ok(text)
}

#[derive(Schema)]
#[sync(entities(Brittle))]
struct BrittleApp;

impl OnPull<Brittle> for BrittleApp {}

/// Expected: a panic of the user's `Deserialize` is reported, and the engine goes on. (`flush` says so of a push; a
/// pull runs in the driver's own task and takes it down: every later sync waits for ever.)
#[tokio::test(start_paused = true)]
async fn a_panic_while_a_page_is_read_does_not_end_all_syncing() {
    let server = ScriptedRemote::new();
    let engine = Engine::builder(BrittleApp, server.clone(), MemoryStorage::new()).build().await.unwrap();
    server.put(&Brittle { id: "a".into(), text: "boom".into() });
    let _ = tokio::time::timeout(SOON, engine.pull()).await.expect("the first pull answers");
    let later = tokio::time::timeout(SOON, engine.flush()).await.expect("a later flush answers");
    later.expect("the engine was not shut down");
}

/// Expected: the same of code that runs while the server is asked, such as the user's `Credentials`, `Signer` or `Remote`.
#[tokio::test]
async fn a_panic_while_the_server_is_asked_for_a_page_does_not_end_all_syncing() {
    let device = Device::new().await;
    device.server.put(&note("a", "x", 0));
    device.server.script(|call| match call {
        Call::Pull { entity: "Note", .. } => panic!("a bug in the application's `Credentials`"),
        _ => Fault::None,
    });
    let events = device.engine.events();
    let report = device.engine.pull().await.unwrap();
    let [error] = &report.errors[..] else { panic!("one error: {:?}", report.errors) };
    assert!(
        matches!(&**error, SyncError::PullPanicked { entity, .. } if entity.as_str() == "Note"),
        "{error}"
    );
    assert!(error.to_string().contains("panicked: a bug in the application's `Credentials`"), "{error}");
    device.server.heal();
    assert_eq!(device.engine.pull().await.unwrap().pulled, 1);
    drop(device);
    let failed = |event: &SyncEvent| matches!(event, SyncEvent::PullFailed { .. });
    assert_eq!(events.filter(|event| ready(failed(event))).count().await, 1);
}

/// Expected: what was said at the panic is told with it, of a push as well.
#[tokio::test]
async fn a_panic_while_an_edit_is_sent_is_told_with_its_message() {
    let device = Device::new().await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.server.script(|call| match call {
        Call::Write { .. } => panic!("a bug in the application's `Signer`"),
        _ => Fault::None,
    });
    let report = device.engine.flush().await.unwrap();
    let [error] = &report.errors[..] else { panic!("one error: {:?}", report.errors) };
    assert!(matches!(&**error, SyncError::Panicked { record, .. } if record.key.as_str() == "a"), "{error}");
    assert!(error.to_string().contains("panicked: a bug in the application's `Signer`"), "{error}");
    assert_eq!(device.engine.queue_len(), 1, "it is sent again later");
}

/// Expected: it is never time for it.
#[tokio::test(start_paused = true)]
async fn an_interval_that_no_clock_reaches_is_never_over() {
    let device = Device::new().await;
    let never = AutoSync { flush_after: Duration::MAX, pull_every: Some(Duration::MAX), listen: false };
    let mut events = device.engine.events();
    device.engine.start(never);
    // Everything is pulled at once, and then never again.
    while !matches!(events.next().await, Some(SyncEvent::SyncComplete(_))) {}
    drop(device.engine.push(&note("a", "x", 0)).await.unwrap());
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    assert_eq!(device.engine.queue_len(), 1);
    assert_eq!(device.engine.flush().await.unwrap().pushed, 1);
}

/// Expected: a due pull is not forgotten because somebody asks for a flush at the same moment.
#[tokio::test(start_paused = true)]
async fn a_due_pull_is_not_dropped_by_a_request_at_the_same_time() {
    let device = Device::new().await;
    device.server.put(&note("theirs", "x", 0));
    device.engine.start(AutoSync { pull_every: Some(Duration::from_secs(86_400)), ..NO_PULLS });
    device.engine.flush().await.unwrap();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(device.app.state().notes.len(), 1, "the pull that `start` promises at once");
}

/// Expected: coming online ends the back-off of a server that could not be reached: the queue is sent at once.
#[tokio::test(start_paused = true)]
async fn coming_online_does_not_wait_for_the_back_off_of_being_offline() {
    let device = Device::with(&ScriptedRemote::new(), MemoryStorage::new(), |builder| {
        builder.retry(sync::RetryPolicy { base: Duration::from_secs(300), ..sync::RetryPolicy::default() })
    })
    .await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.server.once(Fault::RequestLost);
    device.engine.flush().await.unwrap();
    device.engine.start(NO_PULLS);
    device.switch.set_online(false);
    tokio::time::sleep(Duration::from_secs(2)).await;
    device.switch.set_online(true);
    // The device's own clock stands still, so only the edge can bring this about.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(device.engine.queue_len(), 0);
}

/// Expected: both receipts of a record that is deleted twice learn that the server has the deletion.
#[tokio::test]
async fn two_receipts_of_one_deletion_both_learn_of_it() {
    let (device, first, gate, flush) = deleting().await;
    let second = device.engine.delete::<Note>(&"a".to_owned()).await.unwrap();
    gate.open();
    flush.await.unwrap();
    second.synced().await.unwrap();
    first.synced().await.unwrap();
}

/// Expected: dropping one receipt does not take the other's news away.
#[tokio::test]
async fn a_dropped_receipt_takes_no_news_from_another() {
    let (device, first, gate, flush) = deleting().await;
    drop(device.engine.delete::<Note>(&"a".to_owned()).await.unwrap());
    gate.open();
    flush.await.unwrap();
    first.synced().await.unwrap();
}

/// Expected: the deletion that is under way was not taken back; only the creation after it was.
#[tokio::test]
async fn a_withdrawn_creation_leaves_the_receipt_of_the_deletion_before_it_alone() {
    let (device, first, gate, flush) = deleting().await;
    device.engine.push(&note("a", "again", 2)).await.unwrap();
    device.engine.delete::<Note>(&"a".to_owned()).await.unwrap();
    gate.open();
    flush.await.unwrap();
    assert!(device.server.records::<Note>().is_empty());
    first.synced().await.unwrap();
}

/// Expected: the second deletion's receipt waits for the deletion that is under way: the server still has the record.
#[tokio::test]
async fn the_receipt_of_a_deletion_is_not_done_while_the_deletion_is_under_way() {
    let device = Device::new().await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.engine.flush().await.unwrap();
    device.engine.delete::<Note>(&"a".to_owned()).await.unwrap();
    device.server.once(Fault::RequestLost);
    device.engine.flush().await.unwrap();
    device.engine.push(&note("a", "again", 2)).await.unwrap();
    let receipt = device.engine.delete::<Note>(&"a".to_owned()).await.unwrap();
    assert_eq!(device.server.records::<Note>().len(), 1);
    let early = tokio::time::timeout(Duration::from_millis(50), receipt.synced()).await;
    assert!(early.is_err(), "the server still has the record: {early:?}");
}

/// A note whose deletion is on its way.
async fn deleting() -> (Device, sync::Receipt, Gate, tokio::task::JoinHandle<()>) {
    let device = Device::new().await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.engine.flush().await.unwrap();
    let first = device.engine.delete::<Note>(&"a".to_owned()).await.unwrap();
    let gate = Gate::new();
    device.server.once(Fault::Hold(gate.clone()));
    let engine = device.engine.clone();
    let flush = tokio::spawn(async move { drop(engine.flush().await.unwrap()) });
    gate.reached(1).await;
    (device, first, gate, flush)
}

/// An application whose handler stores first, and takes its time after that.
#[derive(Clone, Default, Schema)]
#[sync(entities(Note))]
struct Slow {
    notes: Arc<Mutex<BTreeMap<String, String>>>,
    stored: Arc<tokio::sync::Notify>,
    go_on: Arc<tokio::sync::Notify>,
}

impl OnPull<Note> for Slow {
    async fn on_pull(&self, pulled: Pulled<Note>) -> Result<(), BoxError> {
        for change in &pulled.changes {
            let mut notes = self.notes.lock().unwrap();
            match change.local() {
                Some(note) => notes.insert(note.id.clone(), note.title.clone()),
                None => notes.remove(change.id()),
            };
        }
        self.stored.notify_one();
        self.go_on.notified().await;
        Ok(())
    }
}

/// Expected: an edit that is made while `OnPull` works, and that the strategy then decides against, is taken back in
/// the application too: it is told the server's version again (invariant 9).
#[tokio::test(start_paused = true)]
async fn an_edit_made_during_a_page_and_overruled_does_not_stay_on_the_screen() {
    let (app, server) = (Slow::default(), ScriptedRemote::new());
    let engine = Engine::builder(app.clone(), server.clone(), MemoryStorage::new()).build().await.unwrap();
    server.put(&note("a", "theirs", 10));
    let pull = tokio::spawn({
        let engine = engine.clone();
        async move { engine.full_sync().await.unwrap() }
    });
    app.stored.notified().await;
    // The user edits: the screen and the queue. The edit is the older one by its `updated_at`.
    app.notes.lock().unwrap().insert("a".to_owned(), "mine".to_owned());
    engine.push(&note("a", "mine", 1)).await.unwrap();
    app.go_on.notify_one();
    tokio::time::sleep(Duration::from_secs(1)).await;
    app.go_on.notify_one();
    pull.await.unwrap();
    assert_eq!(engine.queue_len(), 0);
    assert_eq!(server.records::<Note>()["a"].title, "theirs");
    assert_eq!(app.notes.lock().unwrap()["a"], "theirs");
}

/// Expected: a version that was pulled while the outcome of an operation was unknown is what a discard goes back to.
#[tokio::test]
async fn a_discard_goes_back_to_what_was_pulled_while_the_operation_was_under_way() {
    let device = crossed().await;
    device.server.once(Fault::Refused(422, "no".to_owned()));
    device.engine.flush().await.unwrap();
    let parked = device.engine.parked::<Task>().await.unwrap();
    device.engine.discard(parked[0].operation).await.unwrap();
    device.engine.full_sync().await.unwrap();
    assert_eq!(device.app.state().tasks[&1].text, "theirs");
}

/// Expected: an operation that the server took is not parked because a later read is refused.
#[tokio::test]
async fn a_refused_read_does_not_park_what_the_server_took() {
    let device = crossed().await;
    device.server.script(|call| match call {
        // A server without versions would take it like this.
        Call::Write { payload: Some(payload), .. } => Fault::AcceptedAs(payload.as_str().to_owned()),
        Call::Fetch { .. } => Fault::Refused(405, "there is no such method".to_owned()),
        _ => Fault::None,
    });
    let report = device.engine.flush().await.unwrap();
    assert_eq!(report.parked, 0, "{report:?}");
}

/// A task whose update's request was lost, and of which somebody else's version was pulled since.
async fn crossed() -> Device {
    let device = Device::new().await;
    device.server.put(&task(1, None, "base"));
    device.engine.pull().await.unwrap();
    device.engine.push(&task(1, None, "mine")).await.unwrap();
    device.server.once(Fault::RequestLost);
    device.engine.flush().await.unwrap();
    device.server.put(&task(1, None, "theirs"));
    device.engine.pull().await.unwrap();
    device.wait_out();
    device
}

/// Expected: a sync that was skipped because the server is left alone did not sync: `last_sync_at` stays, and so does
/// the error.
#[tokio::test(start_paused = true)]
async fn a_sync_that_was_skipped_is_no_sync() {
    let device = Device::with(&ScriptedRemote::new(), MemoryStorage::new(), |builder| {
        builder.retry(sync::RetryPolicy { base: Duration::from_secs(300), ..sync::RetryPolicy::default() })
    })
    .await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.server.once(Fault::RequestLost);
    device.engine.flush().await.unwrap();
    assert!(device.engine.status().last_sync_at.is_none());
    device.engine.start(NO_PULLS);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(device.engine.queue_len(), 1);
    assert_eq!(device.engine.status().last_sync_at, None, "nothing reached the server");
    assert!(device.engine.status().last_error.is_some());
}

/// Expected: where the cursor is the newest `updated_at` and a full page does not move it, there may be more that can
/// never be reached: that is said, and not taken for the end.
#[tokio::test]
async fn a_full_page_that_does_not_move_the_cursor_is_reported() {
    let device = Device::new().await;
    device.server.script(|call| match call {
        Call::Pull { entity: "Note", .. } => {
            let item = |id| PageItem::Record {
                version: None,
                body: serde_json::to_vec(&note(id, "imported at once", 0)).unwrap().into(),
            };
            let items = vec![item("a"), item("b")];
            Fault::Page(Box::new(Page {
                items,
                position: Position::NewestItem { full: true, newest: None, limit: None },
            }))
        }
        _ => Fault::None,
    });
    let report = device.engine.pull().await.unwrap();
    assert!(!report.errors.is_empty(), "everything from the third record on is never pulled");
}

/// A storage that is slow to say that something was parked.
#[derive(Debug, Clone)]
struct SlowToTell {
    storage: MemoryStorage,
    parked: Arc<Semaphore>,
    answer: Arc<Semaphore>,
}

#[async_trait]
impl Storage for SlowToTell {
    async fn transact(&self, principal: &Principal, work: Work) -> Result<(), StorageError> {
        let parks = Arc::new(Mutex::new(false));
        let says = Arc::clone(&parks);
        let parked = move |tx: &mut dyn sync::storage::Transaction| {
            Ok::<_, StorageError>(tx.counts()?.iter().any(|(_, counts)| counts.parked > 0))
        };
        let looked: Work = Box::new(move |tx| {
            let before = parked(tx)?;
            work(tx)?;
            *says.lock().unwrap() = !before && parked(tx)?;
            Ok(())
        });
        self.storage.transact(principal, looked).await?;
        let parks = *parks.lock().unwrap();
        if parks {
            self.parked.add_permits(1);
            let _answer = self.answer.acquire().await;
        }
        Ok(())
    }

    fn lock(&self) -> Result<StorageLock, StorageError> {
        self.storage.lock()
    }
}

/// Expected: that an earlier edit was refused is not said of a later one, which is sent.
#[tokio::test]
async fn an_edit_made_as_an_earlier_one_is_parked_is_not_said_to_be_parked() {
    let closed = || Arc::new(Semaphore::new(0));
    let storage = SlowToTell { storage: MemoryStorage::new(), parked: closed(), answer: closed() };
    let server = ScriptedRemote::new();
    let engine = Engine::builder(App::default(), server.clone(), storage.clone()).build().await.unwrap();
    let refused = engine.push(&note("a", "bad", 0)).await.unwrap();
    server.once(Fault::Refused(422, "no".to_owned()));
    let flush = tokio::spawn({
        let engine = engine.clone();
        async move { engine.flush().await.unwrap() }
    });
    drop(storage.parked.acquire().await.unwrap());
    let mut better = engine.push(&note("a", "better", 1));
    assert!((&mut better).now_or_never().is_none(), "it comes after what is being written");
    storage.answer.add_permits(1);
    let better = better.await.unwrap();
    assert_eq!(flush.await.unwrap().parked, 1);
    refused.synced().await.unwrap_err();
    engine.flush().await.unwrap();
    better.synced().await.unwrap();
}
