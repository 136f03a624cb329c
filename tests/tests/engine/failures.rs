//! The failures of the README's table, one by one.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::TimeDelta;
use sync::record::ParkReason;
use sync::testing::{Call, Fault, ScriptedRemote};
use sync::{Clock, MemoryStorage, NotSynced, RemoteError, RetryPolicy, State, SyncError, SyncState};
use sync_tests::entities::{Note, note};

use crate::device::Device;

#[tokio::test]
async fn an_unreachable_server_pauses_the_flush_and_costs_no_attempt() {
    let device = Device::new().await;
    for number in 0..50 {
        device.engine.push(&note(&format!("n{number}"), "x", 0)).await.unwrap();
    }
    device.server.script(|_| Fault::RequestLost);
    for _ in 0..20 {
        device.engine.flush().await.unwrap();
    }
    let status = device.engine.status();
    assert_eq!((status.state, status.queue_len, status.parked), (State::Offline, 50, 0));
    assert!(status.next_attempt_at.is_some());
    assert!(device.server.calls().len() <= 20 * 16, "a flush stops at the first sign of being offline");
    device.server.heal();
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.records::<Note>().len(), 50);
}

/// A gateway gives up on one request whenever it comes, and lets the others through.
#[tokio::test]
async fn a_record_whose_requests_alone_come_to_nothing_holds_nobody_else_back() {
    let device = Device::new().await;
    device.server.put(&note("theirs", "x", 0));
    device.engine.push(&note("heavy", "x", 0)).await.unwrap();
    device.server.script(|call| match call {
        Call::Write { key, .. } if key == "heavy" => Fault::RequestLost,
        _ => Fault::None,
    });
    let report = device.engine.full_sync().await.unwrap();
    assert_eq!(report.pulled, 1, "the pull finds out that the server can be reached: {report:?}");
    device.engine.push(&note("light", "x", 0)).await.unwrap();
    let before = device.server.calls().len();
    let report = device.engine.full_sync().await.unwrap();
    assert_eq!((report.pushed, report.remaining), (1, 1), "{report:?}");
    let calls = device.server.calls().split_off(before);
    assert!(!calls.iter().any(|call| matches!(call, Call::Write { key, .. } if key == "heavy")), "{calls:?}");
    let status = device.engine.status();
    assert_eq!((status.state, status.parked), (State::Error, 0), "it waits for its own next attempt");
    assert!(status.next_attempt_at.is_some());
    device.wait_out();
    device.server.heal();
    assert_eq!(device.engine.full_sync().await.unwrap().pushed, 1);
}

/// Nothing was answered in between, so nothing says that the operation is to blame.
#[tokio::test]
async fn a_server_that_is_away_for_long_is_not_taken_for_a_record_that_fails() {
    let device = Device::new().await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.server.script(|_| Fault::RequestLost);
    for _ in 0..5 {
        device.engine.full_sync().await.unwrap();
        assert_eq!(device.engine.status().state, State::Offline);
        let state = device.engine.sync_state::<Note>(&"a".into()).await.unwrap();
        assert!(matches!(state, SyncState::InFlight { attempts: 0, .. }), "{state:?}");
        device.wait_out();
    }
}

/// An indicator does not say that it is on its way.
#[tokio::test]
async fn what_the_server_has_not_taken_for_sure_waits_and_is_not_in_flight() {
    let device = Device::new().await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    for (fault, in_flight) in [
        (Fault::Unauthorized, false),
        (Fault::Throttled(None), false),
        (Fault::RefusedThenWait(403, Duration::from_secs(1)), false),
        (Fault::RequestLost, true),
        // It may have been taken before that.
        (Fault::Unauthorized, true),
    ] {
        device.server.once(fault);
        device.engine.flush().await.unwrap();
        let state = device.engine.sync_state::<Note>(&"a".into()).await.unwrap();
        match state {
            SyncState::InFlight { .. } => assert!(in_flight),
            SyncState::Waiting { .. } => assert!(!in_flight),
            other => panic!("{other:?}"),
        }
        device.wait_out();
    }
}

#[tokio::test]
async fn an_offline_device_sends_nothing() {
    let device = Device::new().await;
    device.switch.set_online(false);
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    let report = device.engine.full_sync().await.unwrap();
    assert!(matches!(&*report.errors[0], SyncError::Offline));
    assert_eq!(device.engine.status().state, State::Offline);
    assert_eq!(device.server.calls(), []);
    device.switch.set_online(true);
    assert!(device.engine.full_sync().await.unwrap().is_clean());
}

