//! When a started engine does what.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::{FutureExt, StreamExt};
use sync::testing::{Call, Fault, ScriptedRemote};
use sync::{
    AutoSync, BoxError, Engine, MemoryStorage, OnPull, Outdated, RetryPolicy, Schema, SyncEvent, Syncable,
};
use sync_tests::app::Answer;
use sync_tests::entities::{note, task};

use crate::device::{Device, NO_PULLS, Set, Ticking};

const HOUR: Duration = Duration::from_secs(3600);

async fn ticking() -> Device {
    let server = ScriptedRemote::new();
    Device::with(&server, MemoryStorage::new(), |builder| builder.clock(Ticking::default())).await
}

/// A report has room for 100 errors.
#[tokio::test(start_paused = true)]
async fn a_pull_that_failed_is_tried_again_however_much_went_wrong_before_it() {
    let device = ticking().await;
    let notes: Vec<_> = (0..150).map(|number| note(&number.to_string(), "x", 0)).collect();
    device.engine.push_all(&notes).await.unwrap();
    device.server.put(&note("theirs", "x", 0));
    let mut failures = 1;
    device.server.script(move |call| match call {
        Call::Write { .. } => Fault::Transient(500),
        Call::Pull { entity: "Note", .. } if failures > 0 => {
            failures -= 1;
            Fault::Transient(500)
        }
        _ => Fault::None,
    });
    let mut events = device.engine.events();
    let started = tokio::time::Instant::now();
    device.engine.start(AutoSync { pull_every: Some(24 * HOUR), ..NO_PULLS });
    while !matches!(events.next().await, Some(SyncEvent::Pulled { changes: 1, .. })) {}
    assert!(started.elapsed() < HOUR, "{:?}", started.elapsed());
}

/// Neither the storage nor anybody who watches is troubled meanwhile.
#[tokio::test(start_paused = true)]
async fn a_server_that_wants_an_hour_is_left_alone_for_an_hour_without_a_sync_in_between() {
    let device = ticking().await;
    device.server.once(Fault::Throttled(Some(HOUR)));
    let (mut events, started) = (device.engine.events(), tokio::time::Instant::now());
    device.engine.start(NO_PULLS);
    device.engine.push(&note("a", "x", 0)).await.unwrap().synced().await.unwrap();
    assert!(started.elapsed() >= HOUR);
    device.engine.shutdown().await;
    let mut syncs = 0;
    while let Some(Some(event)) = events.next().now_or_never() {
        syncs += usize::from(matches!(event, SyncEvent::SyncComplete(_)));
    }
    assert_eq!(syncs, 2);
}

