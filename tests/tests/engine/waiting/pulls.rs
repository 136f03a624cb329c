//! Pages, single records and lists.

use chrono::TimeDelta;
use futures::FutureExt;
use serde::{Deserialize, Serialize};
use sync::testing::{Call, Fault, Gate, ManualClock, ScriptedRemote};
use sync::{Engine, MemoryStorage, Schema, State, SyncError, Syncable};
use sync_tests::app::Mood;
use sync_tests::entities::{Note, note, task};

use super::{MINUTE, says_only_that_it_waits};
use crate::device::Device;

#[tokio::test]
async fn a_sync_that_a_success_stopped_says_that_nothing_was_pulled() {
    let device = Device::new().await;
    device.engine.push(&note("a", "mine", 0)).await.unwrap();
    device.server.put(&note("b", "theirs", 0));
    device.server.once(Fault::ThenWait(MINUTE));
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
    device.server.script(|_| Fault::ThenWait(MINUTE));
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
    device.server.once(Fault::ThenWait(MINUTE));
    let report = device.engine.pull().await.unwrap();
    assert!(matches!(&*report.errors[0], SyncError::Handler(_)), "{report:?}");
    assert_eq!(device.server.calls().len(), 1, "the tasks wait");
    assert_eq!(device.engine.status().state, State::Paused);
}

#[tokio::test]
async fn a_pull_goes_on_when_what_a_page_asked_for_is_over_by_the_time_that_the_page_is_written() {
    let device =
        Device::with(&ScriptedRemote::new(), MemoryStorage::new(), |builder| builder.page_size(1)).await;
    device.server.put(&note("a", "theirs", 0));
    device.server.put(&note("b", "theirs", 1));
    device.server.once(Fault::ThenWait(MINUTE));
    let clock = device.clock.clone();
    device.app.state().on_page = Some(Box::new(move || {
        clock.advance(TimeDelta::seconds(61));
        futures::future::ready(()).boxed()
    }));
    assert!(device.engine.pull().await.unwrap().is_clean());
    assert_eq!(device.app.state().notes.len(), 2);
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
    device.server.once(Fault::ThenWait(MINUTE));
    let report = device.engine.pull().await.unwrap();
    assert!(says_only_that_it_waits(&report), "{report:?}");
    assert_eq!(device.server.calls().len(), before + 1);
    assert_eq!(device.app.state().notes["a"].title, "theirs");
    device.clock.advance(TimeDelta::seconds(61));
    assert!(device.engine.pull().await.unwrap().is_clean());
    assert_eq!(device.app.state().notes["b"].title, "theirs");
}

/// A device whose application fails on a page, while the next one is refused for now.
async fn refused_ahead() -> Device {
    let device =
        Device::with(&ScriptedRemote::new(), MemoryStorage::new(), |builder| builder.page_size(1)).await;
    device.server.put(&note("a", "theirs", 0));
    device.server.put(&note("b", "theirs", 1));
    device.app.state().moods.push_back(Mood::Fail);
    device.server.once(Fault::None);
    device.server.once(Fault::Throttled(Some(MINUTE)));
    device
}

#[tokio::test]
async fn a_page_that_was_fetched_ahead_is_obeyed_although_the_one_before_failed() {
    let device = refused_ahead().await;
    let report = device.engine.pull_only::<Note>().await.unwrap();
    assert!(matches!(&*report.errors[0], SyncError::Handler(_)), "{report:?}");
    assert_eq!(device.server.calls().len(), 2);
    let report = device.engine.pull_only::<Note>().await.unwrap();
    assert!(says_only_that_it_waits(&report), "{report:?}");
    assert_eq!(device.server.calls().len(), 2);
}

#[tokio::test]
async fn other_entities_wait_for_what_was_asked_with_a_page_that_was_fetched_ahead() {
    let device = refused_ahead().await;
    let report = device.engine.pull().await.unwrap();
    let calls = device.server.calls();
    assert_eq!(calls.len(), 2, "{calls:?} {report:?}");
    assert_eq!(device.engine.status().state, State::Paused);
}

/// A card, of which a part is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/cards", conflict = ServerWins, replica)]
struct Card {
    id: String,
    #[sync(index)]
    column: String,
}

#[derive(Schema)]
#[sync(entities(Card))]
struct Board;

#[tokio::test]
async fn a_list_does_not_begin_anew_while_the_server_is_to_be_left_alone() {
    let server = ScriptedRemote::new();
    for (id, column) in [("a", "todo"), ("b", "todo"), ("c", "done")] {
        server.put(&Card { id: id.into(), column: column.into() });
    }
    let engine = Engine::builder(Board, server.clone(), MemoryStorage::new())
        .clock(ManualClock::default())
        .seed(7)
        .page_size(1)
        .build()
        .await
        .unwrap();
    let gate = Gate::new();
    server.once(Fault::Hold(gate.clone()));
    server.once(Fault::Throttled(Some(MINUTE)));
    let pull = tokio::spawn({
        let engine = engine.clone();
        async move { engine.pull().await }
    });
    gate.reached(1).await;
    engine.set_scope([Card::COLUMN.eq("todo")]).await.unwrap();
    gate.open();
    let report = pull.await.unwrap().unwrap();
    let calls = server.calls();
    assert_eq!(calls.len(), 2, "{calls:?} {report:?}");
}

#[tokio::test]
async fn what_a_list_lacks_is_not_asked_for_while_the_server_is_to_be_left_alone() {
    let device = Device::new().await;
    device.server.put(&note("a", "theirs", 0));
    device.server.put(&note("b", "theirs", 0));
    device.engine.pull().await.unwrap();
    device.server.forget::<Note>(&"a".to_owned());
    device.server.script(|call| match call {
        Call::Pull { .. } => Fault::ThenWait(MINUTE),
        _ => Fault::None,
    });
    let report = device.engine.resync::<Note>().await.unwrap();
    let calls = device.server.calls();
    let fetched = calls.iter().any(|call| matches!(call, Call::Fetch { .. }));
    assert!(!fetched, "{calls:?} {report:?}");
}
