//! Conflicts: decided with base, local and remote, and nothing is lost while that goes on.

use futures::StreamExt;
use futures::future::ready;
use sync::record::ParkReason;
use sync::testing::{Call, Fault, ScriptedRemote};
use sync::{Change, MemoryStorage, NotSynced, Resolution, RetryPolicy, SyncError, SyncEvent};
use sync_tests::app::Answer;
use sync_tests::entities::{Note, Task, note, task};

use crate::device::Device;

/// A device and its server, both of which changed task 1 since it was synced.
async fn in_conflict() -> Device {
    let device = Device::new().await;
    device.comes_into_conflict().await;
    device
}

#[tokio::test]
async fn the_handler_sees_base_local_and_remote() {
    let device = in_conflict().await;
    device.engine.flush().await.unwrap();
    let state = device.app.state();
    let [conflict] = &state.conflicts[..] else { panic!("one conflict") };
    assert_eq!(conflict.id, 1);
    let text = |side: &Option<Task>| side.as_ref().map(|task| task.text.clone()).unwrap();
    assert_eq!(
        [text(&conflict.base), text(&conflict.local), text(&conflict.remote)],
        ["base", "mine", "theirs"]
    );
}

#[tokio::test]
async fn take_remote_gives_the_edit_up_and_shows_the_servers_record() {
    let device = in_conflict().await;
    device.app.will(Answer::Decide(Resolution::TakeRemote));
    let receipt = device.engine.push(&task(1, None, "mine")).await.unwrap();
    let report = device.engine.flush().await.unwrap();
    assert_eq!((report.conflicts, report.pushed, report.remaining), (1, 0, 0));
    assert_eq!(device.app.state().tasks[&1].text, "theirs");
    assert!(matches!(receipt.synced().await, Err(NotSynced::Overruled { .. })));
}

#[tokio::test]
async fn keep_local_is_sent_over_the_servers_record_in_the_same_flush() {
    let device = in_conflict().await;
    device.app.will(Answer::Decide(Resolution::KeepLocal));
    let report = device.engine.flush().await.unwrap();
    assert_eq!((report.conflicts, report.pushed, report.remaining), (1, 1, 0));
    assert_eq!(device.server.records::<Task>()["1"].text, "mine");
    assert_eq!(
        last_write(&device.server),
        ("overwrite", Some("2".to_owned())),
        "on top of the server's version"
    );
}

#[tokio::test]
async fn a_merged_record_takes_the_place_of_both() {
    let device = in_conflict().await;
    device.app.will(Answer::Decide(Resolution::Merged(task(1, None, "both"))));
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.records::<Task>()["1"].text, "both");
    assert_eq!(device.app.state().tasks[&1].text, "both");
}

#[tokio::test]
async fn a_merged_record_that_the_server_has_already_needs_no_request() {
    let device = in_conflict().await;
    device.app.will(Answer::Decide(Resolution::Merged(task(1, None, "theirs"))));
    let receipt = device.engine.push(&task(1, None, "mine")).await.unwrap();
    let report = device.engine.flush().await.unwrap();
    assert_eq!((report.conflicts, report.pushed, report.remaining), (1, 0, 0));
    assert_eq!(device.app.state().tasks[&1].text, "theirs");
    receipt.synced().await.unwrap();
    assert_eq!(last_write(&device.server).0, "update", "which met the conflict");
}

#[tokio::test]
async fn delete_removes_the_record_on_both_sides() {
    let device = in_conflict().await;
    device.app.will(Answer::Decide(Resolution::Delete));
    device.engine.flush().await.unwrap();
    assert!(device.server.records::<Task>().is_empty());
    assert!(!device.app.state().tasks.contains_key(&1));
    assert_eq!(device.engine.queue_len(), 0);
}

#[tokio::test]
async fn an_edit_is_overruled_by_delete_and_a_deletion_is_not() {
    for edited in [true, false] {
        let device = in_conflict().await;
        device.app.will(Answer::Decide(Resolution::Delete));
        let receipt = if edited {
            device.engine.push(&task(1, None, "mine")).await.unwrap()
        } else {
            device.engine.delete::<Task>(&1).await.unwrap()
        };
        device.engine.flush().await.unwrap();
        assert!(device.server.records::<Task>().is_empty());
        let fate = receipt.synced().await;
        assert_eq!(matches!(fate, Err(NotSynced::Overruled { .. })), edited, "{fate:?}");
        assert_eq!(fate.is_ok(), !edited, "{fate:?}");
    }
}

