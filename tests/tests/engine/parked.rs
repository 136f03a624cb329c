//! Refused operations: kept whole, looked at, decided about.

use std::pin::pin;

use futures::{join, poll};
use sync::remote::{Page, Position};
use sync::testing::{Call, Fault, Gate, ScriptedRemote};
use sync::{Error, MemoryStorage, NotSynced, Resolution, SyncError};
use sync_tests::app::Answer;
use sync_tests::entities::{Note, Task, note, task};
use tokio::sync::oneshot;
use tokio::task::yield_now;

use crate::device::Device;

#[tokio::test]
async fn what_is_parked_is_pending_and_in_no_queue() {
    let device = Device::with_refused_edit().await;
    let id = "a".to_owned();
    assert!(device.engine.is_pending::<Note>(&id).await.unwrap());
    assert_eq!((device.engine.queue_len(), device.engine.queue_len_of::<Note>()), (0, 0));
    assert_eq!(device.engine.status().parked, 1);
    device.discard().await;
    assert!(!device.engine.is_pending::<Note>(&id).await.unwrap());
}

#[tokio::test]
async fn a_refused_operation_is_parked_with_status_problem_and_payload() {
    let device = Device::with_refused_creation().await;
    let device = device.restart().await;
    assert_eq!((device.engine.queue_len(), device.engine.status().parked), (0, 1));
    let parked = device.engine.parked::<Note>().await.unwrap();
    assert_eq!(parked[0].id, "a");
    assert_eq!(parked[0].record, Some(note("a", "", 0)));
    let sync::record::ParkReason::Refused { refusal, .. } = &parked[0].reason else {
        panic!("it was refused")
    };
    assert_eq!(refusal.to_string(), "status 422: a note needs a title");
}

#[tokio::test]
async fn a_refusal_stands_in_the_report_and_the_receipt() {
    let device = Device::new().await;
    let receipt = device.engine.push(&note("a", "", 0)).await.unwrap();
    device.server.once(Fault::Refused(422, "a note needs a title".to_owned()));
    let report = device.engine.flush().await.unwrap();
    assert_eq!(report.parked, 1);
    assert!(matches!(&*report.errors[0], SyncError::Push { .. }));
    let error = receipt.synced().await.unwrap_err();
    assert!(matches!(error, NotSynced::Parked { .. }));
    assert!(error.to_string().starts_with("Note `a` is parked; look at it with `engine.parked()`"));
}

#[tokio::test]
async fn a_parked_operation_is_sent_again_only_when_the_user_says_so() {
    let device = Device::with_refused_creation().await;
    device.wait_out();
    device.engine.full_sync().await.unwrap();
    assert_eq!(device.server.records::<Note>().len(), 0);
    assert_eq!(device.engine.retry_all().await.unwrap(), 1);
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.records::<Note>().len(), 1);
}

/// Where no version keeps it from being overwritten.
#[tokio::test]
async fn what_was_pulled_meanwhile_is_not_overwritten_by_a_retry() {
    let device = Device::on(&ScriptedRemote::without_versions()).await;
    device.server.put(&note("a", "base", 0));
    device.engine.pull().await.unwrap();
    device.engine.push(&note("a", "", 1)).await.unwrap();
    device.server.once(Fault::Refused(422, "a note needs a title".to_owned()));
    device.engine.flush().await.unwrap();
    device.server.put(&note("a", "theirs", 5));
    device.engine.pull().await.unwrap();
    device.engine.retry_all().await.unwrap();
    assert_eq!(device.engine.flush().await.unwrap().conflicts, 1);
    assert_eq!(device.server.records::<Note>()["a"], note("a", "theirs", 5), "the later one wins");
}

/// A device that deletes a task of the server's.
async fn deleting() -> Device {
    let device = Device::new().await;
    device.server.put(&task(1, None, "base"));
    device.engine.pull().await.unwrap();
    device.engine.delete::<Task>(&1).await.unwrap();
    device
}

/// Somebody else deletes the task that the device edits.
async fn comes_back_by_a_decision_alone(device: Device) {
    device.server.remove::<Task>(&1);
    device.engine.push(&task(1, None, "mine")).await.unwrap();
    device.app.will(Answer::Decide(Resolution::TakeRemote));
    assert_eq!(device.engine.flush().await.unwrap().conflicts, 1);
    assert!(device.server.records::<Task>().is_empty(), "nobody has asked for it to come back");
}

