//! Calls from another runtime than the one that the engine lives on, and from outside of any.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use futures::executor::block_on;
use futures::{FutureExt, StreamExt};
use sync::testing::ScriptedRemote;
use sync::{Engine, MemoryStorage, NotSynced, SqliteStorage, SyncEvent};
use sync_tests::app::App;
use sync_tests::device::Folder;
use sync_tests::entities::{Note, note};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Semaphore;

use crate::device::{Device, Gated, NO_PULLS};

/// An engine on a runtime that is always driven, and one that is not.
struct Fixture {
    home: Runtime,
    elsewhere: Runtime,
    gate: Arc<Semaphore>,
    server: ScriptedRemote,
    engine: Engine<App>,
}

impl Fixture {
    fn new() -> Self {
        let home = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let elsewhere = Builder::new_current_thread().enable_all().build().unwrap();
        let gate = Arc::new(Semaphore::new(1));
        let storage = Gated { storage: MemoryStorage::new(), gate: Arc::clone(&gate) };
        let server = ScriptedRemote::new();
        let building = Engine::builder(App::default(), server.clone(), storage).build();
        let engine = home.block_on(building).unwrap();
        Self { home, elsewhere, gate, server, engine }
    }

    /// What the engine does, or a failure in place of a test that hangs.
    fn soon<T>(&self, what: impl Future<Output = T>) -> T {
        let soon = async { tokio::time::timeout(Duration::from_secs(60), what).await };
        self.home.block_on(soon).expect("it comes to its end")
    }
}

#[test]
fn an_engine_that_is_built_outside_of_any_says_what_it_needs() {
    let building = Engine::builder(App::default(), ScriptedRemote::new(), MemoryStorage::new()).build();
    let error = building.now_or_never().expect("there is nothing to wait for").unwrap_err();
    assert!(error.to_string().starts_with("`build` needs a tokio runtime"), "{error}");
}

#[test]
fn a_runtime_that_is_left_after_its_answer_holds_up_nobody_elsewhere() {
    let fixture = Fixture::new();
    let busy = fixture.gate.try_acquire().unwrap();
    let mut first = fixture.engine.push(&note("first", "x", 0)).boxed();
    assert!(fixture.home.block_on(async { (&mut first).now_or_never().is_none() }));
    fixture.elsewhere.block_on(async {
        let mut second = fixture.engine.push(&note("second", "x", 0)).boxed();
        assert!((&mut second).now_or_never().is_none());
        drop(busy);
        second.await.unwrap();
    });
    fixture.soon(first).unwrap();
    fixture.soon(fixture.engine.push(&note("third", "x", 0))).unwrap();
    assert_eq!(fixture.soon(fixture.engine.full_sync()).unwrap().pushed, 3);
}

#[test]
fn an_edit_that_nobody_waits_for_any_more_is_sent_wherever_it_was_dropped() {
    for inside in [true, false] {
        let fixture = Fixture::new();
        fixture.soon(async { fixture.engine.start(NO_PULLS) });
        let edit = || {
            let busy = fixture.gate.try_acquire().unwrap();
            let mut dropped = fixture.engine.push(&note("a", "x", 0)).boxed();
            assert!((&mut dropped).now_or_never().is_none());
            drop(dropped);
            drop(busy);
        };
        // What a background does when it begins is over.
        let mut status = fixture.engine.watch_status();
        fixture.soon(status.wait_for(|status| status.last_sync_at.is_some())).unwrap();
        let mut events = fixture.engine.events();
        if inside {
            fixture.elsewhere.block_on(async { edit() });
        } else {
            edit();
        }
        fixture.soon(async { while !matches!(events.next().await, Some(SyncEvent::Pushed { .. })) {} });
        assert_eq!(fixture.server.records::<Note>().len(), 1);
    }
}

#[test]
fn an_engine_is_shut_down_from_outside_of_any_runtime() {
    let fixture = Fixture::new();
    let receipt = block_on(fixture.engine.push(&note("a", "x", 0))).unwrap();
    block_on(fixture.engine.shutdown());
    assert!(matches!(fixture.soon(receipt.synced()), Err(NotSynced::Closed { .. })));
}

#[test]
fn a_decision_that_is_being_made_when_the_runtime_ends_is_made_by_its_caller() {
    let home = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let device = home.block_on(Device::with_refused_creation());
    let (begun, go) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (begins, goes) = (Arc::clone(&begun), Arc::clone(&go));
    device.app.state().on_page = Some(Box::new(move || {
        begins.add_permits(1);
        let goes = Arc::clone(&goes);
        async move { goes.acquire().await.unwrap().forget() }.boxed()
    }));
    let parked = home.block_on(device.engine.parked::<Note>()).unwrap().remove(0);
    let mut discard = device.engine.discard(parked.operation).boxed();
    assert!((&mut discard).now_or_never().is_none());
    home.block_on(begun.acquire()).unwrap().forget();
    drop(home);
    go.add_permits(1);
    block_on(discard).unwrap();
    assert_eq!(device.engine.status().parked, 0);
}

#[test]
fn a_decision_after_the_runtime_has_ended_is_made_by_its_caller() {
    let home = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let device = home.block_on(Device::with_refused_creation());
    drop(home);
    block_on(device.discard());
    assert_eq!(device.engine.status().parked, 0);
}

#[test]
fn every_edit_that_is_made_after_the_runtime_has_ended_is_as_durable_as_is_said() {
    const EACH: u64 = 100;
    let home = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let folder = Folder::new();
    let storage = SqliteStorage::open(folder.file("app.db")).unwrap();
    let build = |home: &Runtime| {
        let building = Engine::builder(App::default(), ScriptedRemote::new(), storage.clone()).build();
        home.block_on(building).unwrap()
    };
    let engine = build(&home);
    drop(home);
    let said = thread::scope(|scope| {
        let pushes = |who: u64| {
            let engine = &engine;
            scope.spawn(move || {
                let push = |number| block_on(engine.push(&note(&format!("{who}-{number}"), "x", 0))).is_ok();
                (0..EACH).map(|number| u64::from(push(number))).sum::<u64>()
            })
        };
        let threads = [1, 2, 3].map(pushes);
        threads.map(|thread| thread.join().unwrap()).into_iter().sum::<u64>()
    });
    drop(engine);
    let another = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    assert_eq!(build(&another).queue_len(), said);
    assert_eq!(said, 3 * EACH);
}