#[tokio::test]
async fn a_deletion_is_overruled_by_a_record_whoever_has_it_already() {
    for merged in ["theirs", "both"] {
        let device = in_conflict().await;
        device.app.will(Answer::Decide(Resolution::Merged(task(1, None, merged))));
        let receipt = device.engine.delete::<Task>(&1).await.unwrap();
        device.engine.flush().await.unwrap();
        device.engine.flush().await.unwrap();
        assert_eq!(device.server.records::<Task>()["1"].text, merged);
        let fate = receipt.synced().await;
        assert!(matches!(fate, Err(NotSynced::Overruled { .. })), "{merged}: {fate:?}");
    }
}

#[tokio::test]
async fn a_deferred_conflict_waits_for_the_user_and_is_answered_later() {
    let device = in_conflict().await;
    device.app.will(Answer::Decide(Resolution::Defer));
    let report = device.engine.flush().await.unwrap();
    assert_eq!((report.parked, report.remaining), (1, 0));
    let device = device.restart().await;
    device.server.put(&task(1, None, "theirs again"));
    device.engine.pull().await.unwrap();
    let conflicts = device.engine.conflicts::<Task>().await.unwrap();
    let [waiting] = &conflicts[..] else { panic!("one conflict waits") };
    assert_eq!(waiting.conflict.local, Some(task(1, None, "mine")));
    assert_eq!(
        waiting.conflict.remote,
        Some(task(1, None, "theirs again")),
        "pulls keep the server's side fresh"
    );
    assert!(device.engine.parked::<Task>().await.unwrap().is_empty(), "a conflict is no refusal");
    device.engine.answer(waiting.operation, Resolution::Merged(task(1, None, "settled"))).await.unwrap();
    assert_eq!(device.app.state().tasks[&1].text, "settled");
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.records::<Task>()["1"].text, "settled");
    assert!(device.engine.conflicts::<Task>().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_conflict_that_is_deferred_is_announced_as_parked_wherever_it_was_met() {
    for in_a_pull in [false, true] {
        let device = in_conflict().await;
        device.app.will(Answer::Decide(Resolution::Defer));
        let events = device.engine.events();
        let report = if in_a_pull { device.engine.pull().await } else { device.engine.flush().await };
        assert_eq!(report.unwrap().parked, 1);
        let waiting = device.engine.conflicts::<Task>().await.unwrap().remove(0);
        drop(device);
        let parked = |event: SyncEvent| match event {
            SyncEvent::Parked { record, operation, refusal } => {
                Some((record.to_string(), operation, refusal))
            }
            _ => None,
        };
        let parked: Vec<_> = events.filter_map(|event| ready(parked(event))).collect().await;
        assert_eq!(parked, [("Task `1`".to_owned(), waiting.operation, None)], "in a pull: {in_a_pull}");
    }
}

#[tokio::test]
async fn an_answer_about_another_record_is_refused() {
    let device = in_conflict().await;
    device.app.will(Answer::Decide(Resolution::Defer));
    device.engine.flush().await.unwrap();
    let waiting = device.engine.conflicts::<Task>().await.unwrap().remove(0);
    let error =
        device.engine.answer(waiting.operation, Resolution::Merged(task(2, None, "x"))).await.unwrap_err();
    assert_eq!(error.to_string(), "the merged record has the id `2`, but the conflict is about Task `1`");
    assert_eq!(device.engine.conflicts::<Task>().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_handler_that_fails_or_panics_loses_nothing_and_is_reported() {
    let failures = [
        (Answer::Fail, "the conflict strategy of Task `1` failed: nobody knows"),
        (Answer::Panic, "the conflict strategy of Task `1` panicked: the handler has a bug"),
    ];
    for (answer, told) in failures {
        let device = in_conflict().await;
        device.app.will(answer);
        let report = device.engine.flush().await.unwrap();
        assert!(matches!(&*report.errors[0], SyncError::Handler(_)), "{:?}", report.errors);
        assert_eq!(report.errors[0].to_string(), told);
        assert_eq!(report.remaining, 1);
        device.app.will(Answer::Decide(Resolution::KeepLocal));
        device.wait_out();
        device.engine.flush().await.unwrap();
        assert_eq!(device.server.records::<Task>()["1"].text, "mine");
    }
}

#[tokio::test]
async fn a_strategy_that_merges_into_another_record_is_told_so() {
    let device = in_conflict().await;
    device.app.will(Answer::Decide(Resolution::Merged(task(9, None, "other"))));
    let report = device.engine.flush().await.unwrap();
    assert_eq!(
        report.errors[0].to_string(),
        "the strategy of Task merged the conflict of `1` into a record with the id `9`; keep the id"
    );
    assert_eq!(report.remaining, 1);
}

#[tokio::test]
async fn a_pull_never_overwrites_a_pending_edit() {
    let device = in_conflict().await;
    device.app.will(Answer::Decide(Resolution::KeepLocal));
    device.engine.pull().await.unwrap();
    assert_eq!(device.app.state().tasks[&1].text, "mine", "the handler is told how the record looks locally");
    assert_eq!(device.engine.queue_len(), 1);
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.records::<Task>()["1"].text, "mine");
    assert_eq!(device.app.state().conflicts.len(), 1, "what was decided in the pull is not asked again");
}

#[tokio::test]
async fn full_sync_sends_what_the_pull_decided_in_favour_of_the_device() {
    let device = Device::new().await;
    device.engine.push(&note("a", "base", 0)).await.unwrap();
    device.engine.full_sync().await.unwrap();
    device.server.put(&note("a", "theirs", 1));
    // Edited here while the page with theirs is on its way, so that no flush before the pull could send it.
    let engine = device.engine.clone();
    device.app.state().on_page = Some(Box::new(move || {
        let engine = engine.clone();
        Box::pin(async move { drop(engine.push(&note("a", "mine", 2)).await.unwrap()) })
    }));
    let report = device.engine.full_sync().await.unwrap();
    assert_eq!((report.conflicts, report.pushed, report.remaining), (1, 1, 0), "{report:?}");
    assert_eq!(device.server.records::<Note>()["a"].title, "mine");
    assert_eq!(device.app.state().notes["a"].title, "mine");
}

#[tokio::test]
async fn an_operation_of_unknown_outcome_is_sent_again_before_a_pull_decides_about_it() {
    let device = in_conflict().await;
    device.app.will(Answer::Decide(Resolution::KeepLocal));
    device.server.script(|call| match call {
        Call::Write { verb: "update", .. } => Fault::Transient(500),
        _ => Fault::None,
    });
    let report = device.engine.full_sync().await.unwrap();
    assert_eq!((report.conflicts, report.remaining), (0, 1));
    device.server.heal();
    device.wait_out();
    device.engine.full_sync().await.unwrap();
    assert_eq!(device.server.records::<Task>()["1"].text, "mine");
}

#[tokio::test]
async fn the_later_edit_wins_and_on_a_tie_the_server() {
    for (mine, winner) in [(4, "theirs"), (5, "theirs"), (6, "mine")] {
        let device = Device::new().await;
        device.engine.push(&note("a", "base", 0)).await.unwrap();
        device.engine.full_sync().await.unwrap();
        device.server.put(&note("a", "theirs", 5));
        device.engine.push(&note("a", "mine", mine)).await.unwrap();
        device.engine.full_sync().await.unwrap();
        assert_eq!(device.server.records::<Note>()["a"].title, winner, "edited at minute {mine}");
        assert_eq!(device.app.state().notes["a"].title, winner);
    }
}

#[tokio::test]
async fn an_update_of_a_record_that_is_gone_is_a_conflict_with_the_deletion() {
    let device = Device::new().await;
    device.engine.push(&note("a", "base", 0)).await.unwrap();
    device.engine.full_sync().await.unwrap();
    device.server.remove::<Note>(&"a".to_owned());
    device.engine.push(&note("a", "mine", 1)).await.unwrap();
    let report = device.engine.full_sync().await.unwrap();
    assert_eq!(report.conflicts, 1);
    assert_eq!(
        device.server.records::<Note>()["a"].title,
        "mine",
        "last write wins keeps the edit: it is made again"
    );
}

#[tokio::test]
async fn a_conflict_without_the_servers_record_is_looked_up() {
    let device = in_conflict().await;
    device.app.will(Answer::Decide(Resolution::KeepLocal));
    device.server.once(Fault::ConflictWithoutBody);
    device.engine.flush().await.unwrap();
    let fetched = device.server.calls().iter().filter(|call| matches!(call, Call::Fetch { .. })).count();
    assert_eq!(fetched, 1);
    assert_eq!(device.server.records::<Task>()["1"].text, "mine");
}

#[tokio::test]
async fn a_server_that_never_stops_to_conflict_is_asked_a_bounded_number_of_times() {
    let device = Device::new().await;
    device.engine.push(&note("a", "base", 0)).await.unwrap();
    device.engine.full_sync().await.unwrap();
    let server = device.server.clone();
    device.server.script(|call| match call {
        Call::Write { .. } => Fault::ConflictWithoutBody,
        _ => Fault::None,
    });
    server.put(&note("a", "theirs", 1));
    device.engine.push(&note("a", "mine", 9)).await.unwrap();
    let before = device.server.calls().len();
    let report = device.engine.flush().await.unwrap();
    let requests = device.server.calls().len() - before;
    assert!(requests <= 12, "{requests} requests");
    assert_eq!(report.remaining, 1, "nothing is lost, it waits");
    device.server.heal();
    device.wait_out();
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.records::<Note>()["a"].title, "mine");
}

#[tokio::test]
async fn a_conflict_without_anybody_elses_version_is_a_failure_and_nobody_is_asked_to_decide() {
    for known in [true, false] {
        let device = Device::new().await;
        if known {
            device.server.put(&task(1, None, "base"));
            device.engine.pull().await.unwrap();
        }
        let receipt = device.engine.push(&task(1, None, "a name that another task has")).await.unwrap();
        device.server.script(|call| match call {
            Call::Write { .. } => Fault::ConflictWithoutBody,
            _ => Fault::None,
        });
        let mut attempts = 0;
        while device.engine.queue_len() == 1 {
            let report = device.engine.flush().await.unwrap();
            let [error] = &report.errors[..] else { panic!("one error: {report:?}") };
            assert!(
                matches!(&**error, SyncError::NoConflict { operation, .. } if *operation == receipt.id()),
                "{error}"
            );
            let told = "Task `1`: the server did not take the edit because of a conflict";
            assert!(error.to_string().starts_with(told), "{error}");
            assert!(error.to_string().contains("no change of somebody else's is in the way"), "{error}");
            attempts += 1;
            device.wait_out();
        }
        let writes = device.server.calls().into_iter().filter(|call| matches!(call, Call::Write { .. }));
        assert_eq!(writes.count(), attempts, "one in each flush");
        assert!(device.app.state().conflicts.is_empty());
        let parked = device.engine.parked::<Task>().await.unwrap();
        assert_eq!(parked[0].record, Some(task(1, None, "a name that another task has")));
        assert!(matches!(&parked[0].reason, ParkReason::Exhausted { .. }), "{:?}", parked[0].reason);
        receipt.synced().await.unwrap_err();
        // Whoever has taken the other name out of the way sends it again.
        device.server.heal();
        device.engine.retry(parked[0].operation).await.unwrap();
        device.engine.flush().await.unwrap();
        assert_eq!(device.server.records::<Task>()["1"].text, "a name that another task has");
    }
}

#[tokio::test]
async fn an_edit_made_while_the_handler_of_a_pull_runs_is_shown_again() {
    let device = Device::new().await;
    device.server.put(&note("a", "theirs", 0));
    let engine = device.engine.clone();
    device.app.state().on_page = Some(Box::new(move || {
        let engine = engine.clone();
        Box::pin(async move {
            engine.push(&note("a", "mine", 5)).await.unwrap();
        })
    }));
    device.engine.pull().await.unwrap();
    assert_eq!(device.app.state().notes["a"].title, "mine");
    assert!(matches!(device.app.state().note_pages[1][0], Change::Rebased { .. }));
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.records::<Note>()["a"].title, "mine");
}

