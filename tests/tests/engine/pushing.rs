//! Pushes: durable, coalesced, sent once.

use futures::StreamExt;
use futures::future::ready;
use sync::testing::{Call, Fault, Gate, ScriptedRemote};
use sync::{Change, MemoryStorage, NotSynced, Operation, Principal, SqliteStorage, SyncEvent, SyncState};
use sync_tests::device::Folder;
use sync_tests::entities::{Note, note, task};

use crate::device::Device;

#[tokio::test]
async fn a_pushed_record_reaches_the_server_at_the_next_flush() {
    let device = Device::new().await;
    let receipt = device.engine.push(&note("a", "milk", 0)).await.unwrap();
    assert_eq!(device.engine.queue_len(), 1);
    let report = device.engine.flush().await.unwrap();
    assert_eq!((report.pushed, report.remaining), (1, 0));
    assert_eq!(device.server.records::<Note>()["a"], note("a", "milk", 0));
    receipt.synced().await.unwrap();
    assert_eq!(device.engine.queue_len(), 0);
}

#[tokio::test]
async fn edits_before_a_flush_become_one_request() {
    let device = Device::new().await;
    for title in ["one", "two", "three"] {
        device.engine.push(&note("a", title, 0)).await.unwrap();
    }
    assert_eq!(device.engine.queue_len(), 1);
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.writes().len(), 1);
    assert_eq!(device.server.records::<Note>()["a"].title, "three");
}

#[tokio::test]
async fn a_record_is_created_first_and_updated_after_that() {
    let device = Device::new().await;
    device.engine.push(&note("a", "one", 0)).await.unwrap();
    device.engine.flush().await.unwrap();
    device.engine.push(&note("a", "two", 1)).await.unwrap();
    device.engine.flush().await.unwrap();
    device.engine.delete::<Note>(&"a".to_owned()).await.unwrap();
    device.engine.flush().await.unwrap();
    assert_eq!(verbs(&device.server), ["create", "update", "delete"]);
    assert!(device.server.records::<Note>().is_empty());
}

#[tokio::test]
async fn an_update_carries_the_version_that_the_acknowledgement_brought() {
    let device = Device::new().await;
    device.engine.push(&note("a", "one", 0)).await.unwrap();
    device.engine.flush().await.unwrap();
    device.engine.push(&note("a", "two", 1)).await.unwrap();
    device.engine.flush().await.unwrap();
    let matches: Vec<_> = device
        .server
        .calls()
        .into_iter()
        .filter_map(|call| match call {
            Call::Write { if_match, .. } => Some(if_match.map(|version| version.to_string())),
            _ => None,
        })
        .collect();
    assert_eq!(matches, [None, Some("1".to_owned())]);
}

#[tokio::test]
async fn a_record_that_was_pulled_is_updated_and_not_created() {
    let device = Device::new().await;
    device.server.put(&note("a", "theirs", 0));
    device.engine.pull().await.unwrap();
    device.engine.push(&note("a", "mine", 1)).await.unwrap();
    device.engine.flush().await.unwrap();
    assert_eq!(verbs(&device.server), ["update"]);
}

#[tokio::test]
async fn a_creation_and_a_deletion_that_never_left_cancel_each_other() {
    let device = Device::new().await;
    let created = device.engine.push(&note("a", "oops", 0)).await.unwrap();
    let deleted = device.engine.delete::<Note>(&"a".to_owned()).await.unwrap();
    assert_eq!(device.engine.queue_len(), 0);
    assert!(matches!(created.synced().await, Err(NotSynced::TakenBack { .. })));
    deleted.synced().await.unwrap();
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.calls(), []);
}

