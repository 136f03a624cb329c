//! Any bytes as what a server says.

#![allow(clippy::missing_panics_doc, reason = "to panic is what they are for")]

use std::sync::OnceLock;

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue};
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use url::Url;

use super::dialect::{Dialect, Paging};
use super::exchange::Answer;
use super::members::kind;
use super::paging::{After, Place};
use super::redirect::{Redirect, redirect};
use super::retry_after::{LONGEST, retry_after};
use super::version::{from_etag, if_match};
use super::{RestRemote, request};
use crate::entity::EntityInfo;
use crate::record::{OperationId, Payload, RecordKey, Write};
use crate::remote::{
    Cursor, Fetched, PageItem, Position, PullRequest, RemoteError, Reply, WriteAnswer, WriteRequest,
};

const NOTES: EntityInfo = EntityInfo {
    name: "Note",
    endpoint: "/notes",
    id_member: "key",
    updated_at_member: Some("updatedAt"),
    references: &[],
    unordered: &[],
};

const BASE: &str = "http://localhost";

fn remote() -> &'static RestRemote {
    static REMOTE: OnceLock<RestRemote> = OnceLock::new();
    REMOTE.get_or_init(|| RestRemote::new(BASE).expect("the URL is one"))
}

fn said(status: StatusCode, headers: HeaderMap, body: &[u8]) -> Answer {
    let at = Url::parse("http://localhost/notes").expect("it is a URL");
    Answer { url: at.to_string(), at, status, headers, body: Ok(Bytes::copy_from_slice(body)) }
}

/// The body of a page: what is taken from it is JSON, and an item of the page.
pub fn page(data: &[u8]) {
    let request = PullRequest { entity: &NOTES, since: None, limit: 10, scope: None };
    let page = match remote().reader().pulled(&request, said(StatusCode::OK, HeaderMap::new(), data)) {
        Ok(Reply { answer, .. }) => answer,
        Err(error) => {
            assert!(matches!(error, RemoteError::Protocol { .. }), "{error:?}");
            return;
        }
    };
    page.items.iter().for_each(assert_item);
    let after =
        Place::default().after(page.end, &remote().dialect.pull).expect("this dialect needs no cursor");
    if let Position::Cursor { cursor, .. } = &after.position {
        assert!(cursor.as_str().len() <= 4096, "a cursor fits into a URL");
    }
}

/// A cursor that was kept, the headers of a page and its body, as a server says them whose dialect the first byte chooses: what is
/// asked for next is asked of this server.
pub fn dialect(data: &[u8]) {
    let Some((&which, data)) = data.split_first() else { return };
    let remotes = in_dialects();
    let remote = &remotes[usize::from(which) % remotes.len()];
    let (cursor, data) = split(data, b"\n");
    let (head, body) = split(data, b"\n\n");
    let since = std::str::from_utf8(cursor).ok().filter(|cursor| !cursor.is_empty()).map(Cursor::new);
    let (base, pull) = (&remote.base, &remote.dialect.pull);
    let request = PullRequest { entity: &NOTES, since, limit: 2, scope: None };
    let place = Place::of(request.since.as_ref(), pull);
    let Ok(asked) = request::pull(base, &request, &place, &remote.dialect) else { return };
    assert_inside(&asked.url);
    let mut page = match remote.reader().pulled(&request, said(StatusCode::OK, lines(head), body)) {
        Ok(Reply { answer, .. }) => answer,
        Err(error) => {
            assert!(matches!(error, RemoteError::Protocol { .. }), "{error:?}");
            return;
        }
    };
    page.items.iter().for_each(assert_item);
    if remote.keep_inside(&asked.url, &mut page.end).is_err() {
        return;
    }
    if let Ok(After { position: Position::Cursor { cursor, .. }, .. }) = place.after(page.end, pull) {
        let place = Place::of(Some(&cursor), pull);
        if let Ok(next) = request::pull(base, &request, &place, &remote.dialect) {
            assert_inside(&next.url);
        }
    }
}

fn in_dialects() -> &'static [RestRemote] {
    static REMOTES: OnceLock<Vec<RestRemote>> = OnceLock::new();
    REMOTES.get_or_init(|| {
        let mut linked = Dialect::default();
        linked.pull.paging = Paging::Link;
        let dialects =
            [Dialect::kinto(), Dialect::couchdb(), Dialect::json_server(), Dialect::postgrest(), linked];
        let build = |dialect| RestRemote::builder(BASE).dialect(dialect).build().expect("it is a dialect");
        dialects.into_iter().map(build).collect()
    })
}

