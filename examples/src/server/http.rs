//! The requests and answers of the contract.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use super::filter::Filter;
use super::if_match::IfMatch;
use super::intercept::{Faults, Intercept, Seen};
use super::live::{self, Written};
use super::problem::Problem;
use super::store::{Change, Outcome, Row, Store, Verb};

/// The largest body that is taken, in bytes.
const LARGEST: usize = 8 << 20;

/// The most records in a page.
const PAGE: usize = 1000;

/// What an item of a page says besides the record: a member of the record's own with such a name would be taken for it.
const RESERVED: [&str; 2] = ["deleted", "version"];

/// What a running server holds.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) store: Store,
    pub(super) faults: Faults,
    pub(super) written: Written,
    /// From the path of a collection to the member that names its records.
    collections: BTreeMap<String, String>,
    token: Option<String>,
    latency: Duration,
}

impl Service {
    pub(super) fn new(
        store: Store,
        collections: BTreeMap<String, String>,
        token: Option<String>,
        latency: Duration,
    ) -> Self {
        Self { store, faults: Faults::default(), written: Written::default(), collections, token, latency }
    }

    pub(super) fn has(&self, collection: &str) -> bool {
        self.collections.contains_key(collection)
    }

    /// The member that names the records of a collection.
    pub(super) fn id_member(&self, collection: &str) -> &str {
        self.collections.get(collection).map_or("id", String::as_str)
    }

    /// Writes a record, or a tombstone, whatever is there.
    pub(super) fn write_unasked(
        &self,
        collection: &str,
        id: &str,
        record: Option<&Value>,
    ) -> rusqlite::Result<()> {
        let id_json = record.and_then(|record| record.get(self.id_member(collection)));
        self.store.write(collection, id, id_json, record)?;
        self.written.announce();
        Ok(())
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
    let intercept = service.faults.arrive(seen);
    if !service.latency.is_zero() {
        tokio::time::sleep(service.latency).await;
    }
    match intercept {
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
            return Err(Problem::unauthorized());
        }
    }
    if let Some(collection) = live::collection_of(&service, &parts.method, parts.uri.path(), &parts.headers) {
        return live::events(Arc::clone(&service), collection, &parts.headers);
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
    let missing = || Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at {path}"));
    let (collection, encoded) = match service.collections.get_key_value(path) {
        Some((collection, _)) => (collection.as_str(), None),
        None => path.rsplit_once('/').map(|(collection, id)| (collection, Some(id))).ok_or_else(missing)?,
    };
    let id_member = service.collections.get(collection).ok_or_else(missing)?;
    let Some(encoded) = encoded else {
        return match *method {
            Method::GET => page(&service.store, path, id_member, query.unwrap_or_default()),
            Method::POST => {
                let (record, id_json, id) = whole_record(body, id_member)?;
                let verb = Verb::Create(record);
                let request = Write { collection, id: &id, id_json: Some(&id_json), verb };
                write(service, request, headers, &remembered_as(method, path, body))
            }
            _ => Err(Problem::method("GET, POST")),
        };
    };
    let id = percent_decode_str(encoded)
        .decode_utf8()
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the id is no UTF-8, percent-encoded"))?;
    if id.is_empty() {
        return Err(missing());
    }
    let mut id_json = None;
    let verb = match *method {
        Method::GET => {
            return match service.store.get(collection, &id)? {
                Some(Row { record: Some(record), version, .. }) => {
                    Ok(with_record(200, Some(version), Some(&record)))
                }
                Some(_) => Err(Problem::new(StatusCode::GONE, format!("the record `{id}` was deleted"))),
                None => Err(missing()),
            };
        }
        Method::PATCH => {
            let members = object(body)?;
            if let Some(named) = members.get(id_member) {
                same_record(id_text(named).as_deref(), &id, id_member)?;
            }
            Verb::Update(Value::Object(members))
        }
        Method::PUT => {
            let (record, named, text) = whole_record(body, id_member)?;
            same_record(Some(&text), &id, id_member)?;
            id_json = Some(named);
            Verb::Overwrite(record)
        }
        Method::DELETE => Verb::Delete,
        _ => return Err(Problem::method("GET, PATCH, PUT, DELETE")),
    };
    let request = Write { collection, id: &id, id_json: id_json.as_ref(), verb };
    write(service, request, headers, &remembered_as(method, path, body))
}

/// What a client asks to be written, before its headers were looked at.
struct Write<'a> {
    collection: &'a str,
    id: &'a str,
    id_json: Option<&'a Value>,
    verb: Verb,
}

/// What makes two requests the same one. Not `If-Match`: what a repetition answers does not depend on it.
fn remembered_as(method: &Method, path: &str, body: &[u8]) -> String {
    format!("{method} {path}\n{}", String::from_utf8_lossy(body))
}

/// A header's text; an error where there is more than one, or no text, since leaving a precondition out is no way to read it.
fn header_text<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<Option<&'h str>, Problem> {
    let unreadable = || Problem::new(StatusCode::BAD_REQUEST, format!("send `{name}` once, as plain text"));
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value.to_str().map(Some).map_err(|_| unreadable()),
        _ => Err(unreadable()),
    }
}

