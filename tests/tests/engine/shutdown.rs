//! How an engine ends.

use std::sync::{Arc, mpsc};
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use sync::testing::{Call, Fault, Gate, ScriptedRemote};
use sync::{AutoSync, Engine, Error, MemoryStorage, NotSynced, State, Storage, SyncEvent, SyncReport};
use sync_tests::app::App;
use sync_tests::entities::{Note, note};
use tokio::sync::{Semaphore, oneshot};

use crate::device::{Device, Gated, NO_PULLS};

/// Far longer than anything here takes.
const WATCHDOG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn shutdown_finishes_the_requests_in_flight() {
    let device = Device::new().await;
    let gate = Gate::new();
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.server.once(Fault::Hold(gate.clone()));
    let flush = tokio::spawn({
        let engine = device.engine.clone();
        async move { engine.flush().await }
    });
    gate.reached(1).await;
    let shutdown = tokio::spawn({
        let engine = device.engine.clone();
        async move { engine.shutdown().await }
    });
    tokio::task::yield_now().await;
    gate.open();
    shutdown.await.unwrap();
    assert_eq!(flush.await.unwrap().unwrap().pushed, 1);
    assert!(matches!(device.engine.push(&note("b", "x", 0)).await, Err(Error::ShutDown)));
    assert!(matches!(device.engine.flush().await, Err(Error::ShutDown)));
}

#[tokio::test]
async fn who_waits_for_a_receipt_is_told_of_a_shutdown() {
    let device = Device::new().await;
    let receipt = device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.engine.shutdown().await;
    assert!(matches!(receipt.synced().await, Err(NotSynced::Closed { .. })));
    assert_eq!(device.restart().await.engine.queue_len(), 1, "the edit is durable");
}

/// It may wait for whoever shuts the engine down.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shutdown_comes_to_its_end_though_a_handler_holds_its_thread() {
    let device = Device::new().await;
    device.server.put(&note("a", "theirs", 0));
    let (begins, begun) = oneshot::channel();
    let (ends, ended) = mpsc::channel::<()>();
    let mut hold = Some((begins, ended));
    device.app.state().on_page = Some(Box::new(move || {
        let (begins, ended) = hold.take().unwrap();
        async move {
            begins.send(()).unwrap();
            ended.recv().unwrap();
        }
        .boxed()
    }));
    let engine = device.engine.clone();
    let pull = tokio::spawn(async move { engine.pull().await });
    begun.await.unwrap();
    let shutdown = device.engine.shutdown_within(Duration::ZERO);
    tokio::time::timeout(WATCHDOG, shutdown).await.expect("it does not wait for the handler");
    ends.send(()).unwrap();
    assert!(pull.await.unwrap().is_err());
}

/// As a program does that gives everything a second to end.
#[tokio::test(start_paused = true)]
async fn a_shutdown_that_nobody_waits_for_to_its_end_is_one_all_the_same() {
    let device = Device::new().await;
    let receipt = device.engine.push(&note("a", "x", 0)).await.unwrap();
    let gate = Gate::new();
    device.server.once(Fault::Hold(gate.clone()));
    let engine = device.engine.clone();
    let flush = tokio::spawn(async move { engine.flush().await });
    gate.reached(1).await;
    tokio::time::timeout(Duration::from_secs(1), device.engine.shutdown()).await.unwrap_err();
    assert!(matches!(receipt.synced().await, Err(NotSynced::Closed { .. })));
    assert!(flush.await.unwrap().is_err());
    let device = device.restart().await;
    assert_eq!(
        device.engine.flush().await.unwrap().pushed,
        1,
        "the edit is durable, and the storage is free"
    );
}

#[tokio::test]
async fn after_a_shutdown_nothing_can_be_changed_and_the_queue_can_be_read() {
    let device = Device::new().await;
    for id in ["refused", "waits"] {
        device.engine.push(&note(id, "x", 0)).await.unwrap();
    }
    device.server.once(Fault::Refused(422, "no".to_owned()));
    device.server.once(Fault::Transient(500));
    device.engine.flush().await.unwrap();
    let engine = device.engine.clone();
    device.engine.shutdown().await;
    let parked = engine.parked::<Note>().await.unwrap().remove(0);
    assert_eq!(parked.id, "refused");
    assert!(engine.is_pending::<Note>(&"waits".to_owned()).await.unwrap());
    let work = engine.transaction(|tx| tx.push(&note("new", "x", 0)));
    for changed in [
        engine.push(&note("new", "x", 0)).await.map(drop),
        engine.delete::<Note>(&"waits".to_owned()).await.map(drop),
        engine.retry(parked.operation).await,
        engine.retry_all().await.map(drop),
        engine.discard(parked.operation).await,
        engine.clear_queue().await.map(drop),
        work.await.map(drop),
        engine.full_sync().await.map(drop),
    ] {
        assert!(matches!(changed, Err(Error::ShutDown)), "{changed:?}");
    }
    assert_eq!((engine.queue_len(), engine.status().parked), (1, 1));
}

