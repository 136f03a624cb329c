//! What the engine says of how it is doing.

use std::future::Future;
use std::time::Duration;

use chrono::TimeDelta;
use futures::{FutureExt, StreamExt};
use sync::testing::{Call, Fault, Gate, ScriptedRemote};
use sync::{Clock, ManualConnectivity, MemoryStorage, RetryPolicy, State, SyncError, SyncEvent};
use sync_tests::entities::{Note, Task, note, task};

use crate::device::{Device, NO_PULLS, Ticking};

/// Time stands still while anybody works, so what is to come at all comes before this.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(1), what).await.expect("it comes without a sync")
}

#[tokio::test(start_paused = true)]
async fn going_offline_and_coming_back_is_shown_at_once() {
    for started in [true, false] {
        let device = Device::new().await;
        if started {
            device.engine.start(NO_PULLS);
        }
        let mut status = device.engine.watch_status();
        assert_eq!(status.borrow().state, State::Idle);
        device.switch.set_online(false);
        soon(status.wait_for(|status| status.state == State::Offline)).await.unwrap();
        device.switch.set_online(true);
        soon(status.wait_for(|status| status.state == State::Idle)).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn coming_back_does_not_hide_what_went_wrong_before() {
    let device = Device::new().await;
    let mut status = device.engine.watch_status();
    device.server.script(|call| match call {
        Call::Pull { .. } => Fault::Transient(500),
        _ => Fault::None,
    });
    device.engine.pull().await.unwrap();
    for (state, online) in [(State::Offline, false), (State::Error, true)] {
        device.switch.set_online(online);
        soon(status.wait_for(|status| status.state == state)).await.unwrap();
    }
    assert!(status.borrow().last_error.is_some());
}

#[tokio::test]
async fn queue_len_of_counts_the_records_of_one_entity() {
    let device = Device::new().await;
    let lengths = || (device.engine.queue_len_of::<Note>(), device.engine.queue_len_of::<Task>());
    assert_eq!(lengths(), (0, 0));
    for title in ["x", "y"] {
        device.engine.push_all(&[note("a", title, 0), note("b", title, 0)]).await.unwrap();
    }
    device.engine.push(&task(1, Some("a"), "x")).await.unwrap();
    assert_eq!((lengths(), device.engine.queue_len()), ((2, 1), 3), "an edit of what waits is one with it");
    device.engine.delete::<Note>(&"b".to_owned()).await.unwrap();
    assert_eq!(lengths(), (1, 1));
    device.engine.flush().await.unwrap();
    assert_eq!(lengths(), (0, 0));
}

#[tokio::test]
async fn watch_status_tells_of_pushes_syncs_and_what_was_refused() {
    let device = Device::new().await;
    let mut status = device.engine.watch_status();
    let mut changed = async || {
        soon(status.changed()).await.unwrap();
        status.borrow_and_update().clone()
    };
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    assert_eq!(changed().await.queue_len, 1);
    device.server.once(Fault::Refused(422, "no".to_owned()));
    device.engine.flush().await.unwrap();
    let refused = changed().await;
    assert_eq!((refused.queue_len, refused.parked, refused.state), (0, 1, State::Error));
    assert!(!status.has_changed().unwrap(), "that was the last of it");
}

#[tokio::test]
async fn a_device_that_starts_offline_says_so() {
    let offline = |builder: sync::EngineBuilder<_>| builder.connectivity(ManualConnectivity::new(false));
    let device = Device::with(&ScriptedRemote::new(), MemoryStorage::new(), offline).await;
    assert_eq!(device.engine.status().state, State::Offline);
}

#[tokio::test]
async fn after_a_sync_without_an_error_it_is_idle_and_says_when_that_was() {
    let device = Device::new().await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.server.once(Fault::Transient(500));
    device.engine.full_sync().await.unwrap();
    let status = device.engine.status();
    assert!(matches!((status.state, status.last_sync_at), (State::Error, None)), "{status:?}");
    device.clock.advance(TimeDelta::minutes(1));
    device.engine.full_sync().await.unwrap();
    let status = device.engine.status();
    assert_eq!(status.state, State::Idle);
    assert!(status.last_error.is_none(), "{status:?}");
    assert_eq!(status.last_sync_at, Some(device.clock.now()));
    assert_eq!((status.queue_len, status.oldest_pending, status.next_attempt_at), (0, None, None));
}

#[tokio::test]
async fn what_went_wrong_with_an_edit_is_shown_until_it_is_through() {
    let device = Device::new().await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.server.once(Fault::Transient(500));
    device.engine.full_sync().await.unwrap();
    device.engine.push(&note("b", "x", 0)).await.unwrap();
    let report = device.engine.full_sync().await.unwrap();
    assert_eq!((report.pushed, report.errors.len(), report.remaining), (1, 0, 1), "{report:?}");
    let status = device.engine.status();
    assert_eq!(status.state, State::Error);
    assert!(
        matches!(status.last_error.as_deref(), Some(SyncError::Push { record, .. }) if record.key.as_str() == "a")
    );
    assert!(status.next_attempt_at.is_some_and(|at| at > device.clock.now()));
    device.clock.advance(TimeDelta::minutes(1));
    device.engine.flush().await.unwrap();
    let status = device.engine.status();
    assert!(matches!((status.state, status.last_error), (State::Idle, None)));
}

#[tokio::test]
async fn what_went_wrong_with_an_edit_is_not_shown_once_it_is_given_up() {
    for all in [true, false] {
        let device = Device::new().await;
        let receipt = device.engine.push(&note("a", "x", 0)).await.unwrap();
        device.server.once(Fault::Refused(422, "no".to_owned()));
        device.engine.flush().await.unwrap();
        assert_eq!(device.engine.status().state, State::Error);
        let mut status = device.engine.watch_status();
        status.mark_unchanged();
        if all {
            assert_eq!(device.engine.clear_queue().await.unwrap(), 1);
        } else {
            device.engine.discard(receipt.id()).await.unwrap();
        }
        let status = status.borrow_and_update();
        assert!(status.last_error.is_none(), "{status:?}");
        assert_eq!((status.state, status.parked), (State::Idle, 0));
    }
}

#[tokio::test]
async fn what_went_wrong_with_another_edit_is_shown_when_one_is_given_up() {
    let device = Device::new().await;
    let receipt = device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.server.once(Fault::Refused(422, "no".to_owned()));
    device.engine.flush().await.unwrap();
    device.engine.push(&note("b", "x", 0)).await.unwrap();
    device.server.once(Fault::Transient(500));
    device.engine.flush().await.unwrap();
    device.engine.discard(receipt.id()).await.unwrap();
    let status = device.engine.status();
    assert_eq!(status.state, State::Error);
    assert!(
        matches!(status.last_error.as_deref(), Some(SyncError::Push { record, .. }) if record.key.as_str() == "b")
    );
}

/// The pull went well after that; only the edit waits still.
#[tokio::test]
async fn what_went_wrong_with_a_pull_is_not_shown_after_one_that_went_well() {
    let device = Device::new().await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.server.once(Fault::Transient(500));
    device.engine.flush().await.unwrap();
    device.server.once(Fault::Transient(503));
    device.engine.pull().await.unwrap();
    assert!(matches!(device.engine.status().last_error.as_deref(), Some(SyncError::Pull { .. })));
    device.engine.pull().await.unwrap();
    assert!(device.engine.status().last_error.is_none());
}

#[tokio::test]
async fn it_says_since_when_the_oldest_edit_waits() {
    let device = Device::new().await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    let first = device.clock.now();
    device.clock.advance(TimeDelta::minutes(1));
    device.engine.push(&note("b", "x", 0)).await.unwrap();
    assert_eq!(device.engine.status().oldest_pending, Some(first));
    device.clock.advance(TimeDelta::minutes(1));
    device.engine.push(&note("a", "a newer edit", 1)).await.unwrap();
    assert_eq!(device.engine.status().oldest_pending, Some(first), "something waits since then all the same");
    let device = device.restart().await;
    assert_eq!(device.engine.status().oldest_pending, Some(first));
    device.engine.delete::<Note>(&"a".to_owned()).await.unwrap();
    assert_eq!(device.engine.status().oldest_pending, Some(first + TimeDelta::minutes(1)));
    device.switch.set_online(false);
    device.engine.flush().await.unwrap();
    assert_eq!(device.engine.status().oldest_pending, Some(first + TimeDelta::minutes(1)));
}

#[tokio::test]
async fn what_is_sent_again_by_hand_waits_since_it_was_made() {
    let device = Device::with_refused_edit().await;
    let made = device.clock.now();
    device.clock.advance(TimeDelta::minutes(1));
    device.engine.push(&note("b", "x", 0)).await.unwrap();
    let parked = device.engine.parked::<Note>().await.unwrap();
    device.engine.retry(parked[0].operation).await.unwrap();
    assert_eq!(device.engine.status().oldest_pending, Some(made));
}

/// It has answered, if not as one would like: what is pushed after that waits for nothing.
#[tokio::test(start_paused = true)]
async fn a_server_that_answers_with_a_failure_is_not_offline() {
    let patient = RetryPolicy { base: Duration::from_secs(3600), ..RetryPolicy::default() };
    for fault in [Fault::Transient(500), Fault::Refused(422, "no".to_owned())] {
        for pulls in [false, true] {
            let settings = |builder: sync::EngineBuilder<_>| builder.retry(patient).clock(Ticking::default());
            let device = Device::with(&ScriptedRemote::new(), MemoryStorage::new(), settings).await;
            device.engine.push(&note("a", "x", 0)).await.unwrap();
            device.server.once(Fault::RequestLost);
            device.engine.flush().await.unwrap();
            assert_eq!(device.engine.status().state, State::Offline);
            device.server.once(fault.clone());
            let synced = if pulls { device.engine.pull().await } else { device.engine.flush().await };
            synced.unwrap();
            device.engine.start(NO_PULLS);
            let receipt = device.engine.push(&note("b", "x", 0)).await.unwrap();
            soon(receipt.synced()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_parked_does_not_hide_since_when_something_waits() {
    let device = Device::new().await;
    device.engine.push(&note("refused", "x", 0)).await.unwrap();
    device.server.once(Fault::Refused(422, "no".to_owned()));
    device.engine.flush().await.unwrap();
    device.clock.advance(TimeDelta::minutes(1));
    device.engine.push(&note("waits", "x", 0)).await.unwrap();
    let since = device.clock.now();
    device.clock.advance(TimeDelta::minutes(1));
    device.switch.set_online(false);
    device.engine.flush().await.unwrap();
    assert_eq!(device.engine.status().oldest_pending, Some(since));
    let device = device.restart().await;
    assert_eq!(device.engine.status().oldest_pending, Some(since));
}

#[tokio::test]
async fn after_a_restart_it_says_what_is_waited_for() {
    for (fault, state) in [
        (Fault::Throttled(Some(Duration::from_secs(60))), State::Paused),
        (Fault::Unauthorized, State::Unauthorized),
        (Fault::RequestLost, State::Offline),
        // Only that one operation waits.
        (Fault::Transient(500), State::Idle),
    ] {
        let device = Device::new().await;
        device.engine.push(&note("a", "x", 0)).await.unwrap();
        device.server.once(fault);
        device.engine.flush().await.unwrap();
        let before = device.engine.status().next_attempt_at;
        assert!(before.is_some());
        let device = device.restart().await;
        let status = device.engine.status();
        assert_eq!((status.state, status.next_attempt_at), (state, before));
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_nothing_waited_for_is_shown_until_it_is_over() {
    let device = Device::with(&ScriptedRemote::new(), MemoryStorage::new(), |builder| {
        builder.clock(Ticking::default())
    })
    .await;
    device.engine.start(NO_PULLS);
    device.server.once(Fault::ThenWait(Duration::from_secs(2)));
    let mut status = device.engine.watch_status();
    device.engine.push(&note("a", "x", 0)).await.unwrap().synced().await.unwrap();
    status.wait_for(|status| status.state == State::Paused).await.unwrap();
    let shown = tokio::time::Instant::now();
    let over = status.wait_for(|status| status.state == State::Idle);
    let over = tokio::time::timeout(Duration::from_secs(60), over).await.unwrap().unwrap();
    assert_eq!((shown.elapsed().as_secs(), over.next_attempt_at), (2, None));
}

#[tokio::test(start_paused = true)]
async fn a_flush_in_vain_during_a_pause_is_no_error_once_the_pause_is_over() {
    let device = Device::with(&ScriptedRemote::new(), MemoryStorage::new(), |builder| {
        builder.clock(Ticking::default())
    })
    .await;
    device.engine.start(NO_PULLS);
    device.server.once(Fault::ThenWait(Duration::from_secs(2)));
    let mut status = device.engine.watch_status();
    device.engine.push(&note("a", "x", 0)).await.unwrap().synced().await.unwrap();
    status.wait_for(|status| status.state == State::Paused).await.unwrap();
    let report = device.engine.flush().await.unwrap();
    assert!(matches!(*report.errors[0], SyncError::Throttled { .. }), "{report:?}");
    let over = status.wait_for(|status| !matches!(status.state, State::Paused | State::Syncing));
    let over = tokio::time::timeout(Duration::from_secs(60), over).await.unwrap().unwrap();
    assert_eq!(over.state, State::Idle);
}

#[tokio::test]
async fn a_pause_that_was_over_before_the_sync_was_is_not_shown_after_it() {
    let device = Device::new().await;
    let gate = Gate::new();
    device.engine.push_all(&[note("held", "x", 0), note("b", "x", 0)]).await.unwrap();
    device.server.once(Fault::Hold(gate.clone()));
    device.server.once(Fault::ThenWait(Duration::from_secs(60)));
    let flush = tokio::spawn({
        let engine = device.engine.clone();
        async move { engine.flush().await }
    });
    gate.reached(1).await;
    device.engine.watch_status().wait_for(|status| status.queue_len == 1).await.unwrap();
    device.clock.advance(TimeDelta::seconds(61));
    gate.open();
    flush.await.unwrap().unwrap();
    assert_eq!((device.engine.status().state, device.engine.queue_len()), (State::Idle, 0));
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_again_when_a_pause_is_over_is_shown_as_nothing_but_that() {
    let device = Device::with(&ScriptedRemote::new(), MemoryStorage::new(), |builder| {
        builder.clock(Ticking::default())
    })
    .await;
    let mut events = device.engine.events();
    device.engine.start(NO_PULLS);
    device.server.once(Fault::Throttled(Some(Duration::from_secs(2))));
    device.engine.push(&note("a", "x", 0)).await.unwrap().synced().await.unwrap();
    let mut states = Vec::new();
    while let Some(Some(event)) = events.next().now_or_never() {
        if let SyncEvent::Status(status) = event {
            states.push(status.state);
        }
    }
    states.dedup();
    assert!(states.starts_with(&[State::Syncing, State::Paused, State::Syncing]), "{states:?}");
}
