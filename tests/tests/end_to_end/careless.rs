//! Servers that tell no deletions, check no versions, or say yes to anything: an engine that lists, reads and asks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use sync::remote::rest::{MemberPath, Paging, PullDialect};
use sync::{Dialect, RestRemote, SyncError};
use sync_tests::device::{Device, Folder};
use sync_tests::entities::{Note, note};
use tokio::net::TcpListener;

/// What the server has, and what it hides from its list.
#[derive(Default)]
struct Held {
    records: BTreeMap<String, Value>,
    hidden: Vec<String>,
    /// Answers each list with nothing at all.
    lists_nothing: bool,
    /// The requests for single records.
    asked: Vec<String>,
}

#[derive(Clone, Default)]
struct Careless(Arc<Mutex<Held>>);

impl Careless {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap()
    }

    async fn url(&self) -> String {
        let router = Router::new()
            .route("/notes", axum::routing::any(list))
            .route("/notes/{id}", axum::routing::any(one))
            .fallback(|| async { axum::Json(json!([])) })
            .with_state(self.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        url
    }
}

async fn list(State(server): State<Careless>, method: Method, body: Bytes) -> Response {
    let mut held = server.held();
    if method == Method::POST {
        let record: Value = serde_json::from_slice(&body).unwrap();
        held.records.insert(record["id"].as_str().unwrap().to_owned(), record.clone());
        return (StatusCode::CREATED, axum::Json(record)).into_response();
    }
    let shown = held.records.iter().filter(|(id, _)| !held.lists_nothing && !held.hidden.contains(*id));
    axum::Json(shown.map(|(_, record)| record.clone()).collect::<Vec<_>>()).into_response()
}

async fn one(
    State(server): State<Careless>,
    method: Method,
    Path(id): Path<String>,
    body: Bytes,
) -> Response {
    let mut held = server.held();
    match method.as_str() {
        "GET" => {
            held.asked.push(id.clone());
            match held.records.get(&id) {
                Some(record) => axum::Json(record.clone()).into_response(),
                None => StatusCode::NOT_FOUND.into_response(),
            }
        }
        // It says yes to everything, and changes what it has.
        "PATCH" | "PUT" => {
            if let Some(record) = held.records.get_mut(&id) {
                *record = serde_json::from_slice(&body).unwrap();
            }
            StatusCode::NO_CONTENT.into_response()
        }
        _ => {
            held.records.remove(&id);
            StatusCode::NO_CONTENT.into_response()
        }
    }
}

/// A list that comes whole, and nothing else that a device could rely on.
fn dialect() -> Dialect {
    let pull = PullDialect { parameters: Vec::new(), paging: Paging::Whole, ..Dialect::json_server().pull };
    assert_eq!(pull.items, MemberPath::whole());
    Dialect { pull, ..Dialect::json_server() }
}

async fn device(server: &Careless, folder: &Folder, dialect: Dialect) -> Device {
    let remote = RestRemote::builder(server.url().await).dialect(dialect).build().unwrap();
    Device::with(&folder.file("a.db"), remote).await
}

fn json(note: &Note) -> Value {
    serde_json::to_value(note).unwrap()
}

async fn filled(count: usize) -> (Careless, Folder, Device) {
    let (server, folder) = (Careless::default(), Folder::new());
    for n in 0..count {
        let id = format!("{n:03}");
        server.held().records.insert(id.clone(), json(&note(&id, "theirs", 0)));
    }
    let device = device(&server, &folder, dialect()).await;
    device.engine.pull_only::<Note>().await.unwrap();
    assert_eq!(device.app.state().notes.len(), count);
    server.held().asked.clear();
    (server, folder, device)
}

#[tokio::test]
async fn what_is_missing_in_a_list_is_asked_for_and_then_gone() {
    let (server, _folder, device) = filled(5).await;
    server.held().records.remove("003");
    let report = device.engine.pull_only::<Note>().await.unwrap();
    assert!(report.is_clean(), "{:?}", report.errors);
    assert!(!device.app.state().notes.contains_key("003"));
    assert_eq!(device.app.state().notes.len(), 4);
    assert_eq!(server.held().asked, ["003"], "only what was missing");
}

#[tokio::test]
async fn what_is_missing_in_a_list_and_exists_is_not_deleted() {
    let (server, _folder, device) = filled(5).await;
    server.held().hidden.push("003".to_owned());
    let report = device.engine.pull_only::<Note>().await.unwrap();
    assert!(report.is_clean(), "{:?}", report.errors);
    assert_eq!(device.app.state().notes.len(), 5);
    assert_eq!(server.held().asked, ["003"]);
}

