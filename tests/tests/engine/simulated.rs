//! What the simulator found, each as a small story.

use sync::remote::{Page, PageItem, Position};
use sync::storage::Cursor;
use sync::testing::{Call, Fault, Gate, ScriptedRemote};
use sync::{Error, MemoryStorage, Resolution, SqliteStorage};
use sync_tests::app::{Answer, App};
use sync_tests::device::Folder;
use sync_tests::entities::{Note, Task, note, task};

use crate::device::Device;

fn fetches(device: &Device) -> usize {
    device.server.calls().iter().filter(|call| matches!(call, Call::Fetch { .. })).count()
}

#[tokio::test]
async fn a_discarded_edit_gives_way_to_what_the_server_has_also_when_that_was_not_kept() {
    let device = Device::with_refused_edit().await;
    device.discard().await;
    device.engine.pull().await.unwrap();
    assert_eq!(device.app.state().notes["a"].title, "theirs");
    device.engine.pull().await.unwrap();
    assert_eq!(fetches(&device), 1, "it is asked for once");
}

#[tokio::test]
async fn what_is_to_be_asked_for_is_remembered_by_the_next_engine() {
    let device = Device::with_refused_edit().await;
    device.discard().await;
    device.server.once(Fault::RequestLost);
    device.engine.pull().await.unwrap();
    let device = device.restart().await;
    device.engine.pull().await.unwrap();
    assert_eq!(device.app.state().notes["a"].title, "theirs");
}

/// A device that shows its own edit of each of the server's 150 notes.
async fn edited_everywhere() -> Device {
    let device = Device::new().await;
    let notes = |title: &str| (0..150).map(|n| note(&n.to_string(), title, 0)).collect::<Vec<_>>();
    for note in notes("theirs") {
        device.server.put(&note);
    }
    device.engine.pull().await.unwrap();
    for note in notes("mine") {
        device.app.state().notes.insert(note.id.clone(), note);
    }
    device.engine.push_all(&notes("mine")).await.unwrap();
    device
}

#[tokio::test]
async fn many_discards_lead_to_one_pull_of_everything_rather_than_to_many_questions() {
    let device = edited_everywhere().await;
    device.engine.clear_queue().await.unwrap();
    device.engine.pull().await.unwrap();
    assert!(device.app.state().notes.values().all(|note| note.title == "theirs"));
    assert!(fetches(&device) <= 100, "{} questions", fetches(&device));
}

/// Expected: the pull that is under way then does not take the way back to the beginning with its cursor.
#[tokio::test]
async fn many_discards_during_a_pull_are_all_shown() {
    let device = edited_everywhere().await;
    let gate = Gate::new();
    device.server.once(Fault::Hold(gate.clone()));
    let pull = tokio::spawn({
        let engine = device.engine.clone();
        async move { engine.pull_only::<Note>().await.unwrap() }
    });
    gate.reached(1).await;
    device.engine.clear_queue().await.unwrap();
    gate.open();
    pull.await.unwrap();
    device.engine.pull().await.unwrap();
    assert!(device.app.state().notes.values().all(|note| note.title == "theirs"));
}

#[tokio::test]
async fn what_was_pulled_while_an_edit_was_parked_is_not_forgotten_when_that_is_corrected() {
    let device = Device::new().await;
    device.engine.push(&note("a", "mine", 0)).await.unwrap();
    device.server.once(Fault::Refused(422, "no".to_owned()));
    device.engine.flush().await.unwrap();
    device.server.put(&note("a", "theirs", 1));
    device.engine.pull().await.unwrap();
    device.engine.push_as(&note("a", "corrected", 2), sync::Operation::Update).await.unwrap();
    // Nor can the record be read by itself: the correction is sent all the same.
    device.server.script(|_| Fault::Refused(422, "no".to_owned()));
    device.engine.flush().await.unwrap();
    device.server.heal();
    device.discard().await;
    device.engine.pull().await.unwrap();
    assert_eq!(device.app.state().notes["a"].title, "theirs");
}

#[tokio::test]
async fn a_receipt_is_not_told_of_a_deletion_whose_transaction_was_given_up() {
    let folder = Folder::new();
    let storage = SqliteStorage::open(folder.file("app.db")).unwrap();
    let server = ScriptedRemote::new();
    let engine = sync::Engine::builder(App::default(), server, storage.clone()).build().await.unwrap();
    let receipt = engine.push(&note("a", "x", 0)).await.unwrap();
    let given_up = storage.transaction(&engine, |tx| {
        tx.delete::<Note>(&"a".to_owned())?;
        Err::<(), Error>(Error::ShutDown)
    });
    given_up.await.unwrap_err();
    engine.flush().await.unwrap();
    receipt.synced().await.unwrap();
}

