//! Requests that come to nothing alone, while others are answered: a gateway gives up on each that takes too long.

use std::time::Duration;

use futures::StreamExt;
use sync::testing::{Call, Fault, ScriptedRemote};
use sync::{AutoSync, MemoryStorage, RemoteError, State, SyncError, SyncEvent};
use sync_tests::entities::{Note, note, task};

use crate::device::{Device, NO_PULLS, Ticking};

const MINUTE: Duration = Duration::from_secs(60);

/// A server whose list of notes, which is asked for first, never comes.
fn without_a_list_of_notes() -> ScriptedRemote {
    let server = ScriptedRemote::new();
    server.put(&task(1, None, "theirs"));
    server.script(|call| match call {
        Call::Pull { entity: "Note", .. } => Fault::RequestLost,
        _ => Fault::None,
    });
    server
}

fn asked_for(server: &ScriptedRemote, of: &str) -> usize {
    server.calls().iter().filter(|call| matches!(call, Call::Pull { entity, .. } if *entity == of)).count()
}

#[tokio::test]
async fn an_entity_whose_list_alone_comes_to_nothing_keeps_no_other_from_being_pulled() {
    let device = Device::on(&without_a_list_of_notes()).await;
    device.engine.push(&note("a", "mine", 0)).await.unwrap();
    let report = device.engine.full_sync().await.unwrap();
    assert_eq!((report.pushed, report.pulled, report.remaining), (1, 1, 0), "{report:?}");
    let told = |error: &SyncError| matches!(error, SyncError::Pull { entity, source: RemoteError::Unreachable { .. } } if entity.as_str() == "Note");
    assert!(report.errors.iter().all(|error| told(error)) && report.errors.len() == 1, "{report:?}");
    let status = device.engine.status();
    assert_eq!((status.state, status.next_attempt_at), (State::Error, None), "nothing is to wait");
    // Nor where nothing else is asked for.
    device.engine.pull_only::<Note>().await.unwrap();
    assert_eq!(device.engine.status().state, State::Error);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_never_comes_is_asked_for_less_and_less_often_and_slows_nothing_else() {
    let server = without_a_list_of_notes();
    server.tell_changes();
    let device =
        Device::with(&server, MemoryStorage::new(), |builder| builder.clock(Ticking::default())).await;
    let mut events = device.engine.events();
    device.engine.start(AutoSync { listen: true, ..NO_PULLS });
    tokio::time::sleep(60 * MINUTE).await;
    assert_eq!(device.app.state().tasks.len(), 1);
    assert!((5..100).contains(&asked_for(&server, "Note")), "{} times", asked_for(&server, "Note"));
    assert_eq!(device.engine.status().state, State::Error);
    // What is pushed is sent when it always is, and what is hinted at is pulled.
    for number in 0..20 {
        let pushed = tokio::time::Instant::now();
        let receipt = device.engine.push(&note("a", "mine", number)).await.unwrap();
        receipt.synced().await.unwrap();
        assert!(pushed.elapsed() <= NO_PULLS.flush_after, "{:?}", pushed.elapsed());
        tokio::time::sleep(MINUTE).await;
    }
    let told = tokio::time::Instant::now();
    server.put(&task(2, None, "theirs"));
    while !matches!(events.next().await, Some(SyncEvent::Pulled { entity, changes: 1 }) if entity.as_str() == "Task" && device.app.state().tasks.len() == 2)
    {
    }
    assert!(told.elapsed() < MINUTE, "{:?}", told.elapsed());
    // And as soon as the list comes, nothing is wrong any more.
    server.heal();
    server.put(&note("b", "theirs", 0));
    tokio::time::sleep(10 * MINUTE).await;
    assert!(device.app.state().notes.contains_key("b"));
}

/// And one question more finds that out.
#[tokio::test]
async fn a_server_that_is_away_is_asked_once_more_and_left_alone() {
    let device = Device::new().await;
    device.server.script(|_| Fault::RequestLost);
    let report = device.engine.full_sync().await.unwrap();
    assert_eq!((report.errors.len(), device.engine.status().state), (1, State::Offline), "{report:?}");
    assert_eq!(device.server.calls(), [Call::Pull { entity: "Note", since: None }, Call::Probe]);
    assert!(device.engine.status().next_attempt_at.is_some());
}

/// The list of notes and one of them come to nothing, and everything else goes on.
#[tokio::test]
async fn a_list_and_a_record_that_come_to_nothing_are_two_troubles_of_their_own() {
    let device = Device::on(&without_a_list_of_notes()).await;
    device.server.script(|call| match call {
        Call::Pull { entity: "Note", .. } => Fault::RequestLost,
        Call::Write { key, .. } if key == "heavy" => Fault::RequestLost,
        _ => Fault::None,
    });
    device.engine.push(&note("heavy", "x", 0)).await.unwrap();
    let report = device.engine.full_sync().await.unwrap();
    assert_eq!(report.pulled, 1, "{report:?}");
    device.engine.push(&note("light", "x", 0)).await.unwrap();
    let report = device.engine.full_sync().await.unwrap();
    assert_eq!((report.pushed, report.remaining), (1, 1), "{report:?}");
    assert_eq!(device.engine.status().state, State::Error);
}
