//! The reference server with one flaw: what comes between it and those who ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use reqwest::Client;
use serde_json::{Value, json};
use sync_examples::server::Server;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    ReadsAnotherText,
    ForgetsKeysOfCreations,
    ForgetsKeysOfUpdates,
    UpdatesNothing,
    UpdatesAnyVersion,
    ConflictsWithoutRecord,
    UpdatesWhatIsNotThere,
    TakesNoPut,
    DeletesNothing,
    DeletesAnyVersion,
    DecodesPathsTooEarly,
    ListsOtherVersions,
    PagesAreTooLarge,
    ListsNothingAfterACursor,
    HidesTombstones,
    CursorsMoveByThemselves,
    MissesWhatIsWrittenMeanwhile,
    TakesAnything,
    RefusesWithoutAWord,
    StreamIsSilent,
    NoStream,
}

pub struct Flawed {
    port: u16,
    task: JoinHandle<()>,
}

impl Drop for Flawed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Between {
    flaw: Flaw,
    server: String,
    http: Client,
    count: AtomicU64,
}

impl Flawed {
    pub async fn before(server: &Server, flaw: Flaw) -> Self {
        let between =
            Between { flaw, server: server.base_url(), http: Client::new(), count: AtomicU64::new(0) };
        let router = Router::new().fallback(answer).with_state(Arc::new(between));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { port, task }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

async fn answer(State(between): State<Arc<Between>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let path = head.uri.path_and_query().unwrap().to_string();
    if let Some(instead) = between.instead(&head.method, &path, &body) {
        return instead;
    }
    let (path, headers) = between.asked(&head.method, path, head.headers);
    let url = format!("{}{path}", between.server);
    let answered =
        between.http.request(head.method.clone(), url).headers(headers).body(body).send().await.unwrap();
    let (status, headers) = (answered.status(), answered.headers().clone());
    if headers.get("content-type").is_some_and(|kind| kind.to_str().unwrap().starts_with("text/event-stream"))
    {
        return (status, headers, Body::from_stream(answered.bytes_stream())).into_response();
    }
    let body = answered.bytes().await.unwrap();
    between.answered(&head.method, &path, status, headers, body)
}

impl Between {
    /// An answer without the server.
    fn instead(&self, method: &Method, path: &str, body: &Bytes) -> Option<Response> {
        let status = |status: StatusCode| Some(status.into_response());
        match (self.flaw, method.as_str()) {
            (Flaw::UpdatesNothing, "PATCH") | (Flaw::DeletesNothing, "DELETE") => {
                status(StatusCode::NO_CONTENT)
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
    fn asked(&self, method: &Method, path: String, mut headers: HeaderMap) -> (String, HeaderMap) {
        headers.remove("host");
        headers.remove("content-length");
        headers.remove("accept-encoding");
        match (self.flaw, method.as_str()) {
            (Flaw::ForgetsKeysOfCreations, "POST") | (Flaw::ForgetsKeysOfUpdates, "PATCH") => {
                headers.insert("idempotency-key", uuid::Uuid::new_v4().to_string().parse().unwrap());
            }
            (Flaw::UpdatesAnyVersion, "PATCH") | (Flaw::DeletesAnyVersion, "DELETE") => {
                headers.remove("if-match");
            }
            (Flaw::PagesAreTooLarge, "GET") => return (path.replace("limit=", "limit=1"), headers),
            (Flaw::CursorsMoveByThemselves, "GET") if path.contains("since=") => {
                let (before, rest) = path.split_once("since=").unwrap();
                let (since, after) = rest.split_once('&').unwrap();
                let real = since.split('~').next().unwrap();
                return (format!("{before}since={real}&{after}"), headers);
            }
            _ => {}
        }
        (path, headers)
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
            (Flaw::ReadsAnotherText, "GET") if !list && status == StatusCode::OK => {
                let mut record = json;
                record["title"] = "another text".into();
                Some(record)
            }
            (Flaw::ConflictsWithoutRecord, _) if matches!(status.as_u16(), 409 | 412) => Some(json!({})),
            (Flaw::UpdatesWhatIsNotThere, "PATCH") if status == StatusCode::NOT_FOUND => {
                return StatusCode::NO_CONTENT.into_response();
            }
            (Flaw::RefusesWithoutAWord, "POST") if status.is_client_error() => return status.into_response(),
            (Flaw::ListsOtherVersions, "GET") if list => Some(each_item(json, |item| {
                item["version"] = "another".into();
                true
            })),
            (Flaw::HidesTombstones, "GET") if list => Some(each_item(json, |item| item["deleted"] != true)),
            (Flaw::MissesWhatIsWrittenMeanwhile, "GET") if list => {
                let mut first = true;
                Some(each_item(json, |item| item["title"] != "at once" || !std::mem::take(&mut first)))
            }
            (Flaw::CursorsMoveByThemselves, "GET") if list => {
                let mut page = json;
                let count = self.count.fetch_add(1, Ordering::SeqCst);
                page["cursor"] = format!("{}~{count}", page["cursor"].as_str().unwrap()).into();
                Some(page)
            }
            _ => None,
        };
        let mut headers = headers;
        headers.remove("content-length");
        headers.remove("transfer-encoding");
        let body = changed.map_or(body, |changed| changed.to_string().into());
        (status, headers, body).into_response()
    }
}

/// A page with its items changed, and without those for which the answer is no.
fn each_item(mut page: Value, mut keep: impl FnMut(&mut Value) -> bool) -> Value {
    if let Some(items) = page["items"].as_array_mut() {
        items.retain_mut(|item| keep(item));
    }
    page
}