/// What the server has refused, it has not done: that the record is gone is somebody else's doing then.
#[tokio::test]
async fn a_deletion_that_was_refused_is_not_what_somebody_else_deleted() {
    let device = deleting().await;
    device.server.once(Fault::Refused(403, "it is not yours".to_owned()));
    device.engine.flush().await.unwrap();
    comes_back_by_a_decision_alone(device).await;
}

/// Nor is what the user has left undecided.
#[tokio::test]
async fn a_deletion_that_was_deferred_is_not_what_somebody_else_deleted() {
    let device = deleting().await;
    device.server.put(&task(1, None, "theirs"));
    device.app.will(Answer::Decide(Resolution::Defer));
    device.engine.flush().await.unwrap();
    comes_back_by_a_decision_alone(device).await;
}

/// How often the server is asked for a note after edits of two were given up, of which the fault met the first.
async fn questions_after(fault: Fault) -> usize {
    let device = Device::with(&ScriptedRemote::without_versions(), MemoryStorage::new(), |builder| {
        builder.max_in_flight(1)
    })
    .await;
    for id in ["a", "b"] {
        device.server.put(&note(id, "base", 0));
    }
    device.engine.pull().await.unwrap();
    for id in ["a", "b"] {
        device.engine.push(&note(id, "mine", 1)).await.unwrap();
    }
    device.server.once(fault);
    device.engine.flush().await.unwrap();
    assert_eq!(device.engine.clear_queue().await.unwrap(), 2);
    assert_eq!(device.app.state().notes["a"].title, "base", "it is told at once what was there before");
    device.server.script(|call| match call {
        Call::Pull { .. } => Fault::Page(Box::new(Page { items: Vec::new(), position: Position::Beginning })),
        _ => Fault::None,
    });
    device.engine.pull_only::<Note>().await.unwrap();
    assert_eq!(device.app.state().notes["a"], device.server.records::<Note>()["a"]);
    device.server.calls().iter().filter(|call| matches!(call, Call::Fetch { .. })).count()
}

/// It may have got through, and no page tells.
#[tokio::test]
async fn what_is_given_up_without_an_answer_is_asked_for() {
    assert_eq!(questions_after(Fault::AnswerLost).await, 1);
}

#[tokio::test]
async fn what_is_given_up_and_did_not_get_through_is_not() {
    assert_eq!(questions_after(Fault::Unauthorized).await, 0);
    assert_eq!(questions_after(Fault::Throttled(None)).await, 0);
}

#[tokio::test]
async fn retry_all_leaves_conflicts_to_their_answers() {
    let device = Device::with_refused_creation().await;
    device.comes_into_conflict().await;
    device.app.will(Answer::Decide(Resolution::Defer));
    device.engine.flush().await.unwrap();
    assert_eq!(device.engine.status().parked, 2);
    assert_eq!(device.engine.retry_all().await.unwrap(), 1);
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.records::<Note>().len(), 1);
    assert_eq!(device.engine.conflicts::<Task>().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_corrected_record_takes_the_place_of_the_parked_one() {
    let device = Device::with_refused_creation().await;
    device.engine.push(&note("a", "a title", 1)).await.unwrap();
    assert_eq!(device.engine.status().parked, 0);
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.records::<Note>()["a"].title, "a title");
}

#[tokio::test]
async fn a_discarded_operation_is_gone_and_the_app_shows_what_the_server_has() {
    let device = Device::new().await;
    device.server.put(&note("a", "theirs", 0));
    device.engine.pull().await.unwrap();
    device.engine.push(&note("a", "", 1)).await.unwrap();
    device.server.once(Fault::Refused(422, "no".to_owned()));
    device.engine.flush().await.unwrap();
    device.server.put(&note("a", "theirs, newer", 2));
    device.engine.pull().await.unwrap();
    assert_eq!(device.app.state().notes["a"].title, "", "a parked edit is still the local state");
    let parked = device.engine.parked::<Note>().await.unwrap();
    device.engine.discard(parked[0].operation).await.unwrap();
    assert_eq!(device.app.state().notes["a"].title, "theirs, newer");
    assert_eq!(device.engine.status().parked, 0);
}

#[tokio::test]
async fn clear_queue_leaves_the_edits_that_are_made_while_it_works() {
    let device = Device::new().await;
    for text in ["base", "given up"] {
        for id in [1, 2] {
            device.engine.push(&task(id, None, text)).await.unwrap();
        }
        if text == "base" {
            device.engine.full_sync().await.unwrap();
        }
    }
    // The app is told what the server has of the first. By then the second is edited again, and there is another.
    let engine = device.engine.clone();
    device.app.state().after_tasks = Some(Box::new(move || {
        let engine = engine.clone();
        Box::pin(async move {
            drop(engine.push_all(&[task(2, None, "newer"), task(3, None, "new")]).await.unwrap());
        })
    }));
    assert_eq!(device.engine.clear_queue().await.unwrap(), 1);
    assert_eq!(device.engine.queue_len(), 2);
    device.engine.flush().await.unwrap();
    let texts: Vec<_> = device.server.records::<Task>().into_values().map(|task| task.text).collect();
    assert_eq!(texts, ["base", "newer", "new"]);
}