fn write(
    service: &Service,
    Write { collection, id, id_json, verb }: Write<'_>,
    headers: &HeaderMap,
    request: &str,
) -> Result<Response, Problem> {
    let if_match = header_text(headers, "if-match")?
        .map(|text| {
            let wrong =
                || Problem::new(StatusCode::BAD_REQUEST, "If-Match takes entity tags such as `\"17\"`");
            IfMatch::parse(text).ok_or_else(wrong)
        })
        .transpose()?;
    let key = header_text(headers, "idempotency-key")?.map(|key| (key, request));
    let status = match verb {
        Verb::Create(_) => StatusCode::CONFLICT,
        _ => StatusCode::PRECONDITION_FAILED,
    };
    let change = Change { collection, id, id_json, verb, if_match: if_match.as_ref(), key };
    let outcome = service.store.apply(change)?;
    service.written.announce();
    match outcome {
        Outcome::Done { status, version, record } => Ok(with_record(status, version, record.as_ref())),
        Outcome::Conflict(row) => Err(Problem::conflict(status, row)),
        Outcome::Missing => Err(Problem::new(
            StatusCode::NOT_FOUND,
            format!("there is no record `{id}`: create it with POST"),
        )),
        Outcome::Gone => Err(Problem::new(
            StatusCode::GONE,
            format!("the record `{id}` was deleted: POST brings it back, or PUT without If-Match"),
        )),
        Outcome::KeyReused => Err(Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "this Idempotency-Key was used for another request: give each operation a key of its own",
        )),
    }
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
    let (mut since, mut limit, mut filters) = (0, PAGE, Vec::new());
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match &*name {
            "since" => since = cursor(store, &value)?,
            "limit" => {
                let wrong = |_| {
                    let detail = format!("`limit` is a number from 1 to {PAGE}; leave it out for {PAGE}");
                    Problem::new(StatusCode::BAD_REQUEST, detail)
                };
                limit = value.parse::<usize>().map_err(wrong)?.clamp(1, PAGE);
            }
            name => filters.push(Filter::parse(name, &value)),
        }
    }
    // One more than asked for tells whether there are more.
    let mut rows = store.since(collection, since, limit + 1)?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let cursor = rows.last().map_or(since, |row| row.version);
    // Of what is deleted everybody is told, since nobody knows any more what it was.
    let wanted = |row: &Row| {
        row.record.as_ref().is_none_or(|record| filters.iter().all(|filter| filter.holds(record)))
    };
    let items: Vec<_> = rows.into_iter().filter(wanted).map(|row| item(row, id_member)).collect();
    let body = json!({ "items": items, "cursor": cursor.to_string(), "hasMore": has_more });
    Ok(with_record(200, None, Some(&body)))
}

fn cursor(store: &Store, text: &str) -> Result<i64, Problem> {
    let newest = store.newest()?;
    text.parse().ok().filter(|cursor| (0..=newest).contains(cursor)).ok_or_else(|| {
        Problem::new(
            StatusCode::GONE,
            "this cursor is none of this server's: leave `since` out to get everything",
        )
    })
}

fn item(row: Row, id_member: &str) -> Value {
    let version = row.version.to_string();
    if let Some(Value::Object(mut record)) = row.record {
        record.insert("version".to_owned(), version.into());
        return Value::Object(record);
    }
    let id = row.id_json.unwrap_or_else(|| Value::from(row.id));
    json!({ id_member: id, "deleted": true, "version": version })
}

/// A record with its id, as JSON and as text.
fn whole_record(body: &[u8], id_member: &str) -> Result<(Value, Value, String), Problem> {
    let record = object(body)?;
    let named = record.get(id_member).and_then(|id| Some((id.clone(), id_text(id)?)));
    let (json, text) = named.ok_or_else(|| {
        Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("a record needs `{id_member}`, a string that is not empty, or a number"),
        )
    })?;
    Ok((Value::Object(record), json, text))
}

/// Whether the body speaks of the record that the path names.
fn same_record(named: Option<&str>, id: &str, id_member: &str) -> Result<(), Problem> {
    if named == Some(id) {
        return Ok(());
    }
    let detail =
        format!("`{id_member}` in the body is not `{id}`, the record of this path: make them the same");
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail))
}

fn object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    let members: Map<String, Value> = serde_json::from_slice(body).map_err(|error| {
        Problem::new(StatusCode::BAD_REQUEST, format!("the body is no JSON object: {error}"))
    })?;
    let Some(name) = RESERVED.iter().find(|name| members.contains_key(**name)) else { return Ok(members) };
    let detail = format!(
        "`{name}` is this server's own member of a record in a list: name the field otherwise, such as `#[serde(rename = \"{name}_\")]`"
    );
    Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail))
}

fn id_text(id: &Value) -> Option<String> {
    match id {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
