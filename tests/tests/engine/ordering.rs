//! Order: a record never before those it refers to, and a failure holds back no stranger.

use sync::testing::{Call, Fault, ScriptedRemote};
use sync::{Engine, MemoryStorage, Resolution, SyncState};
use sync_tests::app::Answer;
use sync_tests::entities::{Note, Task, note, task};

use crate::device::Device;

fn order(server: &ScriptedRemote) -> Vec<String> {
    let step = |call| match call {
        Call::Write { entity, key, verb, .. } => Some(format!("{verb} {entity} {key}")),
        _ => None,
    };
    server.calls().into_iter().filter_map(step).collect()
}

#[tokio::test]
async fn a_child_is_not_sent_before_its_parent_exists() {
    let device = Device::new().await;
    device.engine.push(&task(1, Some("a"), "child")).await.unwrap();
    device.engine.push(&note("a", "parent", 0)).await.unwrap();
    device.engine.flush().await.unwrap();
    assert_eq!(order(&device.server), ["create Note a", "create Task 1"]);
}

#[tokio::test]
async fn a_child_waits_across_a_restart() {
    let device = Device::new().await;
    device.engine.push(&note("a", "parent", 0)).await.unwrap();
    device.engine.push(&task(1, Some("a"), "child")).await.unwrap();
    device.server.once(Fault::Transient(500));
    device.engine.flush().await.unwrap();
    let device = device.restart().await;
    device.engine.flush().await.unwrap();
    assert_eq!(order(&device.server), ["create Note a"]);
    device.wait_out();
    device.engine.flush().await.unwrap();
    assert_eq!(order(&device.server), ["create Note a", "create Note a", "create Task 1"]);
}

#[tokio::test]
async fn a_child_of_a_parked_parent_waits_and_says_for_what() {
    let device = Device::new().await;
    device.engine.push(&note("a", "parent", 0)).await.unwrap();
    device.engine.push(&task(1, Some("a"), "child")).await.unwrap();
    device.engine.push(&task(2, None, "stranger")).await.unwrap();
    device.server.script(|call| match call {
        Call::Write { entity: "Note", .. } => Fault::Refused(422, "the title is too short".to_owned()),
        _ => Fault::None,
    });
    device.engine.flush().await.unwrap();
    let SyncState::Blocked { on, parked } = device.engine.sync_state::<Task>(&1).await.unwrap() else {
        panic!("it waits for its parent");
    };
    assert_eq!((on.to_string(), parked), ("Note `a`".to_owned(), true));
    assert_eq!(device.server.records::<Task>().len(), 1, "the stranger went through");
    device.server.heal();
    device.engine.push(&note("a", "a better title", 1)).await.unwrap();
    device.engine.flush().await.unwrap();
    assert_eq!(device.engine.queue_len(), 0);
    assert_eq!(device.server.records::<Task>().len(), 2);
}

/// The parent is to come back with what is decided about its edit, or not at all.
#[tokio::test]
async fn a_child_of_a_parent_that_somebody_deleted_while_its_edit_was_parked_waits() {
    let device = Device::new().await;
    device.engine.push(&note("a", "parent", 0)).await.unwrap();
    device.engine.full_sync().await.unwrap();
    device.engine.push(&note("a", "bad", 1)).await.unwrap();
    device.server.once(Fault::Refused(422, "the title is too short".to_owned()));
    device.engine.flush().await.unwrap();
    device.server.remove::<Note>(&"a".to_owned());
    device.engine.pull().await.unwrap();
    device.engine.push(&task(1, Some("a"), "child")).await.unwrap();
    device.engine.flush().await.unwrap();
    let state = device.engine.sync_state::<Task>(&1).await.unwrap();
    assert!(matches!(state, SyncState::Blocked { parked: true, .. }), "{state:?}");
    device.engine.push(&note("a", "a better title", 2)).await.unwrap();
    device.engine.flush().await.unwrap();
    assert_eq!(device.engine.queue_len(), 0);
    assert_eq!(device.server.records::<Task>().len(), 1);
}

#[tokio::test]
async fn a_parent_is_deleted_after_the_earlier_operations_of_its_children() {
    let device = Device::new().await;
    device.engine.push(&note("a", "parent", 0)).await.unwrap();
    device.engine.push(&task(1, Some("a"), "child")).await.unwrap();
    device.engine.flush().await.unwrap();
    device.engine.push(&task(1, Some("a"), "edited")).await.unwrap();
    device.engine.delete::<Note>(&"a".to_owned()).await.unwrap();
    device.server.once(Fault::Transient(500));
    device.engine.flush().await.unwrap();
    assert_eq!(order(&device.server)[2..], ["update Task 1"]);
    device.wait_out();
    device.engine.flush().await.unwrap();
    assert_eq!(order(&device.server)[2..], ["update Task 1", "update Task 1", "delete Note a"]);
}

