//! From what the engine asks for to an HTTP request: the left half of the contract's table.

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, IF_MATCH};
use url::Url;

use super::base_url::{BaseUrl, OutsideBase, shown};
use super::dialect::PullDialect;
use super::version::if_match;
use crate::entity::EntityInfo;
use crate::record::{Problem, RecordKey, Refusal, Write};
use crate::remote::{PullRequest, RemoteError, WriteRequest};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
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

/// One operation.
pub(super) fn write(base: &BaseUrl, request: &WriteRequest) -> Result<Request, RemoteError> {
    let WriteRequest { entity, key, write, .. } = request;
    let (method, url) = match write {
        Write::Create(_) => (Method::POST, collection(base, entity)?),
        Write::Update(_) => (Method::PATCH, record(base, entity, key)?),
        Write::Overwrite(_) => (Method::PUT, record(base, entity, key)?),
        Write::Delete => (Method::DELETE, record(base, entity, key)?),
    };
    let mut headers = accepting_json();
    let id = HeaderValue::from_str(&request.id.to_string());
    headers.insert(IDEMPOTENCY_KEY, id.expect("a UUID is written in visible ASCII"));
    // A record that is to be created has no version to match.
    if let (Some(version), false) = (&request.if_match, matches!(write, Write::Create(_))) {
        let value = if_match(version).ok_or_else(|| RemoteError::Protocol {
            url: shown(&url),
            reason: format!(
                "the record's version {:?} cannot be sent back as `If-Match`: expected text without quotes and control characters",
                version.as_str()
            ),
            retry_after: None,
            source: None,
        })?;
        headers.insert(IF_MATCH, value);
    }
    let body = write.payload().map(|payload| Bytes::copy_from_slice(payload.as_str().as_bytes()));
    if body.is_some() {
        headers.insert(CONTENT_TYPE, JSON);
    }
    Ok(Request { method, url, headers, body })
}

/// One page of changes.
pub(super) fn pull(
    base: &BaseUrl,
    request: &PullRequest,
    names: &PullDialect,
) -> Result<Request, RemoteError> {
    let mut url = collection(base, request.entity)?;
    {
        let mut query = url.query_pairs_mut();
        if let Some(since) = &request.since {
            query.append_pair(&names.since_parameter, since.as_str());
        }
        query.append_pair(&names.limit_parameter, &request.limit.to_string());
    }
    Ok(get(url))
}

/// One record.
pub(super) fn fetch(base: &BaseUrl, entity: &EntityInfo, key: &RecordKey) -> Result<Request, RemoteError> {
    Ok(get(record(base, entity, key)?))
}

/// A stream of events.
pub(super) fn listen(base: &BaseUrl, entity: &EntityInfo, path: &str) -> Result<Request, RemoteError> {
    let mut url = collection(base, entity)?;
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path.split('/'));
    }
    let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("text/event-stream"))]);
    Ok(Request { method: Method::GET, url, headers, body: None })
}

/// A question that any server answers somehow.
pub(super) fn probe(base: &BaseUrl) -> Request {
    Request { method: Method::HEAD, url: base.url().clone(), headers: HeaderMap::new(), body: None }
}

fn get(url: Url) -> Request {
    Request { method: Method::GET, url, headers: accepting_json(), body: None }
}

fn accepting_json() -> HeaderMap {
    HeaderMap::from_iter([(ACCEPT, JSON)])
}

fn collection(base: &BaseUrl, entity: &EntityInfo) -> Result<Url, RemoteError> {
    base.collection(entity).map_err(|error| outside(base, error))
}

fn record(base: &BaseUrl, entity: &EntityInfo, key: &RecordKey) -> Result<Url, RemoteError> {
    let url = base.record(entity, key).map_err(|error| outside(base, error))?;
    if url.as_str().len() > LONGEST_URL {
        // What a server would say, if the request could reach it.
        let detail = format!("the id has {} bytes and does not fit into a URL", key.as_str().len());
        let problem = Some(Box::new(Problem { detail: Some(detail), ..Problem::default() }));
        return Err(RemoteError::Refused {
            url: base.to_string(),
            refusal: Refusal { status: 414, problem },
            retry_after: None,
        });
    }
    Ok(url)
}

fn outside(base: &BaseUrl, error: OutsideBase) -> RemoteError {
    RemoteError::Protocol {
        url: base.to_string(),
        reason: error.to_string(),
        retry_after: None,
        source: Some(error.into()),
    }
}
