//! The background: what happens without anybody asking.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use chrono::TimeDelta;
use futures::{FutureExt, StreamExt};
use sync::testing::{Call, Fault, Gate, ScriptedRemote};
use sync::{AutoSync, Clock, MemoryStorage, RetryPolicy, State, SyncEvent, Telemetry, Verdict};
use sync_tests::entities::{Note, note, task};
use tokio::sync::mpsc;

use crate::device::{Device, NO_PULLS, Ticking};

#[tokio::test(start_paused = true)]
async fn a_push_is_flushed_soon_after() {
    let device = Device::new().await;
    device.engine.start(NO_PULLS);
    let receipt = device.engine.push(&note("a", "x", 0)).await.unwrap();
    receipt.synced().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn pushes_in_quick_succession_become_one_flush() {
    let device = Device::new().await;
    device.engine.start(NO_PULLS);
    let mut events = device.engine.events();
    let mut receipts = Vec::new();
    for number in 0..5 {
        receipts.push(device.engine.push(&note(&number.to_string(), "x", 0)).await.unwrap());
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(device.server.calls(), [], "it waits whether more come");
    }
    for receipt in receipts {
        receipt.synced().await.unwrap();
    }
    device.engine.shutdown().await;
    drop(device);
    let mut flushes = 0;
    while let Some(event) = events.next().await {
        if let SyncEvent::SyncComplete(report) = event {
            flushes += u64::from(report.pushed > 0);
        }
    }
    assert_eq!(flushes, 1);
}

#[tokio::test(start_paused = true)]
async fn a_due_retry_is_made_without_anybody_asking() {
    let server = ScriptedRemote::new();
    let device =
        Device::with(&server, MemoryStorage::new(), |builder| builder.clock(Ticking::default())).await;
    device.engine.start(NO_PULLS);
    device.server.once(Fault::Transient(500));
    device.server.once(Fault::RequestLost);
    let receipt = device.engine.push(&note("a", "x", 0)).await.unwrap();
    receipt.synced().await.unwrap();
    assert_eq!(device.server.calls().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_restarted_engine_sends_what_the_one_before_left() {
    let device = Device::new().await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    let device = device.restart().await;
    let mut status = device.engine.watch_status();
    device.engine.start(NO_PULLS);
    status.wait_for(|status| status.queue_len == 0).await.unwrap();
    assert_eq!(device.server.records::<Note>().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_next_attempt_is_sent_when_that_is_due_also_after_a_restart() {
    let (server, storage, clock) = (ScriptedRemote::new(), MemoryStorage::new(), Ticking::default());
    let hour = Duration::from_secs(3600);
    let retry = RetryPolicy { base: hour, cap: hour, ..RetryPolicy::default() };
    let build =
        || Device::with(&server, storage.clone(), |builder| builder.clock(clock.clone()).retry(retry));
    let device = build().await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    server.once(Fault::Transient(500));
    device.engine.flush().await.unwrap();
    let due = device.engine.status().next_attempt_at.unwrap();
    drop(device);
    let device = build().await;
    assert_eq!(device.engine.status().next_attempt_at, Some(due));
    assert!(due > clock.now() + TimeDelta::minutes(1), "when something else would send it");
    let mut status = device.engine.watch_status();
    device.engine.start(NO_PULLS);
    let sent = status.wait_for(|status| status.queue_len == 0);
    tokio::time::timeout(2 * hour, sent).await.expect("there is a timer").unwrap();
    assert!((due..due + TimeDelta::seconds(1)).contains(&clock.now()), "{due}, {}", clock.now());
}

/// Or else an application that saves at every key would be heard of by nobody.
#[tokio::test(start_paused = true)]
async fn pushes_in_between_do_not_put_a_flush_off() {
    let device = Device::new().await;
    device.engine.start(NO_PULLS);
    let mut first = device.engine.push(&note("first", "x", 0)).await.unwrap().synced().boxed();
    let pushed = tokio::time::Instant::now();
    for number in 0..20 {
        tokio::select! {
            biased;
            synced = &mut first => {
                synced.unwrap();
                assert_eq!(pushed.elapsed(), NO_PULLS.flush_after);
                return;
            }
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
        }
        device.engine.push(&note(&number.to_string(), "x", 0)).await.unwrap();
    }
    panic!("it waits for an end of the pushes: {:?}", pushed.elapsed());
}

#[tokio::test(start_paused = true)]
async fn coming_online_flushes_and_pulls_at_once() {
    let device = Device::new().await;
    let mut events = device.engine.events();
    device.engine.start(AutoSync { pull_every: Some(Duration::from_secs(86_400)), ..NO_PULLS });
    while !matches!(events.next().await, Some(SyncEvent::SyncComplete(_))) {}
    device.switch.set_online(false);
    let before = device.server.calls().len();
    device.server.put(&note("theirs", "x", 0));
    let receipt = device.engine.push(&note("mine", "x", 0)).await.unwrap();
    tokio::time::advance(Duration::from_secs(3600)).await;
    assert_eq!(device.server.calls().len(), before);
    let online = tokio::time::Instant::now();
    device.switch.set_online(true);
    receipt.synced().await.unwrap();
    while !matches!(events.next().await, Some(SyncEvent::SyncComplete(_))) {}
    assert!(device.app.state().notes.contains_key("theirs"), "the next pull would be in 23 hours");
    assert!(online.elapsed() < Duration::from_secs(1), "{:?}", online.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_pull_that_failed_is_tried_again_before_the_next_interval() {
    let server = ScriptedRemote::new();
    let device =
        Device::with(&server, MemoryStorage::new(), |builder| builder.clock(Ticking::default())).await;
    device.server.put(&note("a", "x", 0));
    device.server.once(Fault::Transient(500));
    let mut events = device.engine.events();
    device.engine.start(AutoSync { pull_every: Some(Duration::from_secs(86_400)), ..NO_PULLS });
    let started = tokio::time::Instant::now();
    while !matches!(events.next().await, Some(SyncEvent::Pulled { changes: 1, .. })) {}
    assert!(started.elapsed() < Duration::from_secs(3600));
}

#[tokio::test(start_paused = true)]
async fn a_long_time_offline_costs_no_work_and_no_request() {
    let device = Device::new().await;
    device.engine.start(AutoSync { pull_every: Some(Duration::from_secs(60)), ..NO_PULLS });
    device.switch.set_online(false);
    drop(device.engine.push(&note("a", "x", 0)).await.unwrap());
    let mut events = device.engine.events();
    tokio::time::sleep(Duration::from_secs(86_400)).await;
    while let Poll::Ready(event) = futures::poll!(events.next()) {
        let state = |event| match event {
            Some(SyncEvent::Status(status)) => Some(status.state),
            _ => None,
        };
        assert_eq!(state(event), Some(State::Offline), "nothing ran");
    }
    device.switch.set_online(true);
    while !matches!(events.next().await, Some(SyncEvent::SyncComplete(_))) {}
    assert_eq!(device.engine.queue_len(), 0);
}

#[tokio::test(start_paused = true)]
async fn pulls_come_on_an_interval() {
    let device = Device::new().await;
    let mut events = device.engine.events();
    let minute = Duration::from_secs(60);
    device.engine.start(AutoSync { pull_every: Some(minute), ..NO_PULLS });
    let started = tokio::time::Instant::now();
    for round in 0..3 {
        device.server.put(&note(&round.to_string(), "x", 0));
        loop {
            if let Some(SyncEvent::Pulled { entity, changes: 1.. }) = events.next().await {
                assert_eq!(entity.as_str(), "Note");
                break;
            }
        }
        let passed = started.elapsed();
        assert!((minute * round..minute * round + Duration::from_secs(1)).contains(&passed), "{passed:?}");
    }
    assert_eq!(device.app.state().notes.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn an_interval_of_nothing_asks_the_server_ten_times_a_second_at_most() {
    let device = Device::with(&ScriptedRemote::new(), MemoryStorage::new(), |builder| {
        builder.clock(Ticking::default())
    })
    .await;
    let mut events = device.engine.events();
    device.engine.start(AutoSync { pull_every: Some(Duration::ZERO), ..NO_PULLS });
    let (started, mut syncs) = (tokio::time::Instant::now(), 0);
    while started.elapsed() < Duration::from_secs(1) {
        syncs += u32::from(matches!(events.next().await, Some(SyncEvent::SyncComplete(_))));
        assert!(syncs <= 11, "{:?}", started.elapsed());
    }
}

#[tokio::test]
async fn requests_to_sync_while_one_runs_are_folded_into_one_more() {
    let device = Device::new().await;
    let gate = Gate::new();
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.server.once(Fault::Hold(gate.clone()));
    let ask = || {
        let engine = device.engine.clone();
        tokio::spawn(async move { engine.full_sync().await.unwrap() })
    };
    let first = ask();
    gate.reached(1).await;
    let others: Vec<_> = (0..10).map(|_| ask()).collect();
    tokio::task::yield_now().await;
    gate.open();
    first.await.unwrap();
    for other in others {
        other.await.unwrap();
    }
    let pulls =
        device.server.calls().iter().filter(|call| matches!(call, Call::Pull { entity: "Note", .. })).count();
    assert_eq!(pulls, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_works_on_many_threads_at_once() {
    let device = Device::new().await;
    device.engine.start(AutoSync { flush_after: Duration::from_millis(1), ..NO_PULLS });
    let tasks: Vec<_> = (0..8)
        .map(|writer| {
            let engine = device.engine.clone();
            tokio::spawn(async move {
                for edit in 0..25 {
                    let title = format!("{edit}");
                    let receipt = engine
                        .push(&note(&format!("n{}", (writer + edit) % 10), &title, edit))
                        .await
                        .unwrap();
                    drop(
                        engine
                            .push(&task(u64::try_from(writer * 100 + edit).unwrap(), None, "x"))
                            .await
                            .unwrap(),
                    );
                    if edit % 10 == 0 {
                        receipt.synced().await.unwrap();
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    device.engine.flush().await.unwrap();
    assert_eq!(device.engine.queue_len(), 0);
    assert_eq!(device.server.records::<Note>().len(), 10);
    assert_eq!(device.server.records::<sync_tests::entities::Task>().len(), 200);
}

#[tokio::test]
async fn events_tell_what_happened() {
    let device = Device::new().await;
    let events = device.engine.events();
    device.comes_into_conflict().await;
    device.engine.push(&note("bad", "x", 0)).await.unwrap();
    device.server.script(|call| match call {
        Call::Write { entity: "Note", .. } => Fault::Refused(422, "no".to_owned()),
        Call::Pull { entity: "Note", .. } => Fault::Transient(500),
        _ => Fault::None,
    });
    device.engine.full_sync().await.unwrap();
    assert_eq!(device.engine.status().state, State::Error);
    drop(device);
    let events: Vec<_> = events.collect().await;
    let seen = |wanted: fn(&SyncEvent) -> bool| assert!(events.iter().any(wanted), "{events:#?}");
    seen(|event| matches!(event, SyncEvent::Pushed { record, .. } if record.to_string() == "Task `1`"));
    seen(|event| matches!(event, SyncEvent::Conflict { verdict: Verdict::TookRemote, .. }));
    seen(|event| matches!(event, SyncEvent::Parked { refusal: Some(refusal), .. } if refusal.status == 422));
    seen(|event| matches!(event, SyncEvent::PullFailed { entity, .. } if entity.as_str() == "Note"));
    seen(|event| matches!(event, SyncEvent::PageProgress { has_more: false, .. }));
    seen(|event| matches!(event, SyncEvent::Pulled { .. }));
    seen(|event| matches!(event, SyncEvent::SyncComplete(report) if report.conflicts == 1));
    seen(|event| matches!(event, SyncEvent::Status(status) if status.state == State::Syncing));
}

/// Passes on what it hears, after a panic at the first event and for as long as it is let.
#[derive(Debug)]
struct Listener {
    heard: mpsc::UnboundedSender<SyncEvent>,
    panicked: AtomicBool,
    hang: Mutex<std::sync::mpsc::Receiver<()>>,
}

impl Listener {
    /// Beside it: what lets it go on for good when it is dropped, and what it hears.
    fn new() -> (Self, std::sync::mpsc::Sender<()>, mpsc::UnboundedReceiver<SyncEvent>) {
        let (end, hang) = std::sync::mpsc::channel();
        let (heard, hears) = mpsc::unbounded_channel();
        (Self { heard, panicked: AtomicBool::new(false), hang: Mutex::new(hang) }, end, hears)
    }
}

impl Telemetry for Listener {
    fn on_event(&self, event: &SyncEvent) {
        assert!(self.panicked.swap(true, Ordering::Relaxed), "a panic at the first event");
        let _ = self.hang.lock().unwrap().recv();
        let _ = self.heard.send(event.clone());
    }
}

async fn telling(telemetry: Listener) -> Device {
    Device::with(&ScriptedRemote::new(), MemoryStorage::new(), |builder| builder.telemetry(telemetry)).await
}

#[tokio::test]
async fn a_telemetry_hears_what_happens_and_goes_on_after_a_panic() {
    let (listener, end, mut hears) = Listener::new();
    drop(end);
    let device = telling(listener).await;
    let receipt = device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.engine.flush().await.unwrap();
    drop(device);
    let mut heard = Vec::new();
    while let Some(event) = hears.recv().await {
        heard.push(event);
    }
    let pushed = |event: &SyncEvent| matches!(event, SyncEvent::Pushed { operation, .. } if *operation == receipt.id());
    assert!(heard.iter().any(pushed), "{heard:#?}");
    assert!(matches!(heard.last(), Some(SyncEvent::SyncComplete(_) | SyncEvent::Status(_))), "{heard:#?}");
}

#[tokio::test]
async fn a_telemetry_that_hangs_disturbs_no_sync_and_is_told_how_much_it_missed() {
    let (listener, end, mut hears) = Listener::new();
    let device = telling(listener).await;
    for number in 0..2000 {
        device.engine.push(&note(&number.to_string(), "x", 0)).await.unwrap();
    }
    assert_eq!(device.engine.flush().await.unwrap().pushed, 2000);
    drop(end);
    // There is room again when it has heard some.
    for _ in 0..10 {
        let hears = tokio::time::timeout(Duration::from_secs(60), hears.recv()).await;
        hears.expect("it hears what happened").expect("the device is there");
    }
    device.engine.flush().await.unwrap();
    drop(device);
    let mut missed = 0;
    while let Some(event) = hears.recv().await {
        if let SyncEvent::Missed(more) = event {
            missed += more;
        }
    }
    assert!(missed >= 2000 - 1024, "{missed}");
}

#[tokio::test(start_paused = true)]
async fn a_probe_of_the_server_tells_when_it_is_back() {
    use sync::{Connectivity, ServerProbe};
    let server = ScriptedRemote::new();
    server.script(|call| if *call == Call::Probe { Fault::RequestLost } else { Fault::None });
    let probe = ServerProbe::start(std::sync::Arc::new(server.clone()), Duration::from_secs(10));
    let mut online = probe.watch();
    online.wait_for(|online| !online).await.unwrap();
    let device = Device::with(&server, MemoryStorage::new(), |builder| builder.connectivity(probe)).await;
    device.engine.start(NO_PULLS);
    let receipt = device.engine.push(&note("a", "x", 0)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(
        device.server.calls().iter().all(|call| *call == Call::Probe),
        "nothing is sent while it is away"
    );
    server.heal();
    receipt.synced().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_panics_is_made_again() {
    use sync::{Connectivity, ServerProbe};
    let server = ScriptedRemote::new();
    server.script(|call| if *call == Call::Probe { panic!("the hook has no answer") } else { Fault::None });
    let probe = ServerProbe::start(std::sync::Arc::new(server.clone()), Duration::from_secs(10));
    let mut online = probe.watch();
    online.wait_for(|online| !online).await.unwrap();
    server.heal();
    tokio::time::timeout(Duration::from_secs(60), online.wait_for(|online| *online)).await.unwrap().unwrap();
}