#[tokio::test]
async fn what_the_user_gave_up_is_not_sent_any_more() {
    let device =
        Device::with(&ScriptedRemote::new(), MemoryStorage::new(), |builder| builder.max_in_flight(1)).await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.engine.push(&note("b", "x", 0)).await.unwrap();
    let gate = Gate::new();
    device.server.once(Fault::Hold(gate.clone()));
    let flush = tokio::spawn({
        let engine = device.engine.clone();
        async move { engine.flush().await }
    });
    gate.reached(1).await;
    device.engine.clear_queue().await.unwrap();
    gate.open();
    flush.await.unwrap().unwrap();
    let sent: Vec<_> = device.server.writes().into_iter().map(|write| write.key).collect();
    assert_eq!(sent, ["a"], "`b` waited for its turn when it was given up");
}

#[tokio::test]
async fn a_tombstone_that_is_pulled_while_a_creation_is_under_way_is_not_missed() {
    let device = Device::new().await;
    device.engine.push(&note("a", "mine", 0)).await.unwrap();
    device.app.state().notes.insert("a".to_owned(), note("a", "mine", 0));
    device.server.once(Fault::AnswerLost);
    device.engine.flush().await.unwrap();
    assert_a_deletion_by_somebody_else_is_shown(&device).await;
}

/// Somebody else deletes the note of which the last attempt has no answer.
async fn assert_a_deletion_by_somebody_else_is_shown(device: &Device) {
    device.server.remove::<Note>(&"a".to_owned());
    device.engine.pull().await.unwrap();
    device.wait_out();
    device.engine.full_sync().await.unwrap();
    assert!(device.server.records::<Note>().is_empty());
    assert!(device.app.state().notes.is_empty(), "the app still shows what is gone");
}

#[tokio::test]
async fn a_parked_creation_holds_nobody_back_once_the_record_was_seen_on_the_server() {
    let device = Device::new().await;
    device.engine.push(&note("a", "mine", 0)).await.unwrap();
    device.engine.push(&task(1, Some("a"), "x")).await.unwrap();
    device.server.once(Fault::Refused(422, "no".to_owned()));
    device.engine.flush().await.unwrap();
    assert!(device.server.records::<Task>().is_empty());
    device.server.put(&note("a", "theirs", 1));
    device.engine.full_sync().await.unwrap();
    assert_eq!(device.server.records::<Task>().len(), 1);
}

#[tokio::test]
async fn a_cursor_that_the_server_forgot_is_dropped_and_everything_is_pulled_anew() {
    let device = Device::new().await;
    device.server.put(&note("a", "theirs", 0));
    device.server.put(&note("b", "theirs", 0));
    device.engine.pull().await.unwrap();
    device.engine.push(&note("a", "mine", 1)).await.unwrap();
    device.app.state().notes.clear();
    device.server.once(Fault::CursorGone);
    let report = device.engine.pull_only::<Note>().await.unwrap();
    assert!(report.errors.is_empty(), "{report:?}");
    assert_eq!(device.app.state().notes["a"].title, "mine", "a pending edit stays on top");
    assert_eq!(device.app.state().notes["b"].title, "theirs");
    assert_eq!(device.engine.queue_len(), 1);
}

/// Expected: what was deleted before the cursor was forgotten, and is no longer told of, is found by asking for it.
#[tokio::test]
async fn what_is_missing_after_the_server_forgot_the_cursor_is_asked_for() {
    let device = Device::new().await;
    device.server.put(&note("a", "theirs", 0));
    device.server.put(&note("b", "theirs", 0));
    device.engine.pull().await.unwrap();
    device.server.forget::<Note>(&"a".to_owned());
    device.server.once(Fault::CursorGone);
    let report = device.engine.pull_only::<Note>().await.unwrap();
    assert!(report.errors.is_empty(), "{report:?}");
    assert_eq!(device.app.state().notes.keys().collect::<Vec<_>>(), ["b"]);
}

/// Expected: pages are lost, and the next pull goes on behind those that came.
#[tokio::test]
async fn what_is_listed_anew_comes_to_its_end_though_each_pull_is_cut_short() {
    let device =
        Device::with(&ScriptedRemote::new(), MemoryStorage::new(), |builder| builder.page_size(1)).await;
    for id in ["a", "b", "c", "d", "e"] {
        device.server.put(&note(id, "theirs", 0));
    }
    device.engine.pull().await.unwrap();
    device.server.put(&note("f", "new", 0));
    let mut count = 0;
    device.server.script(move |call| {
        count += u32::from(matches!(call, Call::Pull { .. }));
        match count {
            1 => Fault::CursorGone,
            _ if count % 3 == 0 => Fault::RequestLost,
            _ => Fault::None,
        }
    });
    for _ in 0..6 {
        device.wait_out();
        device.engine.pull_only::<Note>().await.unwrap();
    }
    assert_eq!(device.app.state().notes.get("f").map(|note| &*note.title), Some("new"));
    // And once it is not cut short, everything is listed.
    device.server.heal();
    device.server.forget::<Note>(&"a".to_owned());
    for _ in 0..2 {
        device.engine.pull_only::<Note>().await.unwrap();
    }
    assert!(!device.app.state().notes.contains_key("a"));
}