#[tokio::test]
async fn a_deletion_follows_a_creation_whose_answer_was_lost() {
    let device = Device::new().await;
    device.engine.push(&note("a", "oops", 0)).await.unwrap();
    device.server.once(Fault::AnswerLost);
    device.engine.flush().await.unwrap();
    device.engine.delete::<Note>(&"a".to_owned()).await.unwrap();
    device.wait_out();
    device.engine.flush().await.unwrap();
    device.engine.flush().await.unwrap();
    assert_eq!(device.engine.queue_len(), 0);
    assert!(device.server.records::<Note>().is_empty());
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_record_and_no_conflict() {
    let device = Device::new().await;
    device.engine.push(&task(1, None, "mine")).await.unwrap();
    device.server.once(Fault::AnswerLost);
    let report = device.engine.flush().await.unwrap();
    assert_eq!((report.pushed, report.remaining), (0, 1));
    device.engine.flush().await.unwrap();
    assert_eq!(device.engine.queue_len(), 0);
    assert_eq!(device.server.writes().len(), 1);
    assert_eq!(device.app.state().conflicts.len(), 0);
    let keys: Vec<_> = operations(&device.server);
    assert_eq!(keys[0], keys[1], "both attempts carry the same idempotency key");
}

#[tokio::test]
async fn an_edit_whose_answer_was_lost_is_announced_as_pushed_once_a_pull_shows_it() {
    let device = Device::new().await;
    let receipt = device.engine.push(&note("a", "milk", 0)).await.unwrap();
    let (operation, events) = (receipt.id(), device.engine.events());
    device.server.once(Fault::AnswerLost);
    let lost = device.engine.flush().await.unwrap();
    // What somebody else has written as well is never sent from here.
    device.engine.push(&note("b", "bread", 0)).await.unwrap();
    device.server.put(&note("b", "bread", 0));
    let pulled = device.engine.pull().await.unwrap();
    device.wait_out();
    let after = device.engine.flush().await.unwrap();
    assert_eq!([lost.pushed, pulled.pushed, after.pushed], [0, 1, 0]);
    assert_eq!(device.engine.queue_len(), 0);
    drop(device);
    let pushed = |event| match event {
        SyncEvent::Pushed { operation, .. } => Some(operation),
        _ => None,
    };
    let pushed: Vec<_> = events.filter_map(|event| ready(pushed(event))).collect().await;
    assert_eq!(pushed, [operation]);
}

#[tokio::test]
async fn a_flush_ends_although_the_program_edits_as_fast_as_the_server_takes() {
    let device = Device::new().await;
    device.engine.push(&note("0", "first", 0)).await.unwrap();
    let (engine, mut edits) = (device.engine.clone(), 0);
    device.server.script(move |call| {
        if matches!(call, Call::Write { .. }) && edits < 100 {
            edits += 1;
            let (engine, note) = (engine.clone(), note(&edits.to_string(), "later", 0));
            tokio::spawn(async move { drop(engine.push(&note).await.unwrap()) });
        }
        Fault::None
    });
    let report = device.engine.flush().await.unwrap();
    assert_eq!(
        (report.pushed, report.remaining),
        (2, 1),
        "what was there, and what came while that was sent"
    );
}

#[tokio::test]
async fn an_edit_made_while_its_record_is_being_sent_is_sent_next() {
    let device = Device::new().await;
    let gate = Gate::new();
    device.engine.push(&note("a", "first", 0)).await.unwrap();
    device.server.once(Fault::Hold(gate.clone()));
    let flush = tokio::spawn({
        let engine = device.engine.clone();
        async move { engine.flush().await }
    });
    gate.reached(1).await;
    device.engine.push(&note("a", "second", 1)).await.unwrap();
    gate.open();
    let report = flush.await.unwrap().unwrap();
    assert_eq!(
        report.pushed, 2,
        "the newer edit goes out in the same flush, on top of the acknowledged version"
    );
    assert_eq!(device.server.records::<Note>()["a"].title, "second");
    assert_eq!(device.engine.queue_len(), 0);
}

#[tokio::test]
async fn push_as_sends_the_operation_that_was_asked_for() {
    let device = Device::new().await;
    device.server.put(&note("a", "theirs", 0));
    device.engine.push_as(&note("a", "mine", 1), Operation::Update).await.unwrap();
    device.engine.push_as(&note("b", "new", 1), Operation::Create).await.unwrap();
    device.engine.push_as(&note("c", "gone", 1), Operation::Delete).await.unwrap();
    device.engine.flush().await.unwrap();
    let mut verbs = verbs(&device.server);
    verbs.sort_unstable();
    assert_eq!(verbs, ["create", "delete", "update"]);
}

#[tokio::test]
async fn push_all_takes_all_records_or_none() {
    let device = Device::new().await;
    let notes: Vec<_> = (0..100).map(|number| note(&format!("n{number}"), "x", 0)).collect();
    assert_eq!(device.engine.push_all(&notes).await.unwrap().len(), 100);
    let with_a_mistake = [note("z", "x", 0), note("", "no id", 0)];
    let error = device.engine.push_all(&with_a_mistake).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "Note: the id is empty; a new record needs one of its own, for instance `Uuid::now_v7()`"
    );
    assert_eq!(device.engine.queue_len(), 100);
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.records::<Note>().len(), 100);
}