#[tokio::test]
async fn a_throttling_server_is_left_alone_for_as_long_as_it_says() {
    let device = Device::new().await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.server.once(Fault::Throttled(Some(Duration::from_secs(60))));
    device.engine.flush().await.unwrap();
    assert_eq!(device.engine.status().state, State::Paused);
    device.clock.advance(TimeDelta::seconds(59));
    let report = device.engine.full_sync().await.unwrap();
    assert!(matches!(&*report.errors[0], SyncError::Throttled { .. }));
    assert_eq!(device.server.calls().len(), 1, "neither push nor pull");
    device.clock.advance(TimeDelta::seconds(2));
    assert!(device.engine.flush().await.unwrap().is_clean());
}

/// As GitHub says 403 to whoever asks too often.
#[tokio::test]
async fn a_refusal_that_asks_to_wait_may_pass_and_parks_in_the_end() {
    let policy = RetryPolicy { max_attempts: 3, ..RetryPolicy::default() };
    let device =
        Device::with(&ScriptedRemote::new(), MemoryStorage::new(), |builder| builder.retry(policy)).await;
    let refused = || Fault::RefusedThenWait(403, Duration::from_secs(60));
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.server.once(refused());
    let report = device.engine.flush().await.unwrap();
    assert_eq!((report.remaining, report.parked), (1, 0), "{report:?}");
    assert!(matches!(&*report.errors[0], SyncError::Push { source: RemoteError::Refused { .. }, .. }));
    assert_eq!(device.engine.status().state, State::Paused);
    device.wait_out();
    assert_eq!(device.engine.flush().await.unwrap().pushed, 1);
    // Where nobody may ever do that.
    device.engine.push(&note("b", "x", 0)).await.unwrap();
    device.server.script(move |_| refused());
    for attempt in 1..=3 {
        let report = device.engine.flush().await.unwrap();
        assert_eq!(report.parked, u64::from(attempt == 3), "{report:?}");
        device.wait_out();
    }
    let parked = device.engine.parked::<Note>().await.unwrap();
    assert!(
        matches!(&parked[0].reason, ParkReason::Exhausted { last, .. } if last == "status 403"),
        "{parked:?}"
    );
}

#[tokio::test]
async fn a_success_that_asks_to_wait_is_obeyed() {
    let device = Device::new().await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.server.once(Fault::ThenWait(Duration::from_secs(60)));
    let report = device.engine.flush().await.unwrap();
    assert_eq!(report.pushed, 1);
    device.engine.push(&note("b", "x", 0)).await.unwrap();
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.calls().len(), 1);
    device.clock.advance(TimeDelta::seconds(61));
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.records::<Note>().len(), 2);
}

#[tokio::test]
async fn a_flush_that_a_success_stopped_says_why_it_left_something_unsent() {
    let device =
        Device::with(&ScriptedRemote::new(), MemoryStorage::new(), |builder| builder.max_in_flight(1)).await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.engine.push(&note("b", "x", 0)).await.unwrap();
    device.server.once(Fault::ThenWait(Duration::from_secs(60)));
    let report = device.engine.flush().await.unwrap();
    assert_eq!((report.pushed, report.remaining), (1, 1));
    assert!(
        matches!(report.errors.as_slice(), [error] if matches!(&**error, SyncError::Throttled { .. })),
        "{report:?}"
    );
    device.clock.advance(TimeDelta::seconds(61));
    device.server.once(Fault::ThenWait(Duration::from_secs(60)));
    let report = device.engine.flush().await.unwrap();
    assert!(report.is_clean(), "nothing is left: {report:?}");
}

#[tokio::test]
async fn a_conflict_whose_record_is_asked_for_waits_as_that_answer_says() {
    let device = Device::new().await;
    device.server.put(&note("a", "theirs", 1));
    device.engine.push(&note("a", "mine", 0)).await.unwrap();
    device.server.once(Fault::ConflictWithoutBody);
    device.server.once(Fault::ThenWait(Duration::from_secs(60)));
    device.engine.flush().await.unwrap();
    device.engine.push(&note("b", "x", 0)).await.unwrap();
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.calls().len(), 2, "{:?}", device.server.calls());
    device.clock.advance(TimeDelta::seconds(61));
    device.engine.flush().await.unwrap();
    assert_eq!(device.engine.queue_len(), 0);
}

