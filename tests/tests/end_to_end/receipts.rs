//! Servers that answer a write with something else than the record: the record is asked for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use chrono::TimeDelta;
use serde_json::{Value, json};
use sync::record::ParkReason;
use sync::testing::ManualClock;
use sync::{Engine, MemoryStorage, RestRemote};
use sync_tests::app::App;
use sync_tests::entities::{Note, note};
use tokio::net::TcpListener;

/// What the server has, and what it does with a write.
#[derive(Default)]
struct Held {
    records: BTreeMap<String, Value>,
    /// It gives out ids, and knows no keys.
    gives_ids: bool,
    /// It takes no update, and says so in the body.
    is_full: bool,
    /// Records are not read one by one.
    lists_only: bool,
    /// The body of each success, in place of `{"success": …}`.
    answer: Option<Value>,
    /// The methods of the writes.
    writes: Vec<Method>,
}

#[derive(Clone, Default)]
struct Telling(Arc<Mutex<Held>>);

impl Telling {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap()
    }

    async fn device(&self) -> Device {
        let router = Router::new()
            .route("/notes", axum::routing::any(list))
            .route("/notes/{id}", axum::routing::any(one))
            .with_state(self.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let (app, clock) = (App::default(), ManualClock::default());
        let remote = RestRemote::new(url).unwrap();
        let engine = Engine::builder(app.clone(), remote, MemoryStorage::new()).clock(clock.clone());
        Device { engine: engine.build().await.unwrap(), app, clock }
    }
}

struct Device {
    app: App,
    engine: Engine<App>,
    clock: ManualClock,
}

impl Device {
    /// Flushes when whatever failed is due again.
    async fn flush_later(&self) {
        self.clock.advance(TimeDelta::hours(1));
        self.engine.flush().await.unwrap();
    }
}

async fn list(State(server): State<Telling>, method: Method, body: Bytes) -> Response {
    let mut held = server.held();
    if method != Method::POST {
        let items: Vec<_> = held.records.values().cloned().collect();
        return Json(json!({ "items": items, "cursor": "1", "hasMore": false })).into_response();
    }
    held.writes.push(method);
    let mut record: Value = serde_json::from_slice(&body).unwrap();
    let given = held.records.len() + 1;
    if held.gives_ids {
        record["id"] = given.to_string().into();
    }
    held.records.insert(record["id"].as_str().unwrap().to_owned(), record);
    let receipt =
        if held.gives_ids { json!({ "data": { "id": given } }) } else { json!({ "success": true }) };
    (StatusCode::CREATED, Json(held.answer.clone().unwrap_or(receipt))).into_response()
}

async fn one(State(server): State<Telling>, method: Method, Path(id): Path<String>, body: Bytes) -> Response {
    let mut held = server.held();
    if method == Method::GET {
        return match held.records.get(&id) {
            _ if held.lists_only => StatusCode::METHOD_NOT_ALLOWED.into_response(),
            Some(record) => Json(record.clone()).into_response(),
            None => StatusCode::NOT_FOUND.into_response(),
        };
    }
    held.writes.push(method);
    if !held.is_full {
        held.records.insert(id, serde_json::from_slice(&body).unwrap());
    }
    let receipt = json!({ "success": !held.is_full });
    Json(held.answer.clone().unwrap_or(receipt)).into_response()
}

/// Why the only parked operation is parked.
async fn reason(device: &Device) -> String {
    let parked = device.engine.parked::<Note>().await.unwrap();
    let [parked] = &*parked else { panic!("{parked:?}") };
    let ParkReason::Exhausted { last, .. } = &parked.reason else { panic!("{parked:?}") };
    last.clone()
}

#[tokio::test]
async fn a_creation_whose_answer_hides_another_id_is_sent_once_and_parked() {
    let server = Telling::default();
    server.held().gives_ids = true;
    let device = server.device().await;
    device.engine.push(&note("n", "mine", 0)).await.unwrap();
    for _ in 0..10 {
        device.flush_later().await;
    }
    assert_eq!(server.held().writes, [Method::POST], "each makes one more record");
    let reason = reason(&device).await;
    for part in [r#"`{"data": …}`"#, "`answered_in`", "`AnsweredBody::Receipt`"] {
        assert!(reason.contains(part), "{part} is not in: {reason}");
    }
}

#[tokio::test]
async fn a_creation_after_which_nothing_can_be_asked_for_is_sent_once_and_parked() {
    let server = Telling::default();
    server.held().lists_only = true;
    let device = server.device().await;
    device.engine.push(&note("n", "mine", 0)).await.unwrap();
    for _ in 0..3 {
        device.flush_later().await;
    }
    assert_eq!(server.held().writes, [Method::POST]);
    assert!(reason(&device).await.contains(r#"`{"success": …}`"#));
}

/// Also when the receipt has the record's id, as a record does.
#[tokio::test]
async fn what_the_server_has_taken_is_synced_whatever_it_answers() {
    for receipt in [json!({ "success": true }), json!({ "id": "n", "status": "ok" }), json!([7]), json!("ok")]
    {
        let server = Telling::default();
        server.held().answer = Some(receipt.clone());
        let device = server.device().await;
        for (title, minute) in [("first", 0), ("second", 1)] {
            device.engine.push(&note("n", title, minute)).await.unwrap();
            let report = device.engine.flush().await.unwrap();
            assert!(report.is_clean(), "{receipt}: {:?}", report.errors);
            assert_eq!((report.pushed, report.remaining), (1, 0), "{receipt}: {report:?}");
            assert_eq!(server.held().records["n"]["title"], title);
        }
        assert_eq!(server.held().writes, [Method::POST, Method::PATCH], "{receipt}");
    }
}

#[tokio::test]
async fn an_update_that_was_not_taken_is_tried_again_and_parked_in_the_end() {
    for receipt in [None, Some(json!({ "id": "n", "status": "full" }))] {
        let server = Telling::default();
        let device = server.device().await;
        device.engine.push(&note("n", "first", 0)).await.unwrap();
        device.engine.flush().await.unwrap();
        server.held().is_full = true;
        server.held().answer = receipt.clone();
        device.engine.push(&note("n", "second", 1)).await.unwrap();
        let report = device.engine.flush().await.unwrap();
        assert_eq!((report.pushed, report.conflicts, report.remaining), (0, 0, 1), "{report:?}");
        assert_eq!(report.errors.len(), 1, "{:?}", report.errors);
        for _ in 0..20 {
            device.flush_later().await;
        }
        let reason = reason(&device).await;
        assert!(reason.contains("`AnsweredBody::Receipt`"), "{reason}");
        let parked = device.engine.parked::<Note>().await.unwrap();
        assert_eq!(parked[0].record, Some(note("n", "second", 1)), "the edit is kept");
        assert_eq!(server.held().records["n"]["title"], "first");
    }
}

#[tokio::test]
async fn what_somebody_else_wrote_meanwhile_is_a_conflict() {
    let server = Telling::default();
    let device = server.device().await;
    device.engine.push(&note("n", "first", 0)).await.unwrap();
    device.engine.flush().await.unwrap();
    server.held().is_full = true;
    let theirs = serde_json::to_value(note("n", "theirs", 9)).unwrap();
    server.held().records.insert("n".to_owned(), theirs);
    device.engine.push(&note("n", "mine", 1)).await.unwrap();
    let report = device.engine.flush().await.unwrap();
    assert_eq!((report.conflicts, report.remaining), (1, 0), "the later one stands: {report:?}");
    assert_eq!(device.app.state().notes["n"].title, "theirs");
}