#[tokio::test]
async fn counts_are_right_from_the_moment_of_the_build() {
    let device = Device::new().await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.engine.push(&task(1, None, "x")).await.unwrap();
    device.engine.push(&task(2, None, "x")).await.unwrap();
    let device = device.restart().await;
    assert_eq!(device.engine.queue_len(), 3);
    assert_eq!(device.engine.queue_len_of::<Note>(), 1);
    assert!(device.engine.is_pending::<Note>(&"a".to_owned()).await.unwrap());
    assert!(!device.engine.is_pending::<Note>(&"b".to_owned()).await.unwrap());
    let status = device.engine.status();
    assert_eq!(status.queue_len, 3);
    assert!(status.oldest_pending.is_some());
}

#[tokio::test]
async fn a_restart_sends_what_was_under_way_under_the_same_key() {
    let device = Device::new().await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.server.once(Fault::AnswerLost);
    device.engine.flush().await.unwrap();
    let device = device.restart().await;
    device.engine.flush().await.unwrap();
    let keys = operations(&device.server);
    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0], keys[1]);
    assert_eq!(device.server.writes().len(), 1);
}

#[tokio::test]
async fn what_the_server_made_of_a_record_reaches_the_application_without_a_pull() {
    let device = Device::new().await;
    device.engine.push(&note("a", "base", 0)).await.unwrap();
    device.engine.full_sync().await.unwrap();
    device.engine.push(&note("a", "mine", 1)).await.unwrap();
    let made = note("a", "Mine.", 2);
    device.server.once(Fault::AcceptedAs(serde_json::to_string(&made).unwrap()));
    let report = device.engine.flush().await.unwrap();
    assert_eq!((report.pushed, report.remaining), (1, 0));
    let told = device.app.state().note_pages.last().unwrap().clone();
    assert_eq!(told, [Change::Upserted(made)]);
}

#[tokio::test]
async fn what_the_server_made_of_a_record_does_not_hide_an_edit_made_meanwhile() {
    let device = Device::new().await;
    device.engine.push(&note("a", "base", 0)).await.unwrap();
    device.engine.full_sync().await.unwrap();
    device.engine.push(&note("a", "mine", 1)).await.unwrap();
    let (made, newer) = (note("a", "Mine.", 2), note("a", "newer", 3));
    device.server.once(Fault::AcceptedAs(serde_json::to_string(&made).unwrap()));
    // It is made while the application is told.
    let (engine, edit) = (device.engine.clone(), newer.clone());
    device.app.state().on_page = Some(Box::new(move || {
        let (engine, edit) = (engine.clone(), edit.clone());
        Box::pin(async move { drop(engine.push(&edit).await.unwrap()) })
    }));
    device.engine.flush().await.unwrap();
    let state = device.app.state();
    let rebased = Change::Rebased { id: "a".to_owned(), local: Some(newer.clone()), remote: Some(made) };
    assert!(state.note_pages.contains(&vec![rebased]), "{:?}", state.note_pages);
    assert_eq!(state.notes["a"], newer);
}

#[tokio::test]
async fn sixteen_requests_are_in_flight_at_most_one_of_each_record() {
    let device = Device::new().await;
    for number in 0..40 {
        device.engine.push(&note(&number.to_string(), "x", 0)).await.unwrap();
    }
    let gate = Gate::new();
    let held = gate.clone();
    device.server.script(move |_| Fault::Hold(held.clone()));
    let engine = device.engine.clone();
    let flush = tokio::spawn(async move { engine.flush().await });
    gate.reached(16).await;
    // Each of them is edited again: that waits for the answer.
    for number in 0..40 {
        device.engine.push(&note(&number.to_string(), "y", 1)).await.unwrap();
    }
    assert_eq!(device.server.calls().len(), 16);
    gate.open();
    assert_eq!(flush.await.unwrap().unwrap().remaining, 0);
    assert!(device.server.records::<Note>().into_values().all(|note| note.title == "y"));
}