#[tokio::test]
async fn so_it_is_when_the_deletion_has_the_place_of_an_edit_before_them() {
    let device = Device::new().await;
    device.engine.push(&note("a", "parent", 0)).await.unwrap();
    device.engine.flush().await.unwrap();
    device.engine.push(&note("a", "edited", 1)).await.unwrap();
    device.engine.push(&task(1, Some("a"), "child")).await.unwrap();
    device.engine.delete::<Note>(&"a".to_owned()).await.unwrap();
    device.engine.flush().await.unwrap();
    assert_eq!(order(&device.server)[1..], ["create Task 1", "delete Note a"]);
}

#[tokio::test]
async fn a_parent_is_deleted_after_its_children_were_deleted_or_moved_away() {
    for verb in ["delete", "update"] {
        for pulled in [false, true] {
            let device = Device::new().await;
            device.engine.push_all(&[note("a", "parent", 0), note("b", "parent", 0)]).await.unwrap();
            device.engine.flush().await.unwrap();
            if pulled {
                device.server.put(&task(1, Some("a"), "child"));
                device.engine.pull().await.unwrap();
            } else {
                device.engine.push(&task(1, Some("a"), "child")).await.unwrap();
                device.engine.flush().await.unwrap();
            }
            let before = order(&device.server).len();
            let leaves = match verb {
                "delete" => device.engine.delete::<Task>(&1),
                _ => device.engine.push(&task(1, Some("b"), "moved")),
            };
            leaves.await.unwrap();
            device.engine.delete::<Note>(&"a".to_owned()).await.unwrap();
            device.server.once(Fault::Transient(500));
            let first = format!("{verb} Task 1");
            device.engine.flush().await.unwrap();
            assert_eq!(order(&device.server)[before..], [&*first]);
            device.wait_out();
            device.engine.flush().await.unwrap();
            assert_eq!(order(&device.server)[before..], [&*first, &*first, "delete Note a"]);
        }
    }
}

/// Another device has moved the child there, as a conflict told.
#[tokio::test]
async fn a_parent_is_deleted_after_a_child_that_somebody_else_put_under_it_was_moved_back() {
    let device = Device::new().await;
    device.engine.push_all(&[note("a", "parent", 0), note("b", "parent", 0)]).await.unwrap();
    device.engine.push(&task(1, Some("a"), "child")).await.unwrap();
    device.engine.full_sync().await.unwrap();
    device.engine.push(&task(1, Some("a"), "edited")).await.unwrap();
    device.server.put(&task(1, Some("b"), "moved"));
    device.app.will(Answer::Decide(Resolution::KeepLocal));
    device.engine.pull().await.unwrap();
    device.engine.delete::<Note>(&"b".to_owned()).await.unwrap();
    let before = order(&device.server).len();
    device.server.once(Fault::Transient(500));
    device.engine.flush().await.unwrap();
    assert_eq!(order(&device.server)[before..], ["overwrite Task 1"]);
    device.wait_out();
    device.engine.flush().await.unwrap();
    assert_eq!(order(&device.server)[before + 1..], ["overwrite Task 1", "delete Note b"]);
}

/// What was only meant, and never sent, nobody has to wait for.
#[tokio::test]
async fn a_parent_is_deleted_at_once_when_its_child_never_was_under_it_on_the_server() {
    let device = Device::new().await;
    device.engine.push_all(&[note("a", "parent", 0), note("b", "parent", 0)]).await.unwrap();
    device.engine.push(&task(1, Some("b"), "child")).await.unwrap();
    device.engine.flush().await.unwrap();
    device.engine.push(&task(1, Some("a"), "moved")).await.unwrap();
    device.engine.push(&task(1, Some("b"), "moved back")).await.unwrap();
    device.engine.delete::<Note>(&"a".to_owned()).await.unwrap();
    let before = order(&device.server).len();
    device.server.script(|call| match call {
        Call::Write { entity: "Task", .. } => Fault::Transient(500),
        _ => Fault::None,
    });
    device.engine.flush().await.unwrap();
    assert_eq!(order(&device.server)[before..], ["update Task 1", "delete Note a"]);
}