#[tokio::test]
async fn a_pause_survives_a_restart() {
    let device = Device::new().await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.server.once(Fault::Throttled(Some(Duration::from_secs(600))));
    device.engine.flush().await.unwrap();
    let device = device.restart().await;
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.calls().len(), 1);
    device.clock.advance(TimeDelta::seconds(601));
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.records::<Note>().len(), 1);
}

#[tokio::test]
async fn without_valid_credentials_the_queue_stays_untouched() {
    let device = Device::new().await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.server.once(Fault::Unauthorized);
    let report = device.engine.full_sync().await.unwrap();
    assert_eq!((report.remaining, report.parked), (1, 0));
    assert_eq!(device.engine.status().state, State::Unauthorized);
    assert!(device.engine.full_sync().await.unwrap().is_clean());
}

#[tokio::test]
async fn a_passing_failure_backs_off_on_disk_and_holds_nobody_else_back() {
    let device = Device::new().await;
    device.engine.push(&note("bad", "x", 0)).await.unwrap();
    device.engine.push(&note("good", "x", 0)).await.unwrap();
    device.server.script(|call| match call {
        Call::Write { key, .. } if key == "bad" => Fault::Transient(500),
        _ => Fault::None,
    });
    let report = device.engine.flush().await.unwrap();
    assert_eq!((report.pushed, report.remaining), (1, 1));
    let device = device.restart().await;
    let state = device.engine.sync_state::<Note>(&"bad".to_owned()).await.unwrap();
    assert!(matches!(state, SyncState::InFlight { attempts: 1, .. }), "{state:?}");
    let before = device.server.calls().len();
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.calls().len(), before, "not before its time");
    device.wait_out();
    device.server.heal();
    assert_eq!(device.engine.flush().await.unwrap().pushed, 1);
}

#[tokio::test]
async fn an_operation_that_fails_too_often_is_parked_whole() {
    let policy = RetryPolicy { max_attempts: 3, ..RetryPolicy::default() };
    let device =
        Device::with(&ScriptedRemote::new(), MemoryStorage::new(), |builder| builder.retry(policy)).await;
    let receipt = device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.server.script(|_| Fault::Transient(500));
    for _ in 0..5 {
        device.engine.flush().await.unwrap();
        device.wait_out();
    }
    assert_eq!(device.server.calls().len(), 3);
    let parked = device.engine.parked::<Note>().await.unwrap();
    assert_eq!(parked[0].record, Some(note("a", "x", 0)));
    assert!(matches!(receipt.synced().await, Err(NotSynced::Parked { .. })));
    device.server.heal();
    device.engine.retry(parked[0].operation).await.unwrap();
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.records::<Note>().len(), 1);
}

#[tokio::test]
async fn an_answer_of_no_use_moves_nothing() {
    let device = Device::new().await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    for _ in 0..30 {
        device.server.once(Fault::Protocol("a login page".to_owned()));
        let report = device.engine.flush().await.unwrap();
        assert!(matches!(&*report.errors[0], SyncError::Push { source: RemoteError::Protocol { .. }, .. }));
        assert_eq!((report.remaining, report.parked), (1, 0), "and never parks");
        device.wait_out();
    }
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.records::<Note>().len(), 1);
}