#[tokio::test]
async fn somebody_elses_version_that_crossed_an_unknown_outcome_is_not_missed() {
    let device = Device::new().await;
    device.engine.push(&task(1, None, "mine")).await.unwrap();
    device.server.once(Fault::AnswerLost);
    device.engine.flush().await.unwrap();
    device.server.put(&task(1, None, "theirs, after mine"));
    device.engine.pull().await.unwrap();
    device.wait_out();
    device.engine.flush().await.unwrap();
    assert_eq!(device.engine.queue_len(), 0);
    assert_eq!(device.app.state().tasks[&1].text, "theirs, after mine");
    assert!(device.app.state().conflicts.is_empty(), "the server had both, one after the other");
}

#[tokio::test]
async fn nor_is_it_when_the_question_after_that_is_refused() {
    for refusal in [Fault::Refused(403, "not one by one".to_owned()), Fault::WebPage(403)] {
        the_question_after_an_operation_is_refused(refusal).await;
    }
}

async fn the_question_after_an_operation_is_refused(refusal: Fault) {
    let device = Device::new().await;
    device.engine.push(&task(1, None, "mine")).await.unwrap();
    device.server.once(Fault::AnswerLost);
    device.engine.flush().await.unwrap();
    device.server.put(&task(1, None, "theirs, after mine"));
    device.engine.pull().await.unwrap();
    device.wait_out();
    device.server.script(move |call| match call {
        Call::Fetch { .. } => refusal.clone(),
        _ => Fault::None,
    });
    let report = device.engine.flush().await.unwrap();
    assert_eq!((report.pushed, report.errors.len()), (1, 1), "{report:?}");
    assert!(device.engine.pull().await.unwrap().is_clean(), "the server lists it");
    assert_eq!(device.app.state().tasks[&1].text, "theirs, after mine");
}