#[tokio::test]
async fn a_child_waits_for_a_creation_that_is_under_way_though_its_deletion_waits_already() {
    let device = Device::new().await;
    device.engine.push(&note("a", "parent", 0)).await.unwrap();
    device.server.once(Fault::Transient(500));
    device.engine.flush().await.unwrap();
    device.engine.push(&task(1, Some("a"), "child")).await.unwrap();
    device.engine.flush().await.unwrap();
    device.engine.delete::<Note>(&"a".to_owned()).await.unwrap();
    device.engine.flush().await.unwrap();
    assert_eq!(order(&device.server), ["create Note a"]);
    device.wait_out();
    device.engine.flush().await.unwrap();
    assert_eq!(order(&device.server)[1..], ["create Note a", "create Task 1", "delete Note a"]);
}

#[tokio::test]
async fn a_child_waits_for_a_parent_that_is_deleted_and_made_again_before_the_deletion_is_known_of() {
    let device = Device::new().await;
    let failing = |entity: &'static str| {
        move |call: &Call| match call {
            Call::Write { entity: of, .. } if *of == entity => Fault::Transient(500),
            _ => Fault::None,
        }
    };
    device.engine.push(&task(1, Some("other"), "x")).await.unwrap();
    device.server.script(failing("Task"));
    device.engine.flush().await.unwrap();
    device.engine.push(&task(1, Some("other"), "y")).await.unwrap();
    device.engine.push(&note("other", "parent", 0)).await.unwrap();
    device.engine.delete::<Note>(&"a".to_owned()).await.unwrap();
    device.wait_out();
    device.server.script(failing("Note"));
    device.engine.flush().await.unwrap();
    // The edit has its place before the deletion, and refers to what comes after it.
    device.engine.push(&task(1, Some("a"), "z")).await.unwrap();
    device.engine.push(&note("a", "parent", 0)).await.unwrap();
    device.server.heal();
    device.wait_out();
    device.engine.flush().await.unwrap();
    let order = order(&device.server);
    let last = |step: &str| order.iter().rposition(|other| other == step);
    assert!(last("create Note a").is_some(), "{order:?}");
    assert!(last("create Note a") < last("update Task 1"), "{order:?}");
    assert_eq!(device.engine.queue_len(), 0);
}

#[tokio::test]
async fn a_refused_child_does_not_hold_its_parent_back() {
    let device = Device::new().await;
    device.engine.push(&note("a", "parent", 0)).await.unwrap();
    device.engine.push(&task(1, Some("a"), "child")).await.unwrap();
    device.engine.flush().await.unwrap();
    device.engine.push(&task(1, Some("a"), "edited")).await.unwrap();
    device.engine.delete::<Note>(&"a".to_owned()).await.unwrap();
    device.server.once(Fault::Refused(403, "no".to_owned()));
    device.engine.flush().await.unwrap();
    assert_eq!(device.engine.queue_len(), 0);
    assert!(device.server.records::<Note>().is_empty());
}

#[tokio::test]
async fn a_thousand_children_of_a_missing_parent_hold_nobody_back() {
    let device = Device::new().await;
    device.engine.push(&note("a", "parent", 0)).await.unwrap();
    let children: Vec<_> = (0..1000).map(|id| task(id, Some("a"), "child")).collect();
    device.engine.push_all(&children).await.unwrap();
    device.engine.push(&task(5000, None, "stranger")).await.unwrap();
    device.server.script(|call| match call {
        Call::Write { entity: "Note", .. } => Fault::Transient(500),
        _ => Fault::None,
    });
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.records::<Task>().len(), 1);
    device.server.heal();
    device.wait_out();
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.records::<Task>().len(), 1001);
}

#[tokio::test]
async fn conflicts_of_one_record_do_not_change_the_order_of_its_edits() {
    let device = Device::new().await;
    device.engine.push(&task(1, None, "base")).await.unwrap();
    device.engine.full_sync().await.unwrap();
    device.server.put(&task(1, None, "theirs"));
    device.app.will(Answer::Decide(Resolution::KeepLocal));
    device.engine.push(&task(1, None, "mine")).await.unwrap();
    device.engine.flush().await.unwrap();
    device.engine.push(&task(1, None, "mine again")).await.unwrap();
    device.engine.flush().await.unwrap();
    let texts: Vec<_> = device
        .server
        .effects()
        .into_iter()
        .map(|effect| effect.value.unwrap().decode::<Task>().unwrap().text)
        .collect();
    assert_eq!(texts, ["base", "theirs", "mine", "mine again"]);
}