/// A server that gives out ids makes one more record at each attempt, whether the program can read such an id or not.
#[tokio::test]
async fn a_creation_that_is_answered_with_another_id_is_parked_at_once() {
    let readable = serde_json::to_string(&note("b", "x", 0)).unwrap();
    for (answer, id) in [(readable, "b"), (r#"{"id":17,"title":"x"}"#.to_owned(), "17")] {
        let device = Device::new().await;
        device.engine.push(&note("a", "x", 0)).await.unwrap();
        device.server.script(move |_| Fault::AcceptedAs(answer.clone()));
        let report = device.engine.flush().await.unwrap();
        let expected = format!(
            "Note `a`: /notes was answered with a body that is not this record: its id is `{id}`; answer with the record, or with 204 and no body, or say in the dialect"
        );
        let told = report.errors[0].to_string();
        assert!(told.starts_with(&expected), "{told}");
        assert_eq!((report.pushed, report.remaining, report.parked), (0, 0, 1), "{report:?}");
        let parked = device.engine.parked::<Note>().await.unwrap();
        assert!(
            matches!(&parked[0].reason, ParkReason::Exhausted { last, .. } if *last == told),
            "{parked:?}"
        );
        device.wait_out();
        device.engine.flush().await.unwrap();
        assert_eq!(device.server.calls().len(), 1, "it is the user's to decide");
    }
}

#[tokio::test]
async fn an_update_that_is_answered_with_another_record_is_tried_again_and_parked_in_the_end() {
    let device = Device::new().await;
    device.engine.push(&note("a", "base", 0)).await.unwrap();
    device.engine.full_sync().await.unwrap();
    device.engine.push(&note("a", "mine", 1)).await.unwrap();
    let other = serde_json::to_string(&note("b", "x", 0)).unwrap();
    device.server.script(move |_| Fault::AcceptedAs(other.clone()));
    let report = device.engine.flush().await.unwrap();
    assert_eq!((report.pushed, report.remaining, report.parked), (0, 1, 0), "{report:?}");
    for _ in 0..20 {
        device.wait_out();
        device.engine.flush().await.unwrap();
    }
    assert_eq!(device.engine.parked::<Note>().await.unwrap()[0].record, Some(note("a", "mine", 1)));
}

/// Of what the program is too old to read, a newer version may be on its way.
#[tokio::test]
async fn a_success_whose_record_cannot_be_read_waits_for_as_long_as_it_takes() {
    let device = Device::new().await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    for _ in 0..10 {
        device.server.once(Fault::AcceptedAs(r#"{"id":"a","title":7}"#.to_owned()));
        let report = device.engine.flush().await.unwrap();
        assert!(matches!(&*report.errors[0], SyncError::Answer { .. }), "{report:?}");
        assert_eq!((report.remaining, report.parked), (1, 0), "{report:?}");
        device.wait_out();
    }
    device.server.once(Fault::AcceptedAs(serde_json::to_string(&note("a", "x", 0)).unwrap()));
    assert_eq!(device.engine.flush().await.unwrap().pushed, 1);
}

/// Unlike that, it is no record, and the server has none.
#[tokio::test]
async fn a_creation_that_is_answered_with_no_record_and_is_not_there_is_parked_at_once() {
    for answer in [r#"{"id":null}"#, "[7]"] {
        let device = Device::new().await;
        device.engine.push(&note("a", "x", 0)).await.unwrap();
        device.server.once(Fault::AcceptedAs(answer.to_owned()));
        let report = device.engine.flush().await.unwrap();
        assert!(matches!(&*report.errors[0], SyncError::Answer { .. }), "{report:?}");
        assert_eq!((report.remaining, report.parked), (0, 1), "{answer}: {report:?}");
    }
}

#[tokio::test]
async fn a_creation_whose_answer_is_unclear_waits_while_the_server_cannot_be_asked() {
    let device = Device::new().await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    for _ in 0..10 {
        device.server.script(|call| match call {
            Call::Write { .. } => Fault::AcceptedAs(r#"{"id":null}"#.to_owned()),
            _ => Fault::RequestLost,
        });
        let report = device.engine.flush().await.unwrap();
        assert_eq!((report.remaining, report.parked), (1, 0), "{report:?}");
        device.wait_out();
    }
    device.server.heal();
    assert_eq!(device.engine.flush().await.unwrap().pushed, 1);
}

/// Full jitter: what fails together is not tried again together.
#[tokio::test]
async fn each_device_waits_for_another_part_of_the_back_off() {
    let mut due = BTreeSet::new();
    for seed in 0..8 {
        let server = ScriptedRemote::new();
        let device = Device::with(&server, MemoryStorage::new(), |builder| builder.seed(seed)).await;
        device.engine.push(&note("a", "x", 0)).await.unwrap();
        server.once(Fault::Transient(500));
        device.engine.flush().await.unwrap();
        let wait = device.engine.status().next_attempt_at.unwrap() - device.clock.now();
        assert!(wait > TimeDelta::zero() && wait <= TimeDelta::seconds(1), "{wait}");
        due.insert(wait);
    }
    assert_eq!(due.len(), 8, "{due:?}");
}

#[tokio::test]
async fn a_clock_that_is_set_back_delays_nothing_for_long() {
    let device = Device::new().await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.server.once(Fault::Transient(500));
    device.engine.flush().await.unwrap();
    device.clock.advance(TimeDelta::days(-400));
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.records::<Note>().len(), 1);
}