fn last_write(server: &ScriptedRemote) -> (&'static str, Option<String>) {
    server
        .calls()
        .into_iter()
        .rev()
        .find_map(|call| match call {
            Call::Write { verb, if_match, .. } => Some((verb, if_match.map(|version| version.to_string()))),
            _ => None,
        })
        .unwrap()
}

#[tokio::test]
async fn what_was_pulled_beside_a_parked_edit_is_not_overwritten_by_its_correction() {
    for server in [ScriptedRemote::new(), ScriptedRemote::without_versions()] {
        let device = Device::on(&server).await;
        device.engine.push(&task(1, None, "base")).await.unwrap();
        device.engine.full_sync().await.unwrap();
        device.engine.push(&task(1, None, "bad")).await.unwrap();
        server.once(Fault::Refused(422, "no".to_owned()));
        device.engine.flush().await.unwrap();
        server.put(&task(1, None, "theirs"));
        device.engine.pull().await.unwrap();
        device.engine.push(&task(1, None, "corrected")).await.unwrap();
        // Nothing comes of the first flush but a question, or a request, without an answer.
        server.once(Fault::RequestLost);
        device.engine.flush().await.unwrap();
        device.engine.flush().await.unwrap();
        let state = device.app.state();
        let [conflict] = &state.conflicts[..] else { panic!("one conflict: {:?}", state.conflicts) };
        assert_eq!(conflict.remote, Some(task(1, None, "theirs")));
        assert_eq!(conflict.local, Some(task(1, None, "corrected")));
    }
}