#[tokio::test(start_paused = true)]
async fn what_a_pull_sets_free_is_sent_although_something_else_waits_for_its_next_attempt() {
    let server = ScriptedRemote::new();
    server.tell_changes();
    let patient = RetryPolicy { max_attempts: 1000, cap: 10 * HOUR, ..RetryPolicy::default() };
    let device = Device::with(&server, MemoryStorage::new(), |builder| {
        builder.clock(Ticking::default()).retry(patient)
    });
    let device = device.await;
    server.script(|call| match call {
        Call::Write { key, .. } if key == "failing" => Fault::Transient(500),
        Call::Write { key, .. } if key == "refused" => Fault::Refused(422, "no".to_owned()),
        _ => Fault::None,
    });
    device.engine.push_all(&[note("failing", "x", 0), note("refused", "x", 0)]).await.unwrap();
    let child = device.engine.push(&task(1, Some("refused"), "child")).await.unwrap();
    device.engine.start(AutoSync { listen: true, ..NO_PULLS });
    let clock = Ticking::default();
    let is_soon = |at: DateTime<Utc>| at - sync::Clock::now(&clock) <= TimeDelta::hours(1);
    while device.engine.status().next_attempt_at.is_none_or(is_soon) {
        tokio::time::sleep(HOUR / 60).await;
    }
    let shown = tokio::time::Instant::now();
    server.put(&note("refused", "theirs", 1));
    child.synced().await.unwrap();
    assert!(shown.elapsed() < HOUR / 60, "{:?}", shown.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_pull_by_hand_neither_hurries_a_push_that_waits_for_more_nor_puts_it_off() {
    let device = ticking().await;
    device.engine.start(AutoSync { flush_after: HOUR, ..NO_PULLS });
    // What a background does when it begins.
    tokio::time::sleep(2 * HOUR).await;
    let mut receipt = device.engine.push(&note("a", "x", 0)).await.unwrap().synced().boxed();
    let pushed = tokio::time::Instant::now();
    assert!((&mut receipt).now_or_never().is_none());
    for _ in 0..5 {
        tokio::time::sleep(HOUR / 6).await;
        device.engine.pull().await.unwrap();
        let is_write = |call: &Call| matches!(call, Call::Write { .. });
        assert!(!device.server.calls().iter().any(is_write), "it waits whether more come");
    }
    receipt.await.unwrap();
    assert_eq!(pushed.elapsed().as_secs(), HOUR.as_secs());
}

async fn set_by_somebody() -> (Device, Set) {
    let (server, clock) = (ScriptedRemote::new(), Set::default());
    let steady = RetryPolicy { base: HOUR / 2, cap: HOUR / 2, ..RetryPolicy::default() };
    let (of_the_engine, storage) = (clock.clone(), MemoryStorage::new());
    let device = Device::with(&server, storage, |builder| builder.clock(of_the_engine).retry(steady).seed(3));
    (device.await, clock)
}

/// As where a device's clock is in local time, and the network sets it right.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_does_not_hold_up_what_waits() {
    for fault in [Fault::RequestLost, Fault::Unauthorized, Fault::Transient(500)] {
        let (device, clock) = set_by_somebody().await;
        device.server.once(fault);
        device.engine.start(NO_PULLS);
        let receipt = device.engine.push(&note("a", "x", 0)).await.unwrap();
        while device.server.calls().is_empty() || device.engine.status().next_attempt_at.is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        clock.by(TimeDelta::hours(-2));
        let set_back = tokio::time::Instant::now();
        receipt.synced().await.unwrap();
        assert!(set_back.elapsed() <= HOUR / 2, "{:?}", set_back.elapsed());
    }
}

/// So is one that stands for the time that the device slept, which tokio's did not notice.
#[tokio::test(start_paused = true)]
async fn what_has_become_due_by_the_clock_alone_is_sent_within_a_minute() {
    let (device, clock) = set_by_somebody().await;
    device.server.once(Fault::Transient(500));
    device.engine.start(NO_PULLS);
    let receipt = device.engine.push(&note("a", "x", 0)).await.unwrap();
    let due = loop {
        match device.engine.status().next_attempt_at {
            Some(due) if !device.server.calls().is_empty() => break due,
            _ => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    };
    assert!(due - sync::Clock::now(&clock) > TimeDelta::minutes(2), "it would be long to wait for");
    clock.by(TimeDelta::hours(1));
    let set = tokio::time::Instant::now();
    receipt.synced().await.unwrap();
    assert!(set.elapsed() <= Duration::from_secs(61), "{:?}", set.elapsed());
}

/// As if the device had slept for an hour.
#[tokio::test(start_paused = true)]
async fn a_pull_that_has_become_due_by_the_clock_alone_is_made_within_a_minute() {
    let (device, clock) = set_by_somebody().await;
    let mut events = device.engine.events();
    device.engine.start(AutoSync { pull_every: Some(HOUR), ..NO_PULLS });
    while !matches!(events.next().await, Some(SyncEvent::SyncComplete(_))) {}
    device.server.put(&note("theirs", "x", 0));
    clock.by(TimeDelta::hours(1));
    let set = tokio::time::Instant::now();
    while !matches!(events.next().await, Some(SyncEvent::Pulled { changes: 1, .. })) {}
    assert!(set.elapsed() <= Duration::from_secs(61), "{:?}", set.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_push_that_waits_for_more_is_sent_within_a_minute_when_the_clock_alone_says_that_it_has_waited() {
    let (device, clock) = set_by_somebody().await;
    let mut events = device.engine.events();
    device.engine.start(AutoSync { flush_after: HOUR, ..NO_PULLS });
    while !matches!(events.next().await, Some(SyncEvent::SyncComplete(_))) {}
    let receipt = device.engine.push(&note("a", "x", 0)).await.unwrap();
    tokio::time::sleep(HOUR / 60).await;
    clock.by(TimeDelta::hours(1));
    let set = tokio::time::Instant::now();
    receipt.synced().await.unwrap();
    assert!(set.elapsed() <= Duration::from_secs(61), "{:?}", set.elapsed());
}

/// Whichever clock says so.
#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_puts_off_neither_a_pull_nor_a_push_that_waits_for_more() {
    let (device, clock) = set_by_somebody().await;
    let mut events = device.engine.events();
    device.engine.start(AutoSync { pull_every: Some(HOUR), flush_after: HOUR / 2, listen: false });
    while !matches!(events.next().await, Some(SyncEvent::SyncComplete(_))) {}
    device.server.put(&note("theirs", "x", 0));
    let receipt = device.engine.push(&note("a", "x", 0)).await.unwrap();
    clock.by(TimeDelta::hours(-2));
    let set_back = tokio::time::Instant::now();
    // It is to wait no longer for what comes behind it.
    drop(device.engine.push(&note("b", "x", 0)).await.unwrap());
    receipt.synced().await.unwrap();
    assert!(set_back.elapsed() <= HOUR / 2, "{:?}", set_back.elapsed());
    while !matches!(events.next().await, Some(SyncEvent::Pulled { changes: 1.., .. })) {}
    assert!(set_back.elapsed() <= HOUR, "{:?}", set_back.elapsed());
}

mod former {
    use super::*;

    #[derive(Clone, serde::Serialize, serde::Deserialize, Syncable)]
    #[sync(endpoint = "/memos", conflict = ServerWins)]
    pub(crate) struct Memo {
        pub(crate) id: String,
    }

    #[derive(Schema)]
    #[sync(entities(Memo))]
    pub(crate) struct App;
    impl OnPull<Memo> for App {}
}

#[derive(Clone, serde::Serialize, serde::Deserialize, Syncable)]
#[sync(endpoint = "/memos", conflict = ServerWins, version = 2, upgrade = never)]
struct Memo {
    id: String,
}

fn never(_: Outdated<'_>) -> Result<Memo, BoxError> {
    Err("it cannot be upgraded".into())
}

#[derive(Schema)]
#[sync(entities(Memo))]
struct App;
impl OnPull<Memo> for App {}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_is_tried_less_and_less_often() {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    let engine = Engine::builder(former::App, server.clone(), storage.clone()).build().await.unwrap();
    engine.push(&former::Memo { id: "a".into() }).await.unwrap();
    drop(engine);
    let building = Engine::builder(App, server, storage).clock(Ticking::default()).seed(7).build();
    let engine = building.await.unwrap();
    let events = engine.events();
    engine.start(NO_PULLS);
    tokio::time::sleep(HOUR).await;
    engine.shutdown().await;
    drop(engine);
    let syncs =
        events.filter(|event| std::future::ready(matches!(event, SyncEvent::SyncComplete(_)))).count().await;
    assert!((5..100).contains(&syncs), "{syncs} flushes in an hour");
}

/// It is not the server's fault, so it costs no attempt.
#[tokio::test(start_paused = true)]
async fn what_a_handler_never_decides_is_not_sent_all_the_time() {
    let device = ticking().await;
    device.server.put(&task(1, None, "theirs"));
    device.app.state().answers.extend((0..10_000).map(|_| Answer::Fail));
    device.engine.push(&task(1, None, "mine")).await.unwrap();
    device.engine.start(NO_PULLS);
    tokio::time::sleep(HOUR).await;
    let calls = device.server.calls();
    let writes = calls.iter().filter(|call| matches!(call, Call::Write { .. })).count();
    assert!((5..200).contains(&writes), "{writes} times in an hour");
    assert_eq!(device.engine.status().parked, 0);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_keeps_nothing_else_from_its_next_attempt() {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    let engine = Engine::builder(former::App, server.clone(), storage.clone()).build().await.unwrap();
    engine.push(&former::Memo { id: "a".into() }).await.unwrap();
    drop(engine);
    let clock = Ticking::default();
    let building = Engine::builder(App, server.clone(), storage).clock(clock).seed(7).build();
    let engine = building.await.unwrap();
    engine.start(NO_PULLS);
    tokio::time::sleep(HOUR).await;
    for number in 0..5 {
        server.once(Fault::Transient(500));
        let pushed = tokio::time::Instant::now();
        let receipt = engine.push(&Memo { id: number.to_string() }).await.unwrap();
        receipt.synced().await.unwrap();
        assert!(pushed.elapsed() < Duration::from_secs(2), "{:?}", pushed.elapsed());
    }
}