#[tokio::test]
async fn clear_queue_gives_up_an_edit_whose_conflict_is_decided_meanwhile() {
    let device = Device::new().await;
    for text in ["base", "mine"] {
        for id in [1, 2] {
            device.engine.push(&task(id, None, text)).await.unwrap();
        }
        if text == "base" {
            device.engine.full_sync().await.unwrap();
        }
    }
    device.server.put(&task(2, None, "theirs"));
    device.app.will(Answer::Decide(Resolution::KeepLocal));
    let gate = Gate::new();
    let answer = gate.clone();
    device.server.script(move |call| match call {
        Call::Write { key, .. } if key == "1" => Fault::Transient(500),
        Call::Write { key, .. } if key == "2" => Fault::Hold(answer.clone()),
        _ => Fault::None,
    });
    let engine = device.engine.clone();
    let flush = tokio::spawn(async move { engine.flush().await.unwrap() });
    gate.reached(1).await;
    // The app is told of the first; by then the conflict about the second is known, and waits for its turn to be decided.
    let conflict = gate.clone();
    device.app.state().after_tasks = Some(Box::new(move || {
        let conflict = conflict.clone();
        Box::pin(async move {
            conflict.open();
            for _ in 0..100 {
                yield_now().await;
            }
        })
    }));
    assert_eq!(device.engine.clear_queue().await.unwrap(), 2);
    flush.await.unwrap();
    assert_eq!(device.app.state().conflicts.len(), 1, "it was decided");
    assert_eq!(device.engine.queue_len(), 0);
}

#[tokio::test]
async fn deciding_about_an_operation_that_is_not_parked_is_an_error() {
    let device = Device::with_refused_creation().await;
    let parked = device.engine.parked::<Note>().await.unwrap();
    device.engine.discard(parked[0].operation).await.unwrap();
    for error in [
        device.engine.discard(parked[0].operation).await.unwrap_err(),
        device.engine.retry(parked[0].operation).await.unwrap_err(),
    ] {
        assert!(matches!(error, Error::NotParked(_)), "{error}");
    }
}

#[tokio::test]
async fn a_newer_edit_of_a_refused_operation_is_sent_in_its_place() {
    let device = Device::new().await;
    device.engine.push(&task(1, None, "bad")).await.unwrap();
    device.server.once(Fault::Transient(500));
    device.engine.flush().await.unwrap();
    device.engine.push(&task(1, None, "good")).await.unwrap();
    device.wait_out();
    device.server.once(Fault::Refused(422, "no".to_owned()));
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.records::<Task>()["1"].text, "good");
    assert_eq!(device.engine.status().parked, 0);
}

#[tokio::test]
async fn a_discard_that_a_newer_edit_overtakes_says_that_there_is_nothing_to_discard() {
    let device = Device::with_refused_edit().await;
    let operation = device.engine.parked::<Note>().await.unwrap()[0].operation;
    // The application is busy with something else, so the discard has to wait before it can be told.
    let (go_on, busy) = oneshot::channel::<()>();
    let mut busy = Some(busy);
    device.app.state().after_tasks = Some(Box::new(move || {
        let busy = busy.take();
        Box::pin(async move { drop(busy.unwrap().await) })
    }));
    device.server.put(&task(1, None, "new"));
    let mut pulling = pin!(device.engine.pull());
    while device.app.state().after_tasks.is_some() {
        assert!(poll!(&mut pulling).is_pending());
        yield_now().await;
    }
    let mut discarding = pin!(device.engine.discard(operation));
    for _ in 0..10 {
        assert!(poll!(&mut discarding).is_pending());
        yield_now().await;
    }
    device.engine.push(&note("a", "mine, corrected", 2)).await.unwrap();
    go_on.send(()).unwrap();
    let (pulled, discarded) = join!(pulling, discarding);
    pulled.unwrap();
    assert!(matches!(discarded, Err(Error::NotParked(of)) if of == operation), "{discarded:?}");
    assert_eq!(device.engine.queue_len(), 1, "the correction is not given up");
}
