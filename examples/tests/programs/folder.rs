//! The shared folder: what its remote promises when others use the folder meanwhile.

#[path = "../../examples/folder/remote.rs"]
mod remote;

use std::collections::BTreeSet;
use std::fs::File;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sync::record::{OperationId, Payload, RecordKey, Write};
use sync::remote::{Page, PageItem, Position, PullRequest, WriteAnswer, WriteRequest};
use sync::storage::Cursor;
use sync::{Remote, RemoteError, Syncable};
use tempfile::TempDir;
use uuid::Uuid;

use remote::Folder;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: String,
    title: String,
}

fn folder() -> (TempDir, Folder) {
    let home = TempDir::new().unwrap();
    let folder = Folder::new(home.path());
    (home, folder)
}

fn note(title: &str) -> Payload {
    Payload::encode(&Note { id: "a".into(), title: title.into() }).unwrap()
}

fn request(write: Write) -> WriteRequest {
    about("a", write)
}

fn about(id: &str, write: Write) -> WriteRequest {
    WriteRequest {
        entity: &Note::ENTITY,
        key: RecordKey::new(id).unwrap(),
        id: OperationId::from_uuid(Uuid::new_v4()),
        write,
        if_match: None,
        base: None,
        cleared: Vec::new(),
        attempt: 0,
    }
}

async fn said(folder: &Folder, request: &WriteRequest) -> WriteAnswer {
    folder.send(request.clone()).await.unwrap().answer
}

async fn page(folder: &Folder, since: Option<&str>) -> Result<Page, RemoteError> {
    let since = since.map(Cursor::new);
    let request = PullRequest { entity: &Note::ENTITY, since, limit: 10, scope: None };
    folder.pull(request).await.map(|reply| reply.answer)
}

#[tokio::test]
async fn the_list_is_not_read_while_somebody_writes() {
    let (home, folder) = folder();
    said(&folder, &request(Write::Create(note("first")))).await;
    let writer = File::options().append(true).open(home.path().join("lock")).unwrap();
    writer.lock().unwrap();
    let mut reading = tokio::spawn(async move { page(&folder, None).await });
    // Two changes, the second one in its place first: whoever reads now would go past the other.
    let early = tokio::time::timeout(Duration::from_millis(200), &mut reading).await;
    assert!(early.is_err(), "{early:?}");
    writer.unlock().unwrap();
    assert_eq!(reading.await.unwrap().unwrap().items.len(), 1);
}

#[tokio::test]
async fn a_cursor_of_another_folder_is_gone() {
    let (_home, folder) = folder();
    assert!(matches!(page(&folder, Some("1")).await, Err(RemoteError::CursorGone { .. })));
    said(&folder, &request(Write::Create(note("x")))).await;
    let end = page(&folder, None).await.unwrap().position;
    assert!(matches!(end, Position::Cursor { cursor, .. } if cursor.as_str() == "1"));
    assert!(page(&folder, Some("1")).await.unwrap().items.is_empty());
    for other in ["2", "of a server"] {
        assert!(matches!(page(&folder, Some(other)).await, Err(RemoteError::CursorGone { .. })), "{other}");
    }
}

#[tokio::test]
async fn an_operation_that_is_sent_again_undoes_nothing_that_others_did_since() {
    let (_home, folder) = folder();
    let create = request(Write::Create(note("mine")));
    said(&folder, &create).await;
    let edit = request(Write::Update(note("theirs")));
    said(&folder, &edit).await;
    let again = said(&folder, &create).await;
    assert!(
        matches!(&again, WriteAnswer::Accepted { version: Some(_), body: Some(body) } if body == note("theirs").as_str())
    );

    said(&folder, &request(Write::Delete)).await;
    for old in [&create, &edit] {
        assert_eq!(said(&folder, old).await, WriteAnswer::Accepted { version: None, body: None });
    }
    let items = page(&folder, None).await.unwrap().items;
    assert!(matches!(&items[..], [PageItem::Tombstone { .. }]), "{items:?}");
    // An edit that wins over the deletion brings the record back, and so does a creation of its own.
    let winner = request(Write::Overwrite(note("back")));
    assert!(matches!(said(&folder, &winner).await, WriteAnswer::Accepted { .. }));
    assert!(matches!(said(&folder, &request(Write::Create(note("x")))).await, WriteAnswer::Conflict { .. }));
}

/// A stick may take names for one that differ in capitals alone, and takes none of more than 255 bytes.
#[tokio::test]
async fn each_id_has_a_file_of_its_own_on_every_disk() {
    let (home, folder) = folder();
    let long = "ä".repeat(500);
    let ids = ["a", "A", "a/b", "a/B", &long];
    for id in ids {
        let note = Payload::encode(&Note { id: id.into(), title: "x".into() }).unwrap();
        let answer = said(&folder, &about(id, Write::Create(note))).await;
        assert!(matches!(answer, WriteAnswer::Accepted { .. }), "{id}: {answer:?}");
    }
    let files = std::fs::read_dir(home.path().join("Note")).unwrap();
    let names: BTreeSet<_> =
        files.map(|file| file.unwrap().file_name().into_string().unwrap().to_lowercase()).collect();
    assert_eq!(names.len(), ids.len(), "{names:?}");
    assert!(names.iter().all(|name| name.len() < 100), "{names:?}");
    assert_eq!(page(&folder, None).await.unwrap().items.len(), ids.len());
}