#[tokio::test]
async fn a_renamed_struct_keeps_its_queue_by_its_name() {
    mod before {
        #[derive(Clone, serde::Serialize, serde::Deserialize, sync::Syncable)]
        #[sync(endpoint = "/notes", conflict = ServerWins)]
        pub struct Note {
            pub id: String,
        }

        #[derive(sync::Schema)]
        #[sync(entities(Note))]
        pub struct App;
        impl sync::OnPull<Note> for App {}
    }
    mod after {
        #[derive(Clone, serde::Serialize, serde::Deserialize, sync::Syncable)]
        #[sync(endpoint = "/notes", conflict = ServerWins, name = "Note")]
        pub struct Memo {
            pub id: String,
        }

        #[derive(sync::Schema)]
        #[sync(entities(Memo))]
        pub struct App;
        impl sync::OnPull<Memo> for App {}
    }
    let folder = Folder::new();
    let (file, server) = (folder.file("app.db"), ScriptedRemote::new());
    let storage = SqliteStorage::open(&file).unwrap();
    let engine = sync::Engine::builder(before::App, server.clone(), storage).build().await.unwrap();
    engine.push(&before::Note { id: "a".to_owned() }).await.unwrap();
    drop(engine);
    let storage = SqliteStorage::open(&file).unwrap();
    let engine = sync::Engine::builder(after::App, server.clone(), storage).build().await.unwrap();
    assert_eq!(engine.queue_len_of::<after::Memo>(), 1);
    assert_eq!(engine.flush().await.unwrap().pushed, 1);
    assert_eq!(server.records::<after::Memo>().len(), 1);
}

#[tokio::test]
async fn the_queue_of_one_account_is_never_sent_under_another() {
    let server = ScriptedRemote::new();
    let storage = MemoryStorage::new();
    let alice = |builder: sync::EngineBuilder<_>| builder.principal(Principal::new("alice"));
    let device = Device::with(&server, storage.clone(), alice).await;
    device.engine.push(&note("a", "of alice", 0)).await.unwrap();
    drop(device);
    let other =
        Device::with(&server, storage.clone(), |builder| builder.principal(Principal::new("bob"))).await;
    assert_eq!(other.engine.queue_len(), 0);
    assert_eq!(other.engine.sync_state::<Note>(&"a".to_owned()).await.unwrap(), SyncState::Synced);
    other.engine.flush().await.unwrap();
    assert_eq!(server.calls(), []);
    drop(other);
    let device = Device::with(&server, storage, alice).await;
    assert_eq!(device.engine.queue_len(), 1);
    device.engine.flush().await.unwrap();
    assert_eq!(server.records::<Note>().len(), 1);
}

#[tokio::test]
async fn clear_queue_gives_everything_up() {
    let device = Device::new().await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    let receipt = device.engine.push(&note("b", "x", 0)).await.unwrap();
    device.server.once(Fault::Refused(422, "no".to_owned()));
    device.engine.flush().await.unwrap();
    device.engine.push(&note("c", "x", 0)).await.unwrap();
    let cleared = device.engine.clear_queue().await.unwrap();
    assert_eq!(cleared, 2);
    drop(receipt);
    assert_eq!((device.engine.queue_len(), device.engine.status().parked), (0, 0));
}

#[tokio::test]
async fn a_second_engine_on_the_same_storage_is_refused_until_the_first_is_gone() {
    let device = Device::new().await;
    let second = || {
        sync::Engine::builder(sync_tests::app::App::default(), device.server.clone(), device.storage.clone())
            .build()
    };
    let error = second().await.unwrap_err();
    assert!(error.to_string().contains("is already open"), "{error}");
    drop(device.engine);
    second().await.unwrap();
}

fn verbs(server: &ScriptedRemote) -> Vec<&'static str> {
    let verb = |call| match call {
        Call::Write { verb, .. } => Some(verb),
        _ => None,
    };
    server.calls().into_iter().filter_map(verb).collect()
}

fn operations(server: &ScriptedRemote) -> Vec<sync::OperationId> {
    let operation = |call| match call {
        Call::Write { operation, .. } => Some(operation),
        _ => None,
    };
    server.calls().into_iter().filter_map(operation).collect()
}
