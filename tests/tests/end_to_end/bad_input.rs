//! What nobody should send and somebody does: a typed error, nothing lost, nothing at the wrong address.

use serde::{Deserialize, Serialize};
use sync::testing::ScriptedRemote;
use sync::{Engine, Error, MemoryStorage, RemoteError, RestRemote, Schema, SyncError, Syncable};
use sync_examples::server::intercept::Intercept;
use sync_tests::entities::{Note, note, task};

use sync_tests::device::{Device, Folder, server};

#[tokio::test]
async fn odd_ids_reach_their_record_and_no_other_address() {
    let (folder, server) = (Folder::new(), server());
    let device = Device::open(&folder.file("a.db"), &server.base_url()).await;
    let ids =
        ["../admin", "a/b", "%2e%2e", "a b", "?x=1", "#top", "ü", "a\\b", "'; drop table records; --", "\n"];
    for id in ids {
        device.engine.push(&note(id, "one", 0)).await.unwrap();
        device.engine.flush().await.unwrap();
        device.engine.push(&note(id, "two", 1)).await.unwrap();
    }
    let report = device.engine.full_sync().await.unwrap();
    assert!(report.is_clean(), "{:?}", report.errors);
    let records = server.records("/notes");
    assert_eq!(records.len(), ids.len());
    assert!(records.values().all(|record| record["title"] == "two"));
    for request in server.requests() {
        let below = request.path.strip_prefix("/notes").or(request.path.strip_prefix("/tasks")).unwrap();
        assert!(below.matches('/').count() <= 1, "{}", request.path);
    }
}

#[tokio::test]
async fn an_id_that_is_empty_or_a_path_step_is_refused_at_the_push() {
    let (folder, server) = (Folder::new(), server());
    let device = Device::open(&folder.file("a.db"), &server.base_url()).await;
    for id in ["", ".", ".."] {
        let error = device.engine.push(&note(id, "x", 0)).await.unwrap_err();
        assert!(matches!(error, Error::Id { .. }), "{error}");
        let advice = if id.is_empty() { "for instance `Uuid::now_v7()`" } else { "use another id" };
        assert!(
            error.to_string().starts_with("Note: the id") && error.to_string().ends_with(advice),
            "{error}"
        );
        device.engine.delete::<Note>(&id.to_owned()).await.unwrap_err();
    }
    assert_eq!(device.engine.queue_len(), 0);
}

#[tokio::test]
async fn an_id_of_another_record_that_cannot_name_one_is_told_of_with_its_field() {
    let (folder, server) = (Folder::new(), server());
    let device = Device::open(&folder.file("a.db"), &server.base_url()).await;
    let refused = async |reference| {
        let error = device.engine.push(&task(1, Some(reference), "x")).await.unwrap_err();
        assert!(matches!(error, Error::Reference { .. }), "{error:?}");
        error.to_string()
    };
    assert_eq!(
        refused("").await,
        "Task `1`: its field `note_id` refers to Note by an id that cannot name a record: the id is empty; where it refers to nothing, use an `Option` that is `None`"
    );
    let told = refused("..").await;
    assert!(
        told.starts_with("Task `1`: its field `note_id` refers to Note") && told.contains("`..`"),
        "{told}"
    );
    assert_eq!(device.engine.queue_len(), 0);
}

#[tokio::test]
async fn a_login_page_in_place_of_an_answer_is_no_success() {
    let (folder, server) = (Folder::new(), server());
    let device = Device::open(&folder.file("a.db"), &server.base_url()).await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    server.intercept(|_| Intercept::Answer {
        status: 200,
        headers: vec![("content-type", "text/html".to_owned())],
        body: "<html>Please log in</html>".to_owned(),
    });
    let report = device.engine.full_sync().await.unwrap();
    assert_eq!((report.pushed, report.remaining, report.parked), (0, 1, 0));
    let (mut pushes, mut pulls) = (0, 0);
    for error in &report.errors {
        match &**error {
            SyncError::Push { source: RemoteError::Protocol { .. }, .. } => pushes += 1,
            SyncError::Pull { source: RemoteError::Protocol { .. }, .. } => pulls += 1,
            other => panic!("{other}"),
        }
    }
    assert!(pushes > 0 && pulls == 2, "the note, and the pages of either entity: {report:?}");
}