#[tokio::test]
async fn a_record_may_refer_to_one_that_nobody_knows() {
    let device = Device::new().await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.engine.push(&task(1, Some("a"), "x")).await.unwrap();
    device.engine.push(&task(1, Some("b"), "moved to a note that nobody knows")).await.unwrap();
    device.engine.flush().await.unwrap();
    assert_eq!(device.engine.queue_len(), 0);
    assert_eq!(device.server.records::<Task>()["1"].note_id.as_deref(), Some("b"));
}

/// What two versions of a program have in common.
#[derive(Clone, serde::Serialize, serde::Deserialize, sync::Syncable)]
#[sync(endpoint = "/cards", conflict = ServerWins)]
struct Card {
    id: String,
}

mod before {
    use super::Card;

    #[derive(Clone, serde::Serialize, serde::Deserialize, sync::Syncable)]
    #[sync(endpoint = "/comments", conflict = ServerWins)]
    pub(super) struct Comment {
        pub(super) id: String,
        #[sync(references = Card)]
        pub(super) card: String,
    }

    #[derive(sync::Schema)]
    #[sync(entities(Card, Comment))]
    pub(super) struct App;
    impl sync::OnPull<Card> for App {}
    impl sync::OnPull<Comment> for App {}
}

mod after {
    use super::Card;

    #[derive(Clone, serde::Serialize, serde::Deserialize, sync::Syncable)]
    #[sync(endpoint = "/comments", conflict = ServerWins)]
    pub(super) struct Comment {
        id: String,
        card: String,
    }

    #[derive(sync::Schema)]
    #[sync(entities(Card, Comment))]
    pub(super) struct App;
    impl sync::OnPull<Card> for App {}
    impl sync::OnPull<Comment> for App {}
}

mod without {
    use super::Card;

    #[derive(sync::Schema)]
    #[sync(entities(Card))]
    pub(super) struct App;
    impl sync::OnPull<Card> for App {}
}

#[tokio::test]
async fn what_only_an_earlier_version_of_the_program_referred_to_holds_nobody_back() {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    let engine = Engine::builder(before::App, server.clone(), storage.clone()).build().await.unwrap();
    engine.push(&Card { id: "a".to_owned() }).await.unwrap();
    for id in ["tried", "waits"] {
        engine.push(&before::Comment { id: id.to_owned(), card: "a".to_owned() }).await.unwrap();
    }
    server.script(|call| match call {
        Call::Write { entity: "Card", .. } => Fault::Refused(422, "no".to_owned()),
        _ => Fault::None,
    });
    engine.flush().await.unwrap();
    assert_eq!(
        (engine.queue_len(), server.records::<before::Comment>().len()),
        (2, 0),
        "they wait for the card"
    );
    drop(engine);
    let engine = Engine::builder(after::App, server.clone(), storage).build().await.unwrap();
    engine.flush().await.unwrap();
    assert_eq!((engine.queue_len(), server.records::<after::Comment>().len()), (0, 2));
}

#[tokio::test]
async fn a_deletion_waits_no_longer_for_what_only_an_earlier_version_of_the_program_knew_to_refer_to_it() {
    assert_eq!(deleted_by(after::App).await, (0, 0));
    assert_eq!(deleted_by(without::App).await, (1, 0), "the comment waits for a program that knows it");
}

/// What waits, and what the server has, after a card was deleted behind the edit of a comment on it, and another program went on.
async fn deleted_by<S: sync::Schema>(later: S) -> (u64, usize) {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    let engine = Engine::builder(before::App, server.clone(), storage.clone()).build().await.unwrap();
    let comment = before::Comment { id: "c".to_owned(), card: "a".to_owned() };
    engine.push(&Card { id: "a".to_owned() }).await.unwrap();
    engine.push(&comment).await.unwrap();
    engine.flush().await.unwrap();
    engine.push(&comment).await.unwrap();
    engine.delete::<Card>(&"a".to_owned()).await.unwrap();
    server.script(|_| Fault::RequestLost);
    engine.flush().await.unwrap();
    server.heal();
    drop(engine);
    let at_once = sync::RetryPolicy { base: std::time::Duration::ZERO, ..sync::RetryPolicy::default() };
    let engine = Engine::builder(later, server.clone(), storage).retry(at_once).build().await.unwrap();
    engine.flush().await.unwrap();
    (engine.queue_len(), server.records::<Card>().len())
}