fn split<'d>(data: &'d [u8], at: &[u8]) -> (&'d [u8], &'d [u8]) {
    let end = data.windows(at.len()).position(|window| window == at);
    end.map_or((data, &[]), |end| (&data[..end], &data[end + at.len()..]))
}

fn assert_inside(url: &Url) {
    let base = Url::parse(BASE).expect("the URL is one");
    assert_eq!(url.origin(), base.origin(), "{url}");
    assert!(url.username().is_empty() && url.password().is_none(), "{url}");
}

/// A status and a body as the answer to a write and to a read: what is taken for a record is one.
pub fn answer(data: &[u8]) {
    const STATUS: [u16; 12] = [200, 201, 204, 302, 404, 409, 410, 412, 422, 429, 500, 503];
    const CONTENT: [&str; 3] = ["application/json", "application/problem+json", "text/html"];
    let Some((&[first, second], body)) = data.split_first_chunk() else { return };
    let status = STATUS[usize::from(first) % STATUS.len()];
    let status = StatusCode::from_u16(status).expect("each of them is a status");
    let content = CONTENT[usize::from(second) % CONTENT.len()];
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content))]);
    let payload = Payload::from_json(r#"{"key":"n"}"#).expect("it is JSON");
    let write = match second >> 4 & 3 {
        0 => Write::Create(payload),
        1 => Write::Update(payload),
        2 => Write::Overwrite(payload),
        _ => Write::Delete,
    };
    let key = RecordKey::new("n").expect("it is a key");
    let id = OperationId::from_uuid(uuid::Uuid::from_u128(1));
    let request = WriteRequest {
        entity: &NOTES,
        key,
        id,
        write,
        if_match: None,
        base: None,
        cleared: Vec::new(),
        attempt: 0,
    };
    match remote().reader().written(&request, said(status, headers.clone(), body)) {
        Ok(Reply { answer, .. }) => match answer {
            WriteAnswer::Accepted { body, .. } | WriteAnswer::Conflict { body, .. } => {
                body.iter().for_each(assert_object);
            }
            WriteAnswer::Existing { body, .. } => {
                assert_object(&body.expect("this dialect compares what came"));
            }
            WriteAnswer::Unclear { .. } | WriteAnswer::Missing => {}
        },
        Err(RemoteError::Refused { refusal, .. }) => {
            let problem = refusal.problem.unwrap_or_default();
            for text in [problem.kind, problem.title, problem.detail, problem.instance].iter().flatten() {
                assert!(text.chars().count() <= 2048, "what is kept of it is short");
            }
        }
        Err(_) => {}
    }
    if let Ok(Reply { answer: Fetched::Present { body, .. }, .. }) =
        remote().reader().fetched(&NOTES, said(status, headers, body))
    {
        assert_object(&body);
    }
}

/// Lines `name: value` as headers: pauses are bounded, versions come back as they were, redirects stay at home.
pub fn headers(data: &[u8]) {
    let headers = lines(data);
    if let Some(pause) = retry_after(&headers) {
        assert!(!pause.is_zero() && pause <= LONGEST, "{pause:?}");
    }
    if let Some(version) = from_etag(&headers)
        && let Some(value) = if_match(&version)
    {
        let back = from_etag(&HeaderMap::from_iter([(ETAG, value)]));
        assert_eq!(back, Some(version), "a version goes back as it came");
    }
    let from = Url::parse("https://user.example:8443/v1/notes").expect("it is a URL");
    for hops in [0, 5] {
        if let Some(Redirect::Follow(to)) =
            redirect(&reqwest::Method::GET, StatusCode::TEMPORARY_REDIRECT, &headers, &from, hops)
        {
            assert_eq!((to.origin(), hops), (from.origin(), 0), "{to}");
            assert!(to.username().is_empty() && to.password().is_none(), "{to}");
        }
    }
}

/// Lines `name: value`.
fn lines(data: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in data.split(|byte| *byte == b'\n').take(20) {
        let (name, value) = split(line, b": ");
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}

fn assert_item(item: &PageItem) {
    match item {
        PageItem::Record { body, .. } => assert_object(body),
        PageItem::Tombstone { id } => {
            // Not as a `Value`, which takes fewer numbers than JSON has.
            let id: &RawValue = serde_json::from_slice(id).expect("an id is JSON");
            assert!(matches!(kind(id), "string" | "number"), "an id is a string or a number: {id}");
        }
        PageItem::Unreadable { reason, .. } => assert!(!reason.is_empty(), "it says why"),
    }
}

fn assert_object(json: &Bytes) {
    assert_eq!(json.first(), Some(&b'{'), "a record is an object");
    assert!(serde_json::from_slice::<IgnoredAny>(json).is_ok(), "what is kept of it is JSON");
}
