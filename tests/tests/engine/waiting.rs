//! The server asks to be left alone for a while: everything waits that long, and every report says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use sync::record::Principal;
use sync::storage::{StorageLock, Work};
use sync::testing::{Call, Fault, Gate, ScriptedRemote};
use sync::{AutoSync, Engine, MemoryStorage, State, Storage, StorageError, SyncError, SyncReport};
use sync_tests::app::{App, Mood};
use sync_tests::entities::{Note, note, task};

use crate::device::Device;

/// Whether a report says that the server asked to be left alone, and nothing else.
fn says_only_that_it_waits(report: &SyncReport) -> bool {
    matches!(report.errors.as_slice(), [error] if matches!(&**error, SyncError::Throttled { .. }))
}

#[tokio::test]
async fn a_pause_that_is_over_when_the_flush_ends_is_told_all_the_same() {
    let device =
        Device::with(&ScriptedRemote::new(), MemoryStorage::new(), |builder| builder.max_in_flight(2)).await;
    device.engine.push(&note("long", "x", 0)).await.unwrap();
    let receipt = device.engine.push(&note("short", "x", 0)).await.unwrap();
    device.engine.push(&note("left", "x", 0)).await.unwrap();
    let gate = Gate::new();
    let held = gate.clone();
    device.server.script(move |call| match call {
        Call::Write { key, .. } if key == "short" => Fault::ThenWait(Duration::from_secs(1)),
        Call::Write { key, .. } if key == "long" => Fault::Hold(held.clone()),
        _ => Fault::None,
    });
    let flush = tokio::spawn({
        let engine = device.engine.clone();
        async move { engine.flush().await }
    });
    gate.reached(1).await;
    receipt.synced().await.unwrap();
    device.clock.advance(TimeDelta::seconds(2));
    gate.open();
    let report = flush.await.unwrap().unwrap();
    assert_eq!((report.pushed, report.remaining), (2, 1));
    assert!(says_only_that_it_waits(&report), "{report:?}");
}

#[tokio::test]
async fn a_success_that_asks_to_wait_no_time_stops_nothing() {
    let device =
        Device::with(&ScriptedRemote::new(), MemoryStorage::new(), |builder| builder.max_in_flight(1)).await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.engine.push(&note("b", "x", 0)).await.unwrap();
    device.server.script(|_| Fault::ThenWait(Duration::ZERO));
    let report = device.engine.full_sync().await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    assert_eq!(report.pushed, 2);
}

#[tokio::test]
async fn a_refusal_for_now_that_asks_to_wait_no_time_keeps_its_own_back_off() {
    let device = Device::new().await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.server.script(|_| Fault::Throttled(Some(Duration::ZERO)));
    for _ in 0..10 {
        device.engine.flush().await.unwrap();
    }
    assert!(device.server.calls().len() < 10, "the server is asked again and again");
}

#[tokio::test]
async fn a_sync_that_a_success_stopped_says_that_nothing_was_pulled() {
    let device = Device::new().await;
    device.engine.push(&note("a", "mine", 0)).await.unwrap();
    device.server.put(&note("b", "theirs", 0));
    device.server.once(Fault::ThenWait(Duration::from_secs(60)));
    let report = device.engine.full_sync().await.unwrap();
    assert_eq!((report.pushed, report.pulled), (1, 0));
    assert!(says_only_that_it_waits(&report), "{report:?}");
    device.clock.advance(TimeDelta::seconds(61));
    assert!(device.engine.full_sync().await.unwrap().is_clean());
    assert_eq!(device.app.state().notes["b"].title, "theirs");
}

#[tokio::test]
async fn a_page_that_asks_to_wait_holds_up_the_pulls_of_the_other_entities() {
    let device = Device::new().await;
    device.server.put(&note("a", "theirs", 0));
    device.server.put(&task(1, None, "theirs"));
    device.server.script(|_| Fault::ThenWait(Duration::from_secs(60)));
    let report = device.engine.pull_only::<Note>().await.unwrap();
    assert!(report.is_clean(), "nothing is left: {report:?}");
    assert_eq!(device.engine.status().state, State::Paused);
    device.clock.advance(TimeDelta::seconds(61));
    let report = device.engine.pull().await.unwrap();
    assert!(says_only_that_it_waits(&report), "{report:?}");
    assert_eq!(device.server.calls().len(), 2, "one for each time");
    device.server.heal();
    device.clock.advance(TimeDelta::seconds(61));
    assert!(device.engine.pull().await.unwrap().is_clean());
    assert_eq!(device.app.state().tasks.len(), 1);
}

#[tokio::test]
async fn a_page_that_asks_to_wait_is_obeyed_also_when_the_handler_fails() {
    let device = Device::new().await;
    device.server.put(&note("a", "theirs", 0));
    device.app.state().moods.push_back(Mood::Fail);
    device.server.once(Fault::ThenWait(Duration::from_secs(60)));
    let report = device.engine.pull().await.unwrap();
    assert!(matches!(&*report.errors[0], SyncError::Handler(_)), "{report:?}");
    assert_eq!(device.server.calls().len(), 1, "the tasks wait");
    assert_eq!(device.engine.status().state, State::Paused);
}

