//! From what the engine asks for to an HTTP request: the left half of the contract's table.

use std::borrow::Cow;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH,
};
use url::Url;

use super::base_url::{BaseUrl, OutsideBase, shown};
use super::dialect::{
    self, CursorSource, Dialect, Parameters, SentBody, Template, VersionCheck, WriteDialect,
};
use super::paging::Place;
use super::sent_body;
use super::version::if_match;
use crate::entity::EntityInfo;
use crate::record::{Problem, RecordKey, Refusal, Version, Write};
use crate::remote::{PullRequest, RemoteError, WriteRequest};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What the HTTP client can carry (its URL type holds 65,534 bytes).
const LONGEST_URL: usize = 65_000;

/// One HTTP request, without credentials.
#[derive(Clone)]
pub(super) struct Request {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
}

/// The dialect's way to send such an operation.
pub(super) fn way<'d>(dialect: &'d Dialect, write: &Write) -> &'d WriteDialect {
    match write {
        Write::Create(_) => &dialect.create,
        Write::Update(_) => &dialect.update,
        Write::Overwrite(_) => &dialect.overwrite,
        Write::Delete => &dialect.delete,
    }
}

/// One operation.
pub(super) fn write(
    base: &BaseUrl,
    request: &WriteRequest,
    dialect: &Dialect,
) -> Result<Request, RemoteError> {
    let way = way(dialect, &request.write);
    let mut url = record(base, request.entity, &request.key, &way.path)?;
    let version = request.if_match.as_ref();
    let places = |place: &str| one_record(request.entity, &request.key, place);
    append(&mut url, &way.parameters, places);
    if let (VersionCheck::Parameter { name, value }, Some(version)) = (&way.check, version) {
        let value = value.fill(|place| (place == "version").then(|| version.as_str().into()));
        url.query_pairs_mut().append_pair(name, &value);
    }
    fits(base, &url, &request.key)?;
    let mut headers = as_it_is();
    let id = HeaderValue::from_str(&request.id.to_string());
    headers.insert(IDEMPOTENCY_KEY, id.expect("a UUID is written in visible ASCII"));
    headers.extend(always(&way.headers));
    if let (VersionCheck::IfMatch, Some(version)) = (&way.check, version) {
        headers.insert(IF_MATCH, if_match(version).ok_or_else(|| unsendable(&url, "If-Match", version))?);
    }
    if let (VersionCheck::Header { name, value }, Some(version)) = (&way.check, version) {
        let text = value.fill(|place| (place == "version").then(|| version.as_str().into()));
        let value = HeaderValue::from_str(&text).map_err(|_| unsendable(&url, name, version))?;
        // The name was looked at when the remote was built.
        if let Ok(name) = HeaderName::from_bytes(name.as_bytes()) {
            headers.insert(name, value);
        }
    }
    let body = sent_body::of(request, way, &dialect.record).map_err(|error| RemoteError::Protocol {
        url: shown(&url),
        reason: "the record cannot be written as this dialect asks for".to_owned(),
        retry_after: None,
        source: Some(error.into()),
    })?;
    if body.is_some() {
        let patch = matches!(way.body, SentBody::MergePatch);
        let kind = if patch { "application/merge-patch+json" } else { "application/json" };
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    Ok(Request { method: method(way.method), url, headers, body })
}

fn method(method: dialect::Method) -> Method {
    match method {
        dialect::Method::Post => Method::POST,
        dialect::Method::Put => Method::PUT,
        dialect::Method::Patch => Method::PATCH,
        dialect::Method::Delete => Method::DELETE,
    }
}

fn unsendable(url: &Url, header: &str, version: &Version) -> RemoteError {
    RemoteError::Protocol {
        url: shown(url),
        reason: format!(
            "the record's version {:?} cannot be sent back as `{header}`: expected text without quotes and control characters",
            version.as_str()
        ),
        retry_after: None,
        source: None,
    }
}

/// One page of changes, at its place in the list.
pub(super) fn pull(
    base: &BaseUrl,
    request: &PullRequest,
    place: &Place,
    dialect: &Dialect,
) -> Result<Request, RemoteError> {
    let pull = &dialect.pull;
    let entity = request.entity;
    if let Some(address) = place.address() {
        return Ok(get(base.of_page(&address).map_err(|error| outside(base, error))?));
    }
    let mut url = collection(base, entity, &pull.path)?;
    let limit = request.limit.max(1).to_string();
    let places = |name: &str| -> Option<Cow<'_, str>> {
        Some(match name {
            "cursor" => place.since()?.into(),
            "last_id" => place.last_id().unwrap_or_default().into(),
            "limit" => (&*limit).into(),
            "updated_at" => entity.updated_at_member?.into(),
            _ => return of_entity(entity, name),
        })
    };
    let start = if place.since().is_some() { &pull.since } else { &pull.first };
    if entity.updated_at_member.is_none() && pull.needs("updated_at") {
        return Err(RemoteError::Protocol {
            url: shown(&url),
            reason: format!(
                "the dialect asks for changes by `updated_at`, and `{}` has none: mark a field with `#[sync(updated_at)]`",
                entity.name
            ),
            retry_after: None,
            source: None,
        });
    }
    append(&mut url, start, places);
    append(&mut url, &pull.parameters, places);
    for condition in request.scope.iter().flat_map(|scope| scope.iter()) {
        url.query_pairs_mut().extend_pairs(pull.scope.ask(condition));
    }
    if let Some((parameter, value)) = place.parameter(pull) {
        url.query_pairs_mut().append_pair(parameter, &value);
    }
    let by_tag =
        matches!(&pull.cursor, CursorSource::Header(name) if name.eq_ignore_ascii_case(ETAG.as_str()));
    let headers = if by_tag && !place.is_marked() { as_it_is() } else { accepting_json() };
    Ok(Request { headers, ..get(url) })
}