#[tokio::test]
async fn shutdown_lets_nothing_out_that_was_not_out_yet() {
    let device =
        Device::with(&ScriptedRemote::new(), MemoryStorage::new(), |builder| builder.max_in_flight(1)).await;
    for number in 0..40 {
        device.engine.push(&note(&number.to_string(), "x", 0)).await.unwrap();
    }
    let gate = Gate::new();
    device.server.once(Fault::Hold(gate.clone()));
    let flush = tokio::spawn({
        let engine = device.engine.clone();
        async move { engine.flush().await }
    });
    gate.reached(1).await;
    let shutdown = tokio::spawn({
        let engine = device.engine.clone();
        async move { engine.shutdown().await }
    });
    tokio::task::yield_now().await;
    gate.open();
    shutdown.await.unwrap();
    assert!(matches!(flush.await.unwrap(), Err(Error::ShutDown)), "38 of them wait still");
    let status = device.engine.status();
    assert_eq!((status.last_sync_at, status.queue_len > 0), (None, true));
    assert!(device.server.calls().len() <= 3, "{} requests", device.server.calls().len());
    let device = device.restart().await;
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.records::<Note>().len(), 40);
}

#[tokio::test(start_paused = true)]
async fn shutdown_cuts_a_request_short_at_its_deadline_and_loses_nothing() {
    let device = Device::new().await;
    let gate = Gate::new();
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.server.once(Fault::Hold(gate.clone()));
    let flush = tokio::spawn({
        let engine = device.engine.clone();
        async move { engine.flush().await }
    });
    gate.reached(1).await;
    device.engine.shutdown_within(Duration::from_secs(3)).await;
    assert!(matches!(flush.await.unwrap(), Err(Error::ShutDown)));
    let device = device.restart().await;
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.writes().len(), 1);
    assert_eq!(device.engine.queue_len(), 0);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_engine_stops_everything() {
    let device = Device::new().await;
    device.engine.start(AutoSync { pull_every: Some(Duration::from_secs(1)), ..NO_PULLS });
    let (engine, server) = (device.engine, device.server);
    drop(engine.clone());
    engine.pull().await.unwrap();
    drop(engine);
    tokio::task::yield_now().await;
    let before = server.calls().len();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(server.calls().len(), before);
}

#[tokio::test]
async fn a_sync_that_a_shutdown_cuts_short_is_not_said_to_have_pulled_everything() {
    for at_page in [false, true] {
        let gate = Gate::new();
        let settings = |builder: sync::EngineBuilder<App>| builder.page_size(1);
        let device = Device::with(&ScriptedRemote::new(), MemoryStorage::new(), settings).await;
        for id in ["a", "b", "c"] {
            device.server.put(&note(id, "x", 0));
        }
        device.engine.push(&note("mine", "x", 0)).await.unwrap();
        let hold = gate.clone();
        device.server.script(move |call| {
            let is_the_place = match call {
                Call::Write { .. } => !at_page,
                Call::Pull { since: None, .. } => at_page,
                _ => false,
            };
            if is_the_place { Fault::Hold(hold.clone()) } else { Fault::None }
        });
        let events = device.engine.events();
        let engine = device.engine.clone();
        let sync = tokio::spawn(async move { engine.full_sync().await });
        gate.reached(1).await;
        let mut shutdown = device.engine.shutdown().boxed();
        assert!((&mut shutdown).now_or_never().is_none());
        gate.open();
        shutdown.await;
        assert!(matches!(sync.await.unwrap(), Err(Error::ShutDown)));
        assert_eq!(device.engine.status().last_sync_at, None);
        drop(device);
        let events: Vec<_> = events.collect().await;
        assert!(!events.iter().any(|event| matches!(event, SyncEvent::Pulled { .. })), "{events:#?}");
    }
}

/// Has the engine shut down while what it is told to do asks for the first of several records.
async fn shut_down_at_the_first_question(
    device: &Device,
    pull: impl Future<Output = Result<SyncReport, Error>> + Send + 'static,
) {
    let gate = Gate::new();
    let hold = gate.clone();
    device.server.script(move |call| match call {
        Call::Fetch { .. } => Fault::Hold(hold.clone()),
        _ => Fault::None,
    });
    let pull = tokio::spawn(pull);
    gate.reached(1).await;
    let mut shutdown = device.engine.shutdown().boxed();
    assert!((&mut shutdown).now_or_never().is_none());
    gate.open();
    shutdown.await;
    assert!(matches!(pull.await.unwrap(), Err(Error::ShutDown)));
    device.server.heal();
    let questions = device.server.calls().into_iter().filter(|call| matches!(call, Call::Fetch { .. }));
    assert_eq!(questions.count(), 1);
}

async fn with_three_notes() -> Device {
    let device = Device::new().await;
    for id in ["a", "b", "c"] {
        device.server.put(&note(id, "theirs", 0));
    }
    device.engine.pull().await.unwrap();
    device
}