#[tokio::test]
async fn a_success_that_shows_another_record_than_was_sent_is_a_conflict() {
    let (folder, server) = (Folder::new(), server());
    let device = Device::open(&folder.file("a.db"), &server.base_url()).await;
    device.engine.push(&note("a", "mine", 0)).await.unwrap();
    // Some servers answer a repeated creation with 200 and what they have.
    let theirs = serde_json::to_string(&note("a", "theirs", 5)).unwrap();
    let mut first = true;
    server.intercept(move |request| {
        if request.method == "POST" && std::mem::take(&mut first) {
            let headers = vec![("content-type", "application/json".to_owned()), ("etag", "\"1\"".to_owned())];
            return Intercept::Answer { status: 200, headers, body: theirs.clone() };
        }
        Intercept::Pass
    });
    let report = device.engine.flush().await.unwrap();
    assert_eq!((report.pushed, report.conflicts), (0, 1));
    assert_eq!(device.app.state().notes["a"].title, "theirs", "last write wins: theirs is later");
}

#[tokio::test]
async fn a_cursor_of_the_wrong_type_stops_the_pull_and_moves_nothing() {
    let (folder, server) = (Folder::new(), server());
    let device = Device::open(&folder.file("a.db"), &server.base_url()).await;
    server.intercept(|_| Intercept::Answer {
        status: 200,
        headers: vec![("content-type", "application/json".to_owned())],
        body: r#"{"items":[],"cursor":{"at":7},"hasMore":false}"#.to_owned(),
    });
    let report = device.engine.pull_only::<Note>().await.unwrap();
    let told = report.errors[0].to_string();
    assert!(told.contains("cursor"), "{told}");
    server.heal();
    assert!(device.engine.pull_only::<Note>().await.unwrap().is_clean());
    assert_eq!(server.requests().last().unwrap().query, "limit=500", "nothing was taken for a cursor");
}

#[test]
fn a_malformed_base_url_says_what_is_wrong_with_it() {
    for (url, wrong) in [
        ("", "it is empty"),
        ("api.example.com", "does not start with `https://`"),
        ("ftp://example.com", "its scheme is `ftp`"),
        ("https://", "empty host"),
        ("https://x/?q=1", "it has a query"),
        ("https://x/#top", "it has a fragment"),
        ("https://x/a b", "white space"),
        ("https://user:secret@x/", "password"),
    ] {
        let error = RestRemote::new(url).unwrap_err();
        let told = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        let told: Vec<_> = told.map(ToString::to_string).collect();
        assert!(told.iter().any(|told| told.contains(wrong)), "{url}: {told:?}");
        assert!(!told.concat().contains("secret"), "{told:?}");
    }
}

/// serde's JSON would write `null`, which is no reading: neither the server nor this device could tell what it was.
#[tokio::test]
async fn a_number_that_json_has_no_form_for_is_refused_where_it_is_pushed() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/readings", conflict = ServerWins, replica)]
    struct Reading {
        id: u64,
        celsius: f64,
    }

    #[derive(Schema)]
    #[sync(entities(Reading))]
    struct Gateway;

    let building = Engine::builder(Gateway, ScriptedRemote::new(), MemoryStorage::new()).build();
    let engine = building.await.unwrap();
    let readings = [Reading { id: 1, celsius: 21.5 }, Reading { id: 2, celsius: f64::NAN }];
    let error = engine.push_all(&readings).await.unwrap_err();
    let Error::Encode { record, source } = &error else { panic!("{error:?}") };
    assert_eq!(record.key.as_str(), "2");
    assert!(source.to_string().starts_with("`celsius` is NaN"), "{source}");
    assert_eq!(error.to_string(), format!("Reading `2` cannot be written as JSON: {source}"));
    assert_eq!(engine.queue_len(), 0, "all of them or none");
}

/// Sets a limit on the storage's own connection, as a disk or a mount would.
async fn limit(device: &Device, pragma: &'static str, value: i64) {
    let set = device.storage.transaction(&device.engine, move |tx| {
        tx.connection().pragma_update(None, pragma, value)?;
        Ok::<_, sync::BoxError>(())
    });
    set.await.unwrap();
}

#[tokio::test]
async fn a_full_disk_is_a_typed_error_and_work_goes_on_when_there_is_room() {
    let (folder, server) = (Folder::new(), server());
    let device = Device::open(&folder.file("a.db"), &server.base_url()).await;
    device.engine.push(&note("before", "x", 0)).await.unwrap();
    limit(&device, "max_page_count", 1).await; // as many as there are already
    let large = note("large", &"x".repeat(100_000), 0);
    let error = device.engine.push(&large).await.unwrap_err();
    let Error::Storage(cause) = &error else { panic!("{error}") };
    assert!(matches!(**cause, sync::StorageError::Full { .. }), "{cause:?}");
    let told = error.to_string();
    assert!(told.contains("a.db is full") && told.contains("make room and try again"), "{told}");
    assert_eq!(device.engine.queue_len(), 1, "nothing of it is counted");
    limit(&device, "max_page_count", 1_000_000).await;
    device.engine.push(&large).await.unwrap();
    assert!(device.engine.flush().await.unwrap().is_clean());
    assert_eq!(server.records("/notes").len(), 2);
}
