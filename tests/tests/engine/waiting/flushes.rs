//! What is sent, and what not any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use futures::StreamExt;
use sync::record::{Principal, RecordKey};
use sync::remote::{Fetched, Reply, WriteAnswer, WriteRequest};
use sync::storage::{StorageLock, Work};
use sync::testing::{Call, Fault, Gate, ManualClock, ScriptedRemote};
use sync::{
    Engine, EntityInfo, MemoryStorage, Remote, RemoteError, State, Storage, StorageError, SyncError,
    SyncEvent,
};
use sync_tests::app::App;
use sync_tests::entities::note;

use super::{MINUTE, says_only_that_it_waits};
use crate::device::Device;
use crate::peculiar::{Peculiar, Server};

#[tokio::test]
async fn what_a_flush_put_off_is_left_to_another_however_long_it_takes() {
    let device = Device::new().await;
    for number in 0..3 {
        device.engine.push(&note(&number.to_string(), "x", 0)).await.unwrap();
    }
    // Each answer takes longer than any back-off; and so that this ends, the server comes to its senses.
    let (clock, mut answers) = (device.clock.clone(), 0);
    device.server.script(move |_| {
        clock.advance(TimeDelta::hours(2));
        answers += 1;
        if answers <= 50 { Fault::Protocol("a login page".to_owned()) } else { Fault::None }
    });
    let report = device.engine.flush().await.unwrap();
    assert_eq!((report.errors.len(), report.remaining), (3, 3));
    assert_eq!(device.server.calls().len(), 3);
    device.wait_out();
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.calls().len(), 6);
}

#[tokio::test]
async fn a_clock_that_is_set_back_during_a_flush_keeps_nobody_from_being_put_off() {
    let device = Device::new().await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    let (clock, mut answers) = (device.clock.clone(), 0);
    device.server.script(move |_| {
        answers += 1;
        // Once by days, and then it goes on.
        clock.advance(if answers == 1 { TimeDelta::days(-3) } else { TimeDelta::hours(2) });
        if answers <= 50 { Fault::Protocol("a login page".to_owned()) } else { Fault::None }
    });
    device.engine.flush().await.unwrap();
    assert!(device.server.calls().len() <= 2, "{}", device.server.calls().len());
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
    assert_eq!(device.server.calls().len(), 1, "the server is asked again and again");
}

/// A server that does not look itself before it overwrites something.
#[derive(Debug, Clone)]
struct Careless(ScriptedRemote);

impl Peculiar for Careless {
    fn server(&self) -> &ScriptedRemote {
        &self.0
    }

    fn reads_first(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn what_is_asked_with_the_look_before_a_write_holds_for_the_write() {
    let server = ScriptedRemote::new();
    let remote = Server(Careless(server.clone()));
    let engine = Engine::builder(App::default(), remote, MemoryStorage::new()).build().await.unwrap();
    engine.push(&note("a", "mine", 0)).await.unwrap();
    server.script(|call| match call {
        Call::Fetch { .. } => Fault::ThenWait(MINUTE),
        _ => Fault::None,
    });
    let report = engine.flush().await.unwrap();
    let calls = server.calls();
    assert_eq!(calls.len(), 1, "{calls:?} {report:?}");
}

/// A server whose conflicts come without the record and with a wish, and whose records come late.
#[derive(Debug, Clone)]
struct Reluctant(ScriptedRemote, Gate);

#[async_trait]
impl Peculiar for Reluctant {
    fn server(&self) -> &ScriptedRemote {
        &self.0
    }

    async fn send(&self, request: WriteRequest) -> Result<Reply<WriteAnswer>, RemoteError> {
        let first = request.key.as_str() == "first";
        let reply = self.0.send(request).await?;
        Ok(if first {
            Reply {
                answer: WriteAnswer::Conflict { version: None, body: None, problem: None },
                retry_after: Some(MINUTE),
            }
        } else {
            reply
        })
    }

    async fn fetch(
        &self,
        entity: &'static EntityInfo,
        key: &RecordKey,
    ) -> Result<Reply<Fetched>, RemoteError> {
        self.0.once(Fault::Hold(self.1.clone()));
        self.0.fetch(entity, key).await
    }
}

#[tokio::test]
async fn the_others_wait_at_once_also_while_a_question_is_out() {
    let (server, gate) = (ScriptedRemote::new(), Gate::new());
    let remote = Server(Reluctant(server.clone(), gate.clone()));
    let engine = Engine::builder(App::default(), remote, MemoryStorage::new())
        .clock(ManualClock::default())
        .seed(7)
        .max_in_flight(2)
        .build()
        .await
        .unwrap();
    for key in ["first", "second", "third"] {
        engine.push(&note(key, "mine", 0)).await.unwrap();
    }
    let flush = tokio::spawn({
        let engine = engine.clone();
        async move { engine.flush().await }
    });
    gate.reached(1).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let calls = server.calls();
    gate.open();
    flush.await.unwrap().unwrap();
    let third = calls.iter().any(|call| matches!(call, Call::Write { key, .. } if key == "third"));
    assert!(!third, "{calls:#?}");
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
            return Err(StorageError::Full { name: "this test".to_owned(), source: "no room".into() });
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
        Fault::ThenWait(MINUTE)
    });
    engine.flush().await.unwrap_err();
    disk.is_full.store(false, Ordering::Relaxed);
    let report = engine.flush().await.unwrap();
    assert!(says_only_that_it_waits(&report), "{report:?}");
    assert_eq!(server.calls().len(), 1);
}

#[tokio::test]
async fn a_storage_that_fails_is_shown_and_told_of() {
    let disk = Disk::default();
    let building = Engine::builder(App::default(), ScriptedRemote::new(), disk.clone()).build();
    let engine = building.await.unwrap();
    let mut events = engine.events();
    disk.is_full.store(true, Ordering::Relaxed);
    engine.full_sync().await.unwrap_err();
    let status = engine.status();
    assert_eq!(status.state, State::Error);
    assert!(matches!(status.last_error.as_deref(), Some(SyncError::Storage(_))), "{status:?}");
    let told = loop {
        match events.next().await.unwrap() {
            SyncEvent::Failed(error) => break error,
            SyncEvent::SyncComplete(report) => panic!("nobody was told: {report:?}"),
            _ => {}
        }
    };
    assert!(matches!(&*told, SyncError::Storage(_)), "{told:?}");
}
