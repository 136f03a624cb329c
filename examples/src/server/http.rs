//! The requests and answers of the contract.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use super::intercept::{Faults, Intercept, Seen};
use super::problem::Problem;
use super::store::{Change, Outcome, Row, Store, Verb};

/// The largest body that is taken, in bytes.
const LARGEST: usize = 8 << 20;

/// The most records in a page.
const PAGE: usize = 1000;

/// What a running server holds.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) store: Store,
    pub(super) faults: Faults,
    /// From the path of a collection to the member that names its records.
    collections: BTreeMap<String, String>,
    token: Option<String>,
}

impl Service {
    pub(super) fn new(store: Store, collections: BTreeMap<String, String>, token: Option<String>) -> Self {
        Self { store, faults: Faults::default(), collections, token }
    }
}

/// Answers requests until the runtime is shut down.
pub(super) async fn serve(listener: std::net::TcpListener, service: Arc<Service>) {
    let router = Router::new().fallback(answer).with_state(service);
    match TcpListener::from_std(listener) {
        // It never returns.
        Ok(listener) => drop(axum::serve(listener, router).await),
        Err(error) => eprintln!("the server cannot listen: {error}"),
    }
}

async fn answer(State(service): State<Arc<Service>>, request: Request) -> Response {
    let seen = seen(&request);
    match service.faults.arrive(seen) {
        Intercept::Pass => {}
        Intercept::Delay(delay) => tokio::time::sleep(delay).await,
        Intercept::Answer { status, headers, body } => return scripted(status, headers, body),
        Intercept::Cut => return cut(),
        Intercept::CutAfter => {
            let _ = handle(service, request).await;
            return cut();
        }
    }
    handle(service, request).await.unwrap_or_else(IntoResponse::into_response)
}

/// An answer that breaks off: the client sees a connection that was cut.
fn cut() -> Response {
    let broken = futures::stream::iter([Err::<Bytes, _>(std::io::Error::other("the connection was cut"))]);
    let mut response = Response::new(Body::from_stream(broken));
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("1000"));
    response
}

fn scripted(status: u16, headers: Vec<(&'static str, String)>, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

fn seen(request: &Request) -> Seen {
    let text =
        |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
    Seen {
        method: request.method().to_string(),
        path: request.uri().path().to_owned(),
        query: request.uri().query().unwrap_or_default().to_owned(),
        idempotency_key: text("idempotency-key"),
        if_match: text("if-match"),
        authorized: request.headers().contains_key(header::AUTHORIZATION),
    }
}

async fn handle(service: Arc<Service>, request: Request) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    if let Some(token) = &service.token {
        let expected = format!("Bearer {token}");
        if parts
            .headers
            .get(header::AUTHORIZATION)
            .is_none_or(|value| value.as_bytes() != expected.as_bytes())
        {
            return Err(Problem::new(
                StatusCode::UNAUTHORIZED,
                "send `Authorization: Bearer` with a valid token",
            ));
        }
    }
    let body = to_bytes(body, LARGEST).await.map_err(|_| {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, format!("a record has at most {LARGEST} bytes"))
    })?;
    // SQLite blocks, so it stays off the runtime's threads.
    let work =
        move || route(&service, &parts.method, parts.uri.path(), parts.uri.query(), &parts.headers, &body);
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer,
        Err(_) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the server has a bug")),
    }
}

