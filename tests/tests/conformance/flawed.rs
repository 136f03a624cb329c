//! The reference server with one flaw: what comes between it and those who ask.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use reqwest::Client;
use serde_json::{Value, json};
use sync_examples::server::Server;
use tokio::net::TcpListener;
use tokio::sync::Barrier;
use tokio::task::JoinHandle;

use crate::flaw::Flaw;
use crate::listed::{self, changed_at};
use crate::rewritten::rewritten;

pub struct Flawed {
    port: u16,
    between: Arc<Between>,
    task: JoinHandle<()>,
}

impl Drop for Flawed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub struct Between {
    pub flaw: Flaw,
    server: String,
    http: Client,
    pub count: AtomicU64,
    /// The version that each record was last seen to have, by its path.
    versions: Mutex<HashMap<String, String>>,
    /// The title that each record was created with, by its id.
    pub created: Mutex<HashMap<String, Value>>,
    /// The idempotency keys of what it has done.
    keys: Mutex<HashSet<HeaderValue>>,
    both_have_looked: Barrier,
    /// What was asked before: each path, with the idempotency key.
    asked_before: Mutex<HashSet<(String, Option<HeaderValue>)>>,
    /// The last key for each path, and what the server knows it as.
    last_keys: Mutex<HashMap<String, (HeaderValue, HeaderValue)>>,
}

impl Flawed {
    pub async fn before(server: &Server, flaw: Flaw) -> Self {
        let between = Arc::new(Between {
            flaw,
            server: server.base_url(),
            http: Client::new(),
            count: AtomicU64::new(0),
            versions: Mutex::default(),
            created: Mutex::default(),
            keys: Mutex::default(),
            both_have_looked: Barrier::new(2),
            asked_before: Mutex::default(),
            last_keys: Mutex::default(),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&between));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { port, between, task }
    }