#[tokio::test]
async fn the_answer_about_a_single_record_holds_up_everything_else_too() {
    let device = Device::new().await;
    device.server.put(&note("a", "theirs", 0));
    device.engine.pull().await.unwrap();
    device.engine.push(&note("a", "mine", 1)).await.unwrap();
    device.server.once(Fault::Refused(422, "no".to_owned()));
    device.engine.flush().await.unwrap();
    let parked = device.engine.parked::<Note>().await.unwrap();
    // What the server has instead is not known here, and is asked for.
    device.engine.discard(parked[0].operation).await.unwrap();
    device.server.put(&note("b", "theirs", 2));
    let before = device.server.calls().len();
    device.server.once(Fault::ThenWait(Duration::from_secs(60)));
    let report = device.engine.pull().await.unwrap();
    assert!(says_only_that_it_waits(&report), "{report:?}");
    assert_eq!(device.server.calls().len(), before + 1);
    assert_eq!(device.app.state().notes["a"].title, "theirs");
    device.clock.advance(TimeDelta::seconds(61));
    assert!(device.engine.pull().await.unwrap().is_clean());
    assert_eq!(device.app.state().notes["b"].title, "theirs");
}

#[tokio::test]
async fn a_page_that_was_fetched_ahead_is_obeyed_although_the_one_before_failed() {
    let device =
        Device::with(&ScriptedRemote::new(), MemoryStorage::new(), |builder| builder.page_size(1)).await;
    device.server.put(&note("a", "theirs", 0));
    device.server.put(&note("b", "theirs", 1));
    device.app.state().moods.push_back(Mood::Fail);
    device.server.once(Fault::None);
    device.server.once(Fault::Throttled(Some(Duration::from_secs(60))));
    let report = device.engine.pull_only::<Note>().await.unwrap();
    assert!(matches!(&*report.errors[0], SyncError::Handler(_)), "{report:?}");
    assert_eq!(device.server.calls().len(), 2);
    let report = device.engine.pull_only::<Note>().await.unwrap();
    assert!(says_only_that_it_waits(&report), "{report:?}");
    assert_eq!(device.server.calls().len(), 2);
}

/// Nothing but listening happens by itself.
const LISTENING: AutoSync =
    AutoSync { flush_after: Duration::from_secs(3600), pull_every: None, listen: true };

/// A device to which the server says `fault` when it wants to listen.
async fn refused_listener(fault: Fault) -> Device {
    let server = ScriptedRemote::new();
    server.tell_changes();
    server.script(move |call| if matches!(call, Call::Listen { .. }) { fault.clone() } else { Fault::None });
    let device = Device::with(&server, MemoryStorage::new(), |builder| builder).await;
    device.engine.start(LISTENING);
    while device.server.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    device
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_is_asked_of_a_listener_holds_for_everything() {
    let device = refused_listener(Fault::Throttled(Some(Duration::from_secs(60)))).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let before = device.server.calls().len();
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    let report = device.engine.full_sync().await.unwrap();
    assert!(says_only_that_it_waits(&report), "{report:?}");
    assert_eq!(device.server.calls().len(), before);
}

#[tokio::test(start_paused = true)]
async fn nobody_connects_to_listen_while_the_server_is_to_be_left_alone() {
    let device = refused_listener(Fault::RequestLost).await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.server.script(|_| Fault::ThenWait(Duration::from_secs(600)));
    device.engine.flush().await.unwrap();
    let before = device.server.calls().len();
    for _ in 0..500 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        device.clock.advance(TimeDelta::seconds(1));
    }
    assert_eq!(device.server.calls().len(), before);
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        device.clock.advance(TimeDelta::seconds(1));
    }
    assert!(device.server.listeners() > 0, "it listens when the pause is over");
}

/// A disk that is full while it is told to be.
#[derive(Debug, Clone, Default)]
struct Disk {
    storage: MemoryStorage,
    is_full: Arc<AtomicBool>,
}

#[async_trait]
impl Storage for Disk {
    async fn transact(&self, principal: &Principal, work: Work) -> Result<(), StorageError> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(StorageError::Full("no room in this test".into()));
        }
        self.storage.transact(principal, work).await
    }

    fn lock(&self) -> Result<StorageLock, StorageError> {
        self.storage.lock()
    }
}

#[tokio::test]
async fn a_pause_that_cannot_be_written_down_holds_all_the_same() {
    let (server, disk) = (ScriptedRemote::new(), Disk::default());
    let building = Engine::builder(App::default(), server.clone(), disk.clone()).max_in_flight(1).build();
    let engine = building.await.unwrap();
    engine.push(&note("a", "x", 0)).await.unwrap();
    engine.push(&note("b", "x", 0)).await.unwrap();
    let is_full = Arc::clone(&disk.is_full);
    server.script(move |_| {
        is_full.store(true, Ordering::Relaxed);
        Fault::ThenWait(Duration::from_secs(60))
    });
    engine.flush().await.unwrap_err();
    disk.is_full.store(false, Ordering::Relaxed);
    let report = engine.flush().await.unwrap();
    assert!(says_only_that_it_waits(&report), "{report:?}");
    assert_eq!(server.calls().len(), 1);
}