/// One record.
pub(super) fn fetch(
    base: &BaseUrl,
    entity: &EntityInfo,
    key: &RecordKey,
    dialect: &Dialect,
) -> Result<Request, RemoteError> {
    let fetch = &dialect.fetch;
    let mut url = record(base, entity, key, &fetch.path)?;
    append(&mut url, &fetch.parameters, |place| one_record(entity, key, place));
    fits(base, &url, key)?;
    Ok(Request { headers: as_it_is(), ..get(url) })
}

/// A stream of events. What compresses it on its way may hold an event back until enough of them have come.
pub(super) fn listen(base: &BaseUrl, entity: &EntityInfo, path: &str) -> Result<Request, RemoteError> {
    let mut url = collection(base, entity, &"{endpoint}".into())?;
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path.split('/'));
    }
    let mut headers = as_it_is();
    headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    Ok(Request { headers, ..get(url) })
}

/// What is not about one record.
pub(super) fn plain(base: &BaseUrl, entity: &EntityInfo, path: &Template) -> Result<Request, RemoteError> {
    Ok(get(collection(base, entity, path)?))
}

/// A question that any server answers somehow.
pub(super) fn probe(base: &BaseUrl) -> Request {
    Request { method: Method::HEAD, url: base.url().clone(), headers: HeaderMap::new(), body: None }
}

fn get(url: Url) -> Request {
    Request { method: Method::GET, url, headers: accepting_json(), body: None }
}

fn accepting_json() -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))])
}

/// What compresses an answer on its way changes its `ETag` (RFC 9110, section 8.8.3.3): into a weak one, which is no version, or into one with
/// a suffix, which the server then does not know. So an answer about one record, which is short, comes as it is, and so does the page of a list
/// whose `ETag` is the cursor.
fn as_it_is() -> HeaderMap {
    let mut headers = accepting_json();
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers
}

/// Headers of the dialect, which were looked at when the remote was built.
pub(super) fn always(headers: &[(String, String)]) -> HeaderMap {
    let parsed = |(name, value): &(String, String)| {
        Some((HeaderName::from_bytes(name.as_bytes()).ok()?, HeaderValue::from_str(value).ok()?))
    };
    headers.iter().filter_map(parsed).collect()
}

fn append<'v>(url: &mut Url, parameters: &Parameters, value: impl Fn(&str) -> Option<Cow<'v, str>>) {
    for (name, template) in parameters {
        url.query_pairs_mut().append_pair(&name.fill(&value), &template.fill(&value));
    }
}

fn of_entity<'e>(entity: &'e EntityInfo, place: &str) -> Option<Cow<'e, str>> {
    match place {
        "endpoint" => Some(entity.endpoint.into()),
        "id_member" => Some(entity.id_member.into()),
        _ => None,
    }
}

fn one_record<'e>(entity: &'e EntityInfo, key: &'e RecordKey, place: &str) -> Option<Cow<'e, str>> {
    if place == "id" { Some(key.as_str().into()) } else { of_entity(entity, place) }
}

fn collection(base: &BaseUrl, entity: &EntityInfo, path: &Template) -> Result<Url, RemoteError> {
    base.at(entity, path, None).map_err(|error| outside(base, error))
}

fn record(base: &BaseUrl, entity: &EntityInfo, key: &RecordKey, path: &Template) -> Result<Url, RemoteError> {
    base.at(entity, path, Some(key)).map_err(|error| outside(base, error))
}

/// Refuses what no server could be asked.
fn fits(base: &BaseUrl, url: &Url, key: &RecordKey) -> Result<(), RemoteError> {
    if url.as_str().len() <= LONGEST_URL {
        return Ok(());
    }
    // What a server would say, if the request could reach it.
    let detail = format!("the id has {} bytes and does not fit into a URL", key.as_str().len());
    let problem = Some(Box::new(Problem { detail: Some(detail), ..Problem::default() }));
    Err(RemoteError::Refused {
        url: base.to_string(),
        refusal: Refusal { status: 414, problem },
        retry_after: None,
    })
}

pub(super) fn outside(base: &BaseUrl, error: OutsideBase) -> RemoteError {
    RemoteError::Protocol {
        url: base.to_string(),
        reason: error.to_string(),
        retry_after: None,
        source: Some(error.into()),
    }
}
