//! The server in memory itself: whoever tests with it relies on its keeping the contract.

use sync::record::{OperationId, Payload, RecordKey, Version, Write};
use sync::remote::{Fetched, PageItem, PullRequest, WriteAnswer, WriteRequest};
use sync::storage::Cursor;
use sync::testing::{Call, Fault, ScriptedRemote};
use sync::{Remote, RemoteError, Syncable};
use sync_tests::entities::{Note, Task, note, task};

use crate::device::Device;

fn write(write: Write, if_match: Option<&str>) -> WriteRequest {
    WriteRequest {
        entity: &Note::ENTITY,
        key: RecordKey::new("a").unwrap(),
        id: OperationId::from_uuid(uuid::Uuid::new_v4()),
        write,
        if_match: if_match.map(Version::new),
        base: None,
        cleared: Vec::new(),
        attempt: 0,
    }
}

fn overwrite(title: &str, if_match: Option<&str>) -> WriteRequest {
    write(Write::Overwrite(Payload::encode(&note("a", title, 0)).unwrap()), if_match)
}

async fn said(server: &ScriptedRemote, request: WriteRequest) -> WriteAnswer {
    server.send(request).await.unwrap().answer
}

/// How many notes and tasks its application has.
fn shown(device: &Device) -> (usize, usize) {
    let state = device.app.state();
    (state.notes.len(), state.tasks.len())
}

#[tokio::test]
async fn the_deletion_of_a_text_id_that_looks_like_a_number_reaches_the_other_device() {
    let server = ScriptedRemote::new();
    let (one, other) = (Device::on(&server).await, Device::on(&server).await);
    for id in ["7", "x"] {
        one.engine.push(&note(id, "short-lived", 0)).await.unwrap();
    }
    one.engine.push(&task(7, None, "short-lived")).await.unwrap();
    one.engine.full_sync().await.unwrap();
    other.engine.pull().await.unwrap();
    assert_eq!(shown(&other), (2, 1));
    for id in ["7", "x"] {
        one.engine.delete::<Note>(&id.to_owned()).await.unwrap();
    }
    one.engine.delete::<Task>(&7).await.unwrap();
    one.engine.full_sync().await.unwrap();
    let report = other.engine.pull().await.unwrap();
    assert!(report.errors.is_empty() && report.set_aside == 0, "{report:?}");
    assert_eq!(shown(&other), (0, 0));
}

#[tokio::test]
async fn somebody_elses_deletion_is_told_with_the_id_as_the_entity_has_it() {
    let device = Device::new().await;
    device.server.put(&note("7", "theirs", 0));
    device.engine.pull().await.unwrap();
    device.server.remove::<Note>(&"7".to_owned());
    // Nobody has ever seen this one.
    device.server.remove::<Note>(&"8".to_owned());
    let report = device.engine.pull().await.unwrap();
    assert!(report.errors.is_empty(), "{report:?}");
    assert!(device.app.state().notes.is_empty());
}

#[tokio::test]
async fn an_overwrite_on_a_version_of_what_was_deleted_brings_nothing_back() {
    let server = ScriptedRemote::new();
    server.put(&note("a", "theirs", 0));
    let Fetched::Present { version: Some(version), .. } =
        server.fetch(&Note::ENTITY, &RecordKey::new("a").unwrap()).await.unwrap().answer
    else {
        panic!("it is there");
    };
    server.remove::<Note>(&"a".to_owned());
    let answer = said(&server, overwrite("mine", Some(version.as_str()))).await;
    assert_eq!(answer, WriteAnswer::Missing);
    assert!(server.records::<Note>().is_empty());
    // The winner over a deletion is on no version.
    assert!(matches!(said(&server, overwrite("mine", None)).await, WriteAnswer::Accepted { .. }));
    assert_eq!(server.records::<Note>()["a"].title, "mine");
}

#[tokio::test]
async fn a_cursor_beyond_the_newest_change_is_none_of_this_server() {
    let server = ScriptedRemote::new();
    server.put(&note("a", "x", 0));
    let page = async |since: &str| {
        let since = Some(Cursor::new(since));
        let request = PullRequest { entity: &Note::ENTITY, since, limit: 10, scope: None };
        server.pull(request).await.map(|reply| reply.answer)
    };
    let items = page("0").await.unwrap().items;
    assert!(matches!(&items[..], [PageItem::Record { .. }]), "{items:?}");
    assert!(page("1").await.unwrap().items.is_empty());
    for since in ["2", "9000"] {
        assert!(matches!(page(since).await, Err(RemoteError::CursorGone { .. })), "{since}");
    }
}

#[tokio::test]
async fn a_device_finds_everything_on_a_server_that_was_set_up_anew() {
    let old = ScriptedRemote::new();
    for minute in 0..5 {
        old.put(&note("a", "old", minute));
    }
    let device = Device::on(&old).await;
    device.engine.pull().await.unwrap();
    let new = ScriptedRemote::new();
    new.put(&note("b", "new", 0));
    let device = Device { server: new, ..device }.restart().await;
    device.engine.pull().await.unwrap();
    assert!(device.app.state().notes.contains_key("b"), "{:?}", device.app.state().notes);
}

#[tokio::test]
async fn a_script_may_use_the_server_that_it_is_a_script_of() {
    let device = Device::new().await;
    device.engine.push(&note("a", "base", 0)).await.unwrap();
    device.engine.full_sync().await.unwrap();
    device.engine.push(&note("a", "mine", 1)).await.unwrap();
    // Somebody else is quicker, once.
    let server = device.server.clone();
    device.server.script(move |call| {
        if matches!(call, Call::Write { .. }) {
            server.put(&note("a", "theirs, and later", 9));
            server.heal();
        }
        Fault::None
    });
    let report = device.engine.full_sync().await.unwrap();
    assert_eq!((report.conflicts, report.remaining), (1, 0), "{report:?}");
    assert_eq!(device.server.records::<Note>()["a"].title, "theirs, and later");
}

#[tokio::test]
async fn what_the_server_has_made_of_a_record_it_has() {
    let device = Device::new().await;
    device.engine.push(&note("a", "mine", 1)).await.unwrap();
    let made = note("a", "Mine.", 2);
    device.server.once(Fault::AcceptedAs(serde_json::to_string(&made).unwrap()));
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.records::<Note>()["a"], made);
    assert_eq!(device.server.writes().len(), 1);
    device.engine.pull().await.unwrap();
    assert_eq!(device.app.state().notes["a"], made);
    let other = Device::on(&device.server).await;
    other.engine.pull().await.unwrap();
    assert_eq!(other.app.state().notes["a"], made);
}

#[tokio::test]
async fn what_was_accepted_as_something_is_answered_so_again() {
    let server = ScriptedRemote::new();
    let made = serde_json::to_string(&note("a", "Mine.", 2)).unwrap();
    let request = overwrite("mine", None);
    server.once(Fault::AcceptedAs(made.clone()));
    let first = said(&server, request.clone()).await;
    assert_eq!(said(&server, request).await, first);
    assert_eq!(server.writes().len(), 1, "it took effect once");
    // What is no such record is only said.
    for other in [r#"{"id":"b"}"#, r#"{"id":null}"#, "[7]"] {
        server.once(Fault::AcceptedAs(other.to_owned()));
        let answer = said(&server, overwrite("newer", None)).await;
        assert!(matches!(answer, WriteAnswer::Accepted { body: Some(body), .. } if body == other));
    }
    server.once(Fault::AcceptedAs(made));
    said(&server, write(Write::Delete, None)).await;
    assert!(server.records::<Note>().is_empty(), "a deletion is one, whatever is said of it");
}