#[tokio::test]
async fn shutdown_lets_a_listing_ask_for_no_more_of_what_is_missing_and_the_next_one_goes_on() {
    let device = with_three_notes().await;
    for id in ["a", "b", "c"] {
        device.server.forget::<Note>(&id.to_owned());
    }
    let engine = device.engine.clone();
    shut_down_at_the_first_question(&device, async move { engine.resync::<Note>().await }).await;
    let device = device.restart().await;
    // What was cut short comes to its end, and then everything is listed anew.
    device.engine.pull().await.unwrap();
    device.engine.pull().await.unwrap();
    assert_eq!(device.app.state().notes.len(), 0, "the listing was not taken for one that is over");
}

#[tokio::test]
async fn shutdown_lets_a_pull_ask_for_no_more_of_what_was_given_up() {
    let device = with_three_notes().await;
    for id in ["a", "b", "c"] {
        device.engine.push(&note(id, "mine", 1)).await.unwrap();
    }
    assert_eq!(device.engine.clear_queue().await.unwrap(), 3);
    let engine = device.engine.clone();
    shut_down_at_the_first_question(&device, async move { engine.pull().await }).await;
    let device = device.restart().await;
    device.engine.pull().await.unwrap();
    assert!(device.app.state().notes.values().all(|note| note.title == "theirs"));
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_shut_its_engine_down_and_goes_on() {
    let device = Device::new().await;
    device.server.put(&note("a", "x", 0));
    let engine = device.engine.clone();
    let went_on = Arc::new(tokio::sync::Notify::new());
    let goes_on = Arc::clone(&went_on);
    device.app.state().on_page = Some(Box::new(move || {
        let (engine, goes_on) = (engine.clone(), Arc::clone(&goes_on));
        Box::pin(async move {
            engine.shutdown().await;
            goes_on.notify_one();
        })
    }));
    let _ = device.engine.pull().await;
    let went_on = tokio::time::timeout(Duration::from_secs(1), went_on.notified());
    went_on.await.expect("it waits for nothing, and is not cut off");
    assert_eq!(device.app.state().notes.len(), 1, "and the page is stored");
    assert!(matches!(device.engine.push(&note("b", "x", 0)).await, Err(Error::ShutDown)));
}

#[tokio::test(start_paused = true)]
async fn a_sync_that_was_cut_off_is_not_shown_as_going_on() {
    let device = Device::new().await;
    device.server.once(Fault::Hold(Gate::new()));
    let mut pull = device.engine.pull().boxed();
    assert!((&mut pull).now_or_never().is_none());
    tokio::task::yield_now().await;
    device.engine.shutdown_within(Duration::from_secs(1)).await;
    assert_ne!(device.engine.status().state, State::Syncing);
}

/// Its attempts run on other threads, which may be slow to let go of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_shutdown_at_its_deadline_the_storage_is_free_at_once() {
    let storage = MemoryStorage::new();
    for _ in 0..50 {
        let server = ScriptedRemote::new();
        let building =
            Engine::builder(App::default(), server.clone(), storage.clone()).max_in_flight(200).build();
        let engine = building.await.expect("nobody has it");
        let gate = Gate::new();
        let hold = gate.clone();
        server.script(move |_| Fault::Hold(hold.clone()));
        let notes: Vec<_> = (0..200).map(|number| note(&number.to_string(), "x", 0)).collect();
        engine.push_all(&notes).await.unwrap();
        let mut flush = engine.flush().boxed();
        assert!((&mut flush).now_or_never().is_none());
        gate.reached(200).await;
        drop(flush);
        engine.shutdown_within(Duration::ZERO).await;
    }
}

/// What a call that was dropped had begun goes on by itself, and may not end.
#[tokio::test(start_paused = true)]
async fn a_handler_that_does_not_return_does_not_keep_a_shutdown_for_ever() {
    let device = Device::new().await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.server.once(Fault::Refused(422, "no".to_owned()));
    device.engine.flush().await.unwrap();
    let parked = device.engine.parked::<Note>().await.unwrap().remove(0);
    device.app.state().on_page = Some(Box::new(|| futures::future::pending().boxed()));
    let patience = Duration::from_secs(2);
    tokio::time::timeout(patience, device.engine.discard(parked.operation)).await.unwrap_err();
    tokio::time::timeout(Duration::from_secs(60), device.engine.shutdown()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_what_the_storage_is_doing_so_that_it_is_free_after_that() {
    let gate = Arc::new(Semaphore::new(1));
    let storage = Gated { storage: MemoryStorage::new(), gate: Arc::clone(&gate) };
    let building = Engine::builder(App::default(), ScriptedRemote::new(), storage.clone()).build();
    let engine = building.await.unwrap();
    engine.push(&note("a", "x", 0)).await.unwrap();
    gate.forget_permits(1);
    let flush = tokio::spawn({
        let engine = engine.clone();
        async move { engine.flush().await }
    });
    // It comes as far as it can.
    tokio::time::sleep(Duration::from_millis(1)).await;
    {
        let mut shutdown = std::pin::pin!(engine.shutdown_within(Duration::ZERO));
        tokio::time::timeout(Duration::from_millis(100), &mut shutdown).await.unwrap_err();
        gate.add_permits(1);
        shutdown.await;
    }
    assert!(matches!(flush.await.unwrap(), Err(Error::ShutDown)));
    drop(engine);
    storage.lock().unwrap();
}