/// No version protects it, and the pull has moved the cursor past it.
#[tokio::test]
async fn what_was_pulled_beside_a_failed_attempt_is_not_overwritten_by_the_next() {
    for is_given_up in [false, true] {
        let server = ScriptedRemote::without_versions();
        let attempts = if is_given_up { 1 } else { 5 };
        let retry = RetryPolicy { max_attempts: attempts, ..RetryPolicy::default() };
        let device = Device::with(&server, MemoryStorage::new(), |builder| builder.retry(retry)).await;
        server.put(&task(1, None, "base"));
        device.engine.pull().await.unwrap();
        device.engine.push(&task(1, None, "mine")).await.unwrap();
        server.once(Fault::Transient(500));
        device.engine.flush().await.unwrap();
        server.put(&task(1, None, "theirs"));
        device.engine.pull().await.unwrap();
        device.wait_out();
        assert_eq!(device.engine.retry_all().await.unwrap(), u64::from(is_given_up));
        assert_eq!(device.engine.flush().await.unwrap().conflicts, 1);
        let conflict = device.app.state().conflicts[0].clone();
        assert_eq!(conflict.remote, Some(task(1, None, "theirs")));
        assert_eq!(conflict.local, Some(task(1, None, "mine")));
    }
}

/// As when somebody changes a record and changes it back, or a proxy sends an operation twice.
#[tokio::test]
async fn another_version_of_what_an_edit_was_made_on_is_no_conflict() {
    for pulls in [true, false] {
        let device = Device::new().await;
        device.engine.push(&task(1, None, "base")).await.unwrap();
        device.engine.full_sync().await.unwrap();
        device.server.put(&task(1, None, "theirs"));
        device.server.put(&task(1, None, "base"));
        device.engine.push(&task(1, None, "mine")).await.unwrap();
        if pulls {
            device.engine.pull().await.unwrap();
        }
        assert!(device.engine.flush().await.unwrap().is_clean());
        assert!(device.app.state().conflicts.is_empty());
        assert_eq!(device.server.records::<Task>()["1"].text, "mine");
    }
}