    /// How many requests were turned away.
    pub fn turned_away(&self) -> u64 {
        self.between.count.load(Ordering::SeqCst)
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

async fn answer(State(between): State<Arc<Between>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let path = head.uri.path_and_query().unwrap().to_string();
    if let Some(instead) = between.instead(&head, &path, &body) {
        return instead;
    }
    let is_gone = async || {
        let id = match head.method {
            Method::POST => {
                serde_json::from_slice::<Value>(&body).unwrap()["id"].as_str().map(ToOwned::to_owned)
            }
            _ => path.rsplit('/').next().map(ToOwned::to_owned),
        };
        let url = format!("{}/notes/{}", between.server, id.unwrap_or_default());
        between.http.get(url).bearer_auth("the-token").send().await.unwrap().status() == StatusCode::GONE
    };
    let mut headers = head.headers;
    let key = headers.get("idempotency-key").cloned();
    let may_be_compressed =
        headers.get("accept-encoding").is_some_and(|all| all.to_str().unwrap().contains("gzip"));
    match (between.flaw, head.method.as_str()) {
        (Flaw::CreatesAgainWhatWasDeleted, "POST") if is_gone().await => forget_key(&mut headers),
        (Flaw::PutsBackItsLastVersion, "PUT")
            if headers.get("if-match").is_some_and(|version| between.was_last(&path, version))
                && is_gone().await =>
        {
            headers.remove("if-match");
        }
        (Flaw::PutsNothingBack, "PUT") if is_gone().await => return StatusCode::NOT_FOUND.into_response(),
        (Flaw::CreatesNothingAgain, "POST") if is_gone().await => {
            return StatusCode::CONFLICT.into_response();
        }
        _ => {}
    }
    let (path, headers) = between.asked(&head.method, &path, headers);
    let url = format!("{}{path}", between.server);
    let (method, url, headers, body) = between.instead_of(&head.method, url, headers, body).await;
    let ask = async |method: Method, url: String| {
        between.http.request(method, url).headers(headers.clone()).body(body.clone()).send().await.unwrap()
    };
    let old = match (between.flaw, head.method.as_str()) {
        (Flaw::AnswersWithTheOldRecord, "PATCH") => Some(ask(Method::GET, url.clone()).await),
        _ => None,
    };
    let mut answered = ask(method.clone(), url.clone()).await;
    if between.flaw == Flaw::CompressesWhatMayBe
        && let Some(tag) = answered.headers().get("etag").filter(|_| may_be_compressed)
    {
        let weak = format!("W/{}", tag.to_str().unwrap()).parse().unwrap();
        answered.headers_mut().insert("etag", weak);
    }
    if between.flaw == Flaw::SomebodyWrites && between.let_somebody_write(&path, &body, &mut answered).await {
        answered = ask(method, url.clone()).await;
    }
    if between.flaw == Flaw::CreatesOverWhatIsThere && answered.status() == StatusCode::CONFLICT {
        let record: Value = serde_json::from_slice(&body).unwrap();
        answered = ask(Method::PUT, format!("{url}/{}", record["id"].as_str().unwrap())).await;
    }
    let (mut status, headers) = (answered.status(), answered.headers().clone());
    if between.flaw == Flaw::ReportsWhatItDidBefore
        && let Some(key) = key.filter(|_| status.is_success())
        && !between.keys.lock().unwrap().insert(key)
    {
        status = StatusCode::ALREADY_REPORTED;
    }
    if let Some(version) = headers.get("etag").and_then(|tag| tag.to_str().ok()) {
        between.versions.lock().unwrap().insert(path.clone(), version.to_owned());
    }
    if headers.get("content-type").is_some_and(|kind| kind.to_str().unwrap().starts_with("text/event-stream"))
    {
        return (status, headers, Body::from_stream(answered.bytes_stream())).into_response();
    }
    let body = old.filter(|_| status.is_success()).unwrap_or(answered).bytes().await.unwrap();
    between.answered(&head.method, &path, status, headers, body)
}

impl Between {
    /// Whether a record had this version when it was last seen.
    fn was_last(&self, path: &str, version: &HeaderValue) -> bool {
        self.versions.lock().unwrap().get(path).is_some_and(|last| version == last)
    }

    /// What is done in place of a write.
    async fn instead_of(
        &self,
        method: &Method,
        url: String,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> (Method, String, HeaderMap, Bytes) {
        let as_it_is = |headers| (method.clone(), url.clone(), headers, body.clone());
        let races = String::from_utf8_lossy(&body).contains("raced");
        let there = async |url: &str| self.http.get(url).bearer_auth("the-token").send().await.unwrap();
        match (self.flaw, method.as_str()) {
            (Flaw::ReplacesWhatItUpdates, "PATCH") if there(&url).await.status() == StatusCode::OK => {
                (Method::PUT, url, headers, body)
            }
            (Flaw::KeepsWhatBecameNull, "PATCH") => {
                let mut update: Value = serde_json::from_slice(&body).unwrap();
                update.as_object_mut().unwrap().retain(|_, member| !member.is_null());
                (Method::PATCH, url, headers, update.to_string().into())
            }
            // Two have looked before one of them writes.
            (Flaw::UpdatesWithoutALock, "PATCH") if races => {
                let is_current = there(&url).await.headers().get("etag") == headers.get("if-match");
                self.both_have_looked.wait().await;
                if is_current {
                    headers.remove("if-match");
                }
                as_it_is(headers)
            }
            (Flaw::CreatesWithoutALock, "POST") if races => {
                let record: Value = serde_json::from_slice(&body).unwrap();
                let of_the_record = format!("{url}/{}", record["id"].as_str().unwrap());
                let is_free = there(&of_the_record).await.status() != StatusCode::OK;
                self.both_have_looked.wait().await;
                if is_free { (Method::PUT, of_the_record, headers, body) } else { as_it_is(headers) }
            }
            _ => as_it_is(headers),
        }
    }

    /// After the record of the rule about the end of the list, and behind the page that shows the end. Answers whether it took the page.
    async fn let_somebody_write(&self, path: &str, body: &Bytes, answered: &mut reqwest::Response) -> bool {
        if body.ends_with(br#""title":"last","updatedAt":"2026-01-01T00:00:00Z"}"#) {
            self.count.store(1, Ordering::SeqCst);
            return false;
        }
        if !path.contains("since=") || self.count.load(Ordering::SeqCst) != 1 {
            return false;
        }
        let mut page = Vec::new();
        while let Some(chunk) = answered.chunk().await.unwrap() {
            page.extend(chunk);
        }
        let page: Value = serde_json::from_slice(&page).unwrap();
        if page["items"].as_array().unwrap().is_empty() {
            self.count.store(2, Ordering::SeqCst);
            let theirs = json!({ "id": "theirs", "title": "theirs" }).to_string();
            let post = self.http.post(format!("{}/notes", self.server)).bearer_auth("the-token");
            assert!(post.body(theirs).send().await.unwrap().status().is_success());
        }
        true
    }

    /// An answer without the server.
    fn instead(&self, head: &Parts, path: &str, body: &Bytes) -> Option<Response> {
        let status = |status: StatusCode| Some(status.into_response());
        match (self.flaw, head.method.as_str()) {
            (Flaw::UpdatesNothing, "PATCH") | (Flaw::DeletesNothing, "DELETE") => {
                status(StatusCode::NO_CONTENT)
            }
            (Flaw::HasMoved, _) if !path.starts_with("/moved") => Some(moved(&format!("/moved{path}"))),
            (Flaw::HasMovedElsewhere, _) => Some(moved(&format!("{}{path}", self.server))),
            (Flaw::TakesUuidsOnly, "POST") => {
                let record: Value = serde_json::from_slice(body).unwrap_or_default();
                let id = record["id"].as_str().unwrap_or_default();
                let refusal = axum::Json(json!({ "title": "the id is no UUID" }));
                let refused = (StatusCode::UNPROCESSABLE_ENTITY, refusal).into_response();
                id.parse::<uuid::Uuid>().is_err().then_some(refused)
            }
            (Flaw::ForbidsDeletions, "DELETE") => status(StatusCode::FORBIDDEN),
            (Flaw::SaysNothingOfWhatItKeeps, "DELETE") => {
                self.asked_before.lock().unwrap().insert((path.to_owned(), None));
                status(StatusCode::UNAUTHORIZED)
            }
            (Flaw::SaysNothingOfWhatItKeeps, "GET")
                if self.asked_before.lock().unwrap().contains(&(path.to_owned(), None)) =>
            {
                status(StatusCode::UNAUTHORIZED)
            }
            (Flaw::LimitsItsRate, _) if !path.ends_with("/changes") => {
                let key = head.headers.get("idempotency-key").cloned();
                let is_first = self.asked_before.lock().unwrap().insert((path.to_owned(), key));
                let later = (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "0")]).into_response();
                is_first.then_some(later)
            }
            (Flaw::IsNeverReady, _) => {
                self.count.fetch_add(1, Ordering::SeqCst);
                Some((StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "0")]).into_response())
            }
            (Flaw::TakesWholeUpdatesOnly, "PATCH") => {
                let update: Value = serde_json::from_slice(body).unwrap();
                let whole = ["id", "title", "body"].iter().all(|name| update.get(name).is_some());
                (!whole).then_some(StatusCode::UNPROCESSABLE_ENTITY.into_response())
            }
            (Flaw::TakesNoNull, "PATCH") => {
                let update: Value = serde_json::from_slice(body).unwrap();
                let has_null = update.as_object().unwrap().values().any(Value::is_null);
                has_null.then_some(StatusCode::UNPROCESSABLE_ENTITY.into_response())
            }
            (Flaw::TakesNoPut, "PUT") => status(StatusCode::METHOD_NOT_ALLOWED),
            (Flaw::DecodesPathsTooEarly, _) if path.contains('%') && !path.contains('?') => {
                status(StatusCode::NOT_FOUND)
            }
            (Flaw::TakesAnything, "POST") if !body.starts_with(b"{") => status(StatusCode::CREATED),
            (Flaw::NoStream, "GET") if path.ends_with("/changes") => status(StatusCode::NOT_FOUND),
            (Flaw::StreamIsSilent, "GET") if path.ends_with("/changes") => {
                let silence = futures::stream::pending::<Result<Bytes, std::io::Error>>();
                let head = [("content-type", "text/event-stream")];
                Some((StatusCode::OK, head, Body::from_stream(silence)).into_response())
            }
            (Flaw::ListsNothingAfterACursor, "GET") if path.contains("since=") => {
                let since = path.split("since=").nth(1).unwrap().split('&').next().unwrap();
                Some(axum::Json(json!({ "items": [], "cursor": since, "hasMore": false })).into_response())
            }
            _ => None,
        }
    }

    /// Another question than the one that came.
    fn asked(&self, method: &Method, path: &str, mut headers: HeaderMap) -> (String, HeaderMap) {
        let path = path.trim_start_matches("/moved").to_owned();
        headers.remove("host");
        headers.remove("content-length");
        headers.remove("accept-encoding");
        match (self.flaw, method.as_str()) {
            (Flaw::ForgetsKeysOfCreations, "POST")
            | (Flaw::ForgetsKeysOfUpdates, "PATCH")
            | (Flaw::ForgetsKeysOfOverwrites, "PUT")
            | (Flaw::ForgetsKeysOfDeletions, "DELETE") => forget_key(&mut headers),
            (Flaw::UpdatesAgain, "PATCH")
                if !self.keys.lock().unwrap().insert(headers["idempotency-key"].clone()) =>
            {
                forget_key(&mut headers);
                headers.remove("if-match");
            }
            (Flaw::KnowsTheLastKeyOnly, "PATCH") => {
                let key = headers["idempotency-key"].clone();
                let mut last = self.last_keys.lock().unwrap();
                if last.get(&path).is_none_or(|(known, _)| *known != key) {
                    forget_key(&mut headers);
                    last.insert(path.clone(), (key, headers["idempotency-key"].clone()));
                }
                headers.insert("idempotency-key", last[&path].1.clone());
            }
            (Flaw::UpdatesAnyVersion, "PATCH")
            | (Flaw::OverwritesAnyVersion, "PUT")
            | (Flaw::DeletesAnyVersion, "DELETE") => {
                headers.remove("if-match");
            }
            (Flaw::OverwritesAgain, "PUT") => {
                forget_key(&mut headers);
                headers.remove("if-match");
            }
            (Flaw::PagesAreTooLarge, "GET") => return (path.replace("limit=", "limit=1"), headers),
            _ => {}
        }
        (listed::asked(self.flaw, path), headers)
    }

    /// Another answer than the server's.
    fn answered(
        &self,
        method: &Method,
        path: &str,
        status: StatusCode,
        headers: HeaderMap,
        body: Bytes,
    ) -> Response {
        let list = method == Method::GET && path.contains('?');
        let json: Value = serde_json::from_slice(&body).unwrap_or_default();
        let changed = match (self.flaw, method.as_str()) {
            _ if list && status == StatusCode::OK => Some(self.listed(json)),
            (Flaw::ReadsAnotherText, "GET") if status == StatusCode::OK => {
                let mut record = json;
                record["title"] = "another text".into();
                Some(record)
            }
            (Flaw::ConflictsWithoutRecord, _) if matches!(status.as_u16(), 409 | 412) => Some(json!({})),
            (Flaw::UpdatesWhatIsNotThere, "PATCH") if status == StatusCode::NOT_FOUND => {
                return StatusCode::NO_CONTENT.into_response();
            }
            (Flaw::AnswersWithTheTombstone, "PATCH") if status == StatusCode::GONE => {
                let id = path.rsplit('/').next().unwrap();
                return axum::Json(json!({ "id": id, "deleted": true })).into_response();
            }
            (Flaw::SaysItWithAPage, _) if status.is_client_error() => return page(status),
            (Flaw::AnswersWithAPage, "POST" | "PATCH" | "PUT" | "DELETE") if status.is_success() => {
                return page(StatusCode::OK);
            }
            (Flaw::AnswersWithAWord, "POST" | "PATCH" | "PUT" | "DELETE") if status.is_success() => {
                return axum::Json(json!({ "ok": true })).into_response();
            }
            (Flaw::AnswersWithTheId, "POST" | "PATCH" | "PUT") if status.is_success() => {
                Some(json!({ "id": json["id"], "status": "ok" }))
            }
            (Flaw::AnswersWithAnotherId, "POST" | "PATCH" | "PUT") if status.is_success() => {
                let mut record = json;
                record["id"] = "another".into();
                Some(record)
            }
            (Flaw::AnswersWithWhatIsThere, "POST") if status == StatusCode::CONFLICT => {
                return axum::Json(json["current"].clone()).into_response();
            }
            (Flaw::GivesNoCursors, "GET") if status == StatusCode::OK => {
                let tag = headers["etag"].to_str().unwrap().trim_matches('"').to_owned();
                let mut record = json;
                record["updatedAt"] = changed_at(&tag).into();
                Some(record)
            }
            (Flaw::RefusesWithoutAWord, "POST") if status.is_client_error() => return status.into_response(),
            (Flaw::ListsWhatWasCreated, "POST") if status.is_success() => {
                let id = json["id"].as_str().unwrap().to_owned();
                self.created.lock().unwrap().insert(id, json["title"].clone());
                None
            }
            _ => None,
        };
        let mut headers = headers;
        headers.remove("content-length");
        headers.remove("transfer-encoding");
        if self.flaw == Flaw::TellsNoVersions {
            headers.remove("etag");
        }
        let body = changed.map_or(body, |changed| changed.to_string().into());
        let body = rewritten(self.flaw, body);
        (status, headers, body).into_response()
    }
}

fn page(status: StatusCode) -> Response {
    (status, [("content-type", "text/html; charset=utf-8")], "<h1>It works!</h1>").into_response()
}

fn moved(to: &str) -> Response {
    (StatusCode::PERMANENT_REDIRECT, [("location", to)]).into_response()
}

/// Makes another operation of a request.
fn forget_key(headers: &mut HeaderMap) {
    headers.insert("idempotency-key", uuid::Uuid::new_v4().to_string().parse().unwrap());
}