#[tokio::test]
async fn a_server_that_forgets_every_cursor_is_not_asked_for_ever() {
    let device =
        Device::with(&ScriptedRemote::new(), MemoryStorage::new(), |builder| builder.page_size(1)).await;
    for id in ["a", "b", "c"] {
        device.server.put(&note(id, "theirs", 0));
    }
    device.server.script(|call| match call {
        Call::Pull { since: Some(_), .. } => Fault::CursorGone,
        _ => Fault::None,
    });
    let report = device.engine.pull_only::<Note>().await.unwrap();
    assert!(!report.errors.is_empty());
    assert!(device.server.calls().len() <= 5, "{:?}", device.server.calls());
}

#[tokio::test]
async fn what_the_server_took_is_not_parked_because_a_question_about_it_fails() {
    let device = Device::new().await;
    device.engine.push(&note("a", "mine", 0)).await.unwrap();
    device.server.once(Fault::AnswerLost);
    device.engine.flush().await.unwrap();
    device.server.put(&note("a", "theirs", 1));
    device.engine.pull().await.unwrap();
    device.server.script(|call| match call {
        Call::Fetch { .. } => Fault::Transient(425),
        _ => Fault::None,
    });
    for _ in 0..20 {
        device.wait_out();
        device.engine.flush().await.unwrap();
    }
    assert!(fetches(&device) >= 20, "it is asked for, and no answer comes");
    assert_eq!(device.engine.parked::<Note>().await.unwrap().len(), 0);
    device.server.heal();
    device.wait_out();
    device.engine.full_sync().await.unwrap();
    assert_eq!(device.engine.queue_len(), 0);
    assert_eq!(device.app.state().notes["a"].title, "theirs");
}

/// A server without versions whose feed tells each change of a record in turn.
#[tokio::test]
async fn an_older_state_in_a_feed_of_changes_is_no_conflict_with_what_was_built_on_a_newer_one() {
    let device = Device::on(&ScriptedRemote::without_versions()).await;
    device.server.put(&task(1, None, "theirs"));
    device.engine.pull().await.unwrap();
    device.engine.push(&task(1, None, "mine")).await.unwrap();
    device.server.put(&task(1, None, "theirs, and never seen here"));
    device.engine.flush().await.unwrap();
    device.engine.push(&task(1, None, "mine again")).await.unwrap();
    let body = |text: &str| serde_json::to_vec(&task(1, None, text)).unwrap().into();
    let item = |text: &str| PageItem::Record { version: None, body: body(text) };
    let position = Position::Cursor { cursor: Cursor::new("3"), has_more: false };
    let items = vec![item("theirs, and never seen here"), item("mine")];
    device.server.once(Fault::Page(Box::new(Page { items, position })));
    device.engine.pull_only::<Task>().await.unwrap();
    assert_eq!(device.app.state().conflicts.len(), 0);
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.records::<Task>()["1"].text, "mine again");
}

#[tokio::test]
async fn what_an_operation_without_an_answer_has_left_is_shown_once_the_later_one_is_given_up() {
    let device = Device::new().await;
    device.engine.push(&note("a", "first", 0)).await.unwrap();
    device.server.once(Fault::AnswerLost);
    device.engine.flush().await.unwrap();
    device.engine.push(&note("a", "second", 1)).await.unwrap();
    device.server.once(Fault::Refused(422, "a proxy says no".to_owned()));
    device.server.once(Fault::Transient(500));
    device.wait_out();
    device.engine.flush().await.unwrap();
    // The first one is there, and no page will tell of it again.
    device.engine.pull().await.unwrap();
    device.server.once(Fault::Refused(422, "no".to_owned()));
    device.wait_out();
    device.engine.flush().await.unwrap();
    device.discard().await;
    device.engine.pull().await.unwrap();
    assert_eq!(device.server.records::<Note>()["a"].title, "first");
    assert_eq!(device.app.state().notes["a"].title, "first");
}

/// What became of the edit that waits is never known, and the note that is saved on top of it is there without a word of it.
async fn saved_on_top_without_an_answer(device: &Device, title: &'static str) {
    device.server.once(Fault::Transient(425));
    device.engine.flush().await.unwrap();
    device.engine.push(&note("a", title, 1)).await.unwrap();
    device.app.state().notes.insert("a".to_owned(), note("a", title, 1));
    device.server.once(Fault::Refused(422, "a proxy says no".to_owned()));
    device.server.once(Fault::AnswerLost);
    device.wait_out();
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.records::<Note>()["a"].title, title);
}

