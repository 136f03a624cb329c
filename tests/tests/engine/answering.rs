//! The user answers a conflict: the one that was looked at, and no other.

use sync::{Deferred, Error, Resolution};
use sync_tests::app::Answer;
use sync_tests::entities::{Task, task};

use crate::device::Device;

/// A device and the conflict about task 1, between "mine" and "theirs", that its user looks at.
async fn looking_at_a_conflict() -> (Device, Deferred<Task>) {
    let device = Device::new().await;
    device.comes_into_conflict().await;
    device.app.will(Answer::Decide(Resolution::Defer));
    device.engine.flush().await.unwrap();
    let seen = waiting(&device).await;
    assert_eq!(seen.conflict.remote, Some(task(1, None, "theirs")));
    (device, seen)
}

/// The one conflict that waits.
async fn waiting(device: &Device) -> Deferred<Task> {
    let conflicts = device.engine.conflicts::<Task>().await.unwrap();
    let [conflict] = &conflicts[..] else { panic!("one conflict waits: {conflicts:?}") };
    conflict.clone()
}

/// Nobody has seen what would be written over.
async fn assert_answers_come_too_late(device: &Device, seen: &Deferred<Task>) {
    let late =
        [Resolution::Merged(task(1, None, "theirs / mine")), Resolution::KeepLocal, Resolution::Delete];
    for resolution in late {
        let error = device.engine.answer(seen.operation, resolution).await.unwrap_err();
        assert!(matches!(error, Error::NotParked(operation) if operation == seen.operation), "{error}");
        assert!(error.to_string().contains("the server's side of a conflict has changed"), "{error}");
    }
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.records::<Task>()["1"].text, "theirs again");
}

#[tokio::test]
async fn an_answer_to_a_conflict_whose_other_side_has_changed_since_it_was_looked_at_is_refused() {
    let (device, seen) = looking_at_a_conflict().await;
    device.server.put(&task(1, None, "theirs again"));
    device.engine.pull().await.unwrap();
    assert_answers_come_too_late(&device, &seen).await;

    let seen = waiting(&device).await;
    assert_eq!(seen.conflict.remote, Some(task(1, None, "theirs again")));
    let all = Resolution::Merged(task(1, None, "theirs again / mine"));
    device.engine.answer(seen.operation, all).await.unwrap();
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.records::<Task>()["1"].text, "theirs again / mine");
}

#[tokio::test]
async fn so_is_one_to_a_conflict_that_was_deferred_anew_after_a_retry() {
    let (device, seen) = looking_at_a_conflict().await;
    device.server.put(&task(1, None, "theirs again"));
    device.engine.retry(seen.operation).await.unwrap();
    device.app.will(Answer::Decide(Resolution::Defer));
    device.engine.flush().await.unwrap();
    assert_eq!(waiting(&device).await.conflict.remote, Some(task(1, None, "theirs again")));
    assert_answers_come_too_late(&device, &seen).await;
}

/// As when a list tells of a conflict after the answer did, or somebody changes something and changes it back.
#[tokio::test]
async fn an_answer_holds_while_the_server_shows_the_same_again() {
    for written_again in [false, true] {
        let (device, seen) = looking_at_a_conflict().await;
        if written_again {
            device.server.put(&task(1, None, "theirs"));
        }
        assert_eq!(device.engine.pull().await.unwrap().pulled, 1, "it is shown");
        assert_eq!(waiting(&device).await, seen);
        device.engine.answer(seen.operation, Resolution::<Task>::KeepLocal).await.unwrap();
        device.engine.flush().await.unwrap();
        assert_eq!(device.server.records::<Task>()["1"].text, "mine");
    }
}