#[tokio::test]
async fn an_empty_list_is_not_read_as_everything_was_deleted() {
    let (server, _folder, device) = filled(300).await;
    server.held().lists_nothing = true;
    let report = device.engine.pull_only::<Note>().await.unwrap();
    let error = report.errors.first().expect("it is reported");
    assert!(matches!(&**error, SyncError::IncompleteList { missing: 10, .. }), "{error:?}");
    assert!(error.to_string().contains("is not believed"), "{error}");
    assert_eq!(device.app.state().notes.len(), 300, "nothing was deleted");
    assert_eq!(server.held().asked.len(), 10, "and the server was not asked for each of them");
    server.held().lists_nothing = false;
    assert!(device.engine.pull_only::<Note>().await.unwrap().is_clean());
}

#[tokio::test]
async fn a_deleted_record_with_an_edit_that_waits_is_a_conflict_and_not_lost() {
    let (server, _folder, device) = filled(2).await;
    server.held().records.remove("001");
    device.engine.push(&note("001", "mine", 5)).await.unwrap();
    let report = device.engine.full_sync().await.unwrap();
    assert!(report.is_clean(), "{:?}", report.errors);
    assert_eq!(report.conflicts, 1, "{report:?}");
    assert_eq!(server.held().records["001"]["title"], "mine", "an edit wins over a deletion");
}

#[tokio::test]
async fn a_server_without_a_version_check_is_read_before_it_is_overwritten() {
    let (server, _folder, device) = filled(1).await;
    server.held().records.insert("000".to_owned(), json(&note("000", "theirs, later", 9)));
    device.engine.push(&note("000", "mine, earlier", 5)).await.unwrap();
    let report = device.engine.flush().await.unwrap();
    assert_eq!(report.conflicts, 1, "{report:?}");
    assert_eq!(server.held().records["000"]["title"], "theirs, later", "the later one stands");
}

#[tokio::test]
async fn a_yes_that_proves_nothing_is_looked_into() {
    let (server, folder) = (Careless::default(), Folder::new());
    let mut dialect = Dialect { record: Dialect::json_server().record, ..dialect() };
    for write in [&mut dialect.create, &mut dialect.update, &mut dialect.overwrite, &mut dialect.delete] {
        write.check = sync::remote::rest::VersionCheck::Nothing;
    }
    dialect.update.done = vec![200];
    dialect.update.unproven = vec![204];
    let device = device(&server, &folder, dialect).await;
    device.engine.push(&note("n", "first", 0)).await.unwrap();
    device.engine.flush().await.unwrap();
    // It is gone, and the server says yes to an update of it.
    server.held().records.clear();
    device.engine.push(&note("n", "second", 1)).await.unwrap();
    let report = device.engine.flush().await.unwrap();
    assert_eq!(report.conflicts, 1, "{report:?}");
    assert_eq!(server.held().records["n"]["title"], "second", "it was made again");
}

/// A static `404 Not Found` of a router: there is a way to make records, to list and to read them, and none to change them.
#[tokio::test]
async fn a_server_that_has_no_route_for_changes_loses_no_record_and_no_edit() {
    let server = Careless::default();
    server.held().records.insert("n".to_owned(), json(&note("n", "theirs", 0)));
    let (held, folder) = (server.clone(), Folder::new());
    let read_only = axum::routing::get(async move |Path(id): Path<String>| {
        held.held().records.get(&id).cloned().map(axum::Json).ok_or(StatusCode::NOT_FOUND)
    });
    let router = Router::new()
        .route("/notes", axum::routing::any(list).with_state(server.clone()))
        .route("/notes/{id}", read_only.fallback(async || StatusCode::NOT_FOUND));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let dialect = Dialect { pull: dialect().pull, deletions: dialect().deletions, ..Dialect::default() };
    let remote = RestRemote::builder(url).dialect(dialect).build().unwrap();
    let device = Device::with(&folder.file("a.db"), remote).await;
    device.engine.pull_only::<Note>().await.unwrap();
    device.engine.push(&note("n", "mine", 5)).await.unwrap();
    let report = device.engine.flush().await.unwrap();
    assert_eq!((report.pushed, report.conflicts, report.remaining), (0, 0, 1), "{report:?}");
    let error = report.errors.first().expect("it is reported");
    assert!(matches!(&**error, SyncError::NoConflict { .. }), "{error:?}");
    assert!(error.to_string().contains("status 404, and the record is there"), "{error}");
    assert_eq!(server.held().records["n"]["title"], "theirs");
}