#[tokio::test]
async fn somebody_elses_deletion_is_not_taken_for_an_earlier_one_of_this_device() {
    let device = Device::new().await;
    device.engine.push(&note("a", "first", 0)).await.unwrap();
    device.engine.flush().await.unwrap();
    device.engine.delete::<Note>(&"a".to_owned()).await.unwrap();
    saved_on_top_without_an_answer(&device, "again").await;
    assert_a_deletion_by_somebody_else_is_shown(&device).await;
}

#[tokio::test]
async fn somebody_elses_edit_is_not_taken_for_an_earlier_one_of_this_device_that_says_the_same() {
    let device = Device::new().await;
    device.engine.push(&note("a", "on", 0)).await.unwrap();
    saved_on_top_without_an_answer(&device, "off").await;
    device.server.put(&note("a", "on", 2));
    device.engine.pull().await.unwrap();
    device.wait_out();
    device.engine.full_sync().await.unwrap();
    assert_eq!(device.server.records::<Note>()["a"].title, "on");
    assert_eq!(device.app.state().notes["a"].title, "on");
}

/// A device on a server that has a task of somebody else's, and a user who saves and deletes that task in the moment in
/// which it appears: the application shows it already, and the engine has not written that yet.
async fn deleted_as_soon_as_it_appears(saves: &[&'static str]) -> Device {
    let device = Device::new().await;
    device.server.put(&task(1, None, "theirs"));
    let (engine, app, saves) = (device.engine.clone(), device.app.clone(), saves.to_vec());
    device.app.state().after_tasks = Some(Box::new(move || {
        let (engine, app, saves) = (engine.clone(), app.clone(), saves.clone());
        Box::pin(async move {
            for text in saves {
                engine.push(&task(1, None, text)).await.unwrap();
            }
            engine.delete::<Task>(&1).await.unwrap();
            app.state().tasks.remove(&1);
        })
    }));
    device
}

fn answers(device: &Device, resolutions: impl IntoIterator<Item = Resolution<Task>>) {
    for resolution in resolutions {
        device.app.will(Answer::Decide(resolution));
    }
}

fn assert_gone_everywhere(device: &Device) {
    assert!(device.app.state().tasks.is_empty(), "the app shows {:?}", device.app.state().tasks);
    let there = device.server.records::<Task>();
    assert!(there.is_empty(), "the server has {there:?}");
    assert_eq!(device.engine.queue_len(), 0);
}

#[tokio::test]
async fn a_record_that_is_edited_and_deleted_while_its_page_is_handed_over_is_deleted() {
    let device = deleted_as_soon_as_it_appears(&["mine"]).await;
    answers(&device, [Resolution::KeepLocal]);
    device.engine.pull().await.unwrap();
    device.engine.full_sync().await.unwrap();
    assert_gone_everywhere(&device);
}

#[tokio::test]
async fn a_record_that_took_the_place_of_an_unsent_one_and_is_deleted_at_once_is_deleted() {
    let device = deleted_as_soon_as_it_appears(&[]).await;
    device.engine.push(&task(1, None, "mine")).await.unwrap();
    answers(&device, [Resolution::TakeRemote, Resolution::KeepLocal]);
    device.engine.pull().await.unwrap();
    device.engine.full_sync().await.unwrap();
    assert_gone_everywhere(&device);
}

#[tokio::test]
async fn a_record_that_came_back_instead_of_its_deletion_and_is_deleted_at_once_is_deleted() {
    for saves in [&[][..], &["mine"]] {
        let device = deleted_as_soon_as_it_appears(saves).await;
        let hook = device.app.state().after_tasks.take();
        device.engine.pull().await.unwrap();
        device.app.state().after_tasks = hook;
        device.engine.delete::<Task>(&1).await.unwrap();
        device.app.state().tasks.clear();
        device.server.put(&task(1, None, "theirs, and newer"));
        answers(&device, [Resolution::TakeRemote, Resolution::KeepLocal]);
        device.engine.flush().await.unwrap();
        device.engine.full_sync().await.unwrap();
        assert_gone_everywhere(&device);
    }
}

#[tokio::test]
async fn a_record_whose_deletion_is_given_up_and_that_is_deleted_at_once_is_deleted() {
    let device = deleted_as_soon_as_it_appears(&[]).await;
    let hook = device.app.state().after_tasks.take();
    device.engine.pull().await.unwrap();
    device.app.state().after_tasks = hook;
    device.engine.delete::<Task>(&1).await.unwrap();
    device.app.state().tasks.clear();
    device.server.once(Fault::Transient(500));
    device.engine.flush().await.unwrap();
    device.engine.clear_queue().await.unwrap();
    device.wait_out();
    device.engine.full_sync().await.unwrap();
    assert_gone_everywhere(&device);
}