fn route(
    service: &Service,
    method: &Method,
    path: &str,
    query: Option<&str>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Problem> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let if_match = text("if-match").map(|version| version.trim_matches('"'));
    let missing = || Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at {path}"));
    if let Some(id_member) = service.collections.get(path) {
        return match *method {
            Method::GET => page(&service.store, path, id_member, query.unwrap_or_default()),
            Method::POST => {
                let record = object(body)?;
                let id = record.get(id_member).and_then(id_text);
                let id = id.ok_or_else(|| {
                    Problem::new(
                        StatusCode::UNPROCESSABLE_ENTITY,
                        format!("a record needs `{id_member}`, a string or a number"),
                    )
                })?;
                let verb = Verb::Create(Value::Object(record));
                write(service, path, &id, verb, None, text("idempotency-key"), &format!("POST {path} {id}"))
            }
            _ => Err(Problem::new(StatusCode::METHOD_NOT_ALLOWED, "a collection takes GET and POST")),
        };
    }
    let (collection, encoded) = path.rsplit_once('/').ok_or_else(missing)?;
    service.collections.get(collection).ok_or_else(missing)?;
    let id = percent_decode_str(encoded)
        .decode_utf8()
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the id is no UTF-8"))?;
    let verb = match *method {
        Method::GET => {
            return match service.store.get(collection, &id)? {
                Some(Row { record: Some(record), version, .. }) => {
                    Ok(with_record(200, Some(version), Some(&record)))
                }
                Some(_) => Err(Problem::new(StatusCode::GONE, "it was deleted")),
                None => Err(missing()),
            };
        }
        Method::PATCH => Verb::Update(Value::Object(object(body)?)),
        Method::PUT => Verb::Overwrite(Value::Object(object(body)?)),
        Method::DELETE => Verb::Delete,
        _ => {
            return Err(Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "a record takes GET, PATCH, PUT and DELETE",
            ));
        }
    };
    write(service, collection, &id, verb, if_match, text("idempotency-key"), &format!("{method} {path}"))
}

fn write(
    service: &Service,
    collection: &str,
    id: &str,
    verb: Verb,
    if_match: Option<&str>,
    key: Option<&str>,
    request: &str,
) -> Result<Response, Problem> {
    let status = match (&verb, if_match) {
        (Verb::Create(_), _) | (_, None) => 409,
        _ => 412,
    };
    let key = key.map(|key| (key, request));
    Ok(match service.store.apply(Change { collection, id, verb, if_match, key })? {
        Outcome::Done { status, version, record } => with_record(status, version, record.as_ref()),
        Outcome::Conflict(row) => {
            let body = json!({ "current": row.record });
            with_record(status, Some(row.version), Some(&body))
        }
        Outcome::Missing => {
            return Err(Problem::new(StatusCode::NOT_FOUND, format!("there is no record `{id}`")));
        }
        Outcome::Gone => {
            return Err(Problem::new(StatusCode::GONE, format!("the record `{id}` was deleted")));
        }
        Outcome::KeyReused => {
            let detail = "this Idempotency-Key was used for another request";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail));
        }
    })
}

fn with_record(status: u16, version: Option<i64>, body: Option<&Value>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let mut response = match body {
        Some(body) => {
            let kind = HeaderValue::from_static("application/json");
            (status, [(header::CONTENT_TYPE, kind)], body.to_string()).into_response()
        }
        None => status.into_response(),
    };
    if let Some(tag) = version.and_then(|version| HeaderValue::from_str(&format!("\"{version}\"")).ok()) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

fn page(store: &Store, collection: &str, id_member: &str, query: &str) -> Result<Response, Problem> {
    let (mut since, mut limit) = (0, PAGE);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "since" => since = cursor(store, &value)?,
            "limit" => limit = value.parse().unwrap_or(PAGE).clamp(1, PAGE),
            _ => {}
        }
    }
    // One more than asked for tells whether there are more.
    let mut rows = store.since(collection, since, limit + 1)?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let cursor = rows.last().map_or(since, |row| row.version);
    let items: Vec<_> = rows.into_iter().map(|row| item(row, id_member)).collect();
    let body = json!({ "items": items, "cursor": cursor.to_string(), "hasMore": has_more });
    Ok(with_record(200, None, Some(&body)))
}

fn cursor(store: &Store, text: &str) -> Result<i64, Problem> {
    let known =
        text.parse().ok().filter(|cursor| store.newest().is_ok_and(|newest| (0..=newest).contains(cursor)));
    known.ok_or_else(|| {
        Problem::new(
            StatusCode::GONE,
            "this cursor is none of this server's: leave `since` out to get everything",
        )
    })
}

fn item(row: Row, id_member: &str) -> Value {
    if let Some(Value::Object(mut record)) = row.record {
        record.insert("version".to_owned(), row.version.to_string().into());
        return Value::Object(record);
    }
    // The id as it was sent: a number, where the text is one.
    let id = row.id.parse::<i64>().map_or_else(|_| Value::from(row.id), Value::from);
    json!({ id_member: id, "deleted": true, "version": row.version.to_string() })
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    serde_json::from_slice(body).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("the body is no JSON object: {error}"))
    })
}

fn id_text(id: &Value) -> Option<String> {
    match id {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
