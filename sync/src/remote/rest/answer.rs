//! What an answer means: the right half of the contract's table, and the failure classes of the design's section 6.

use bytes::Bytes;
use serde_json::value::RawValue;

use super::dialect::Dialect;
use super::exchange::{Answer, Exchange};
use super::members::{RecordMembers, kind, pick, slice_of};
use super::page;
use super::problem::problem;
use super::version::{from_etag, from_member};
use crate::entity::EntityInfo;
use crate::record::{Refusal, Version, Write};
use crate::remote::{Fetched, Page, PullRequest, RemoteError, Reply, WriteAnswer, WriteRequest};

/// Reads answers.
pub(super) struct Reader<'r> {
    pub(super) exchange: &'r Exchange,
    pub(super) dialect: &'r Dialect,
}

impl Reader<'_> {
    /// The answer to an operation.
    pub(super) fn written(
        &self,
        request: &WriteRequest,
        mut answer: Answer,
    ) -> Result<Reply<WriteAnswer>, RemoteError> {
        let retry_after = answer.retry_after();
        let meaning = match (&request.write, answer.status.as_u16()) {
            (Write::Create(_) | Write::Overwrite(_), 200 | 201 | 204)
            | (Write::Update(_) | Write::Delete, 200 | 204) => self.accepted(request, &mut answer)?,
            // It is gone, which is what was wanted.
            (Write::Delete, 404 | 410) => WriteAnswer::Accepted { version: None, body: None },
            (Write::Update(_) | Write::Overwrite(_), 404 | 410) => WriteAnswer::Missing,
            (_, 409 | 412) => self.conflict(request, &answer),
            _ => return Err(failure(&answer)),
        };
        Ok(Reply { answer: meaning, retry_after })
    }

    fn accepted(&self, request: &WriteRequest, answer: &mut Answer) -> Result<WriteAnswer, RemoteError> {
        // Read for a deletion, too: a page of HTML is no success, whoever sent it.
        let json = self.json_or_nothing(answer)?;
        if matches!(request.write, Write::Delete) {
            return Ok(WriteAnswer::Accepted { version: None, body: None });
        }
        let tag = from_etag(&answer.headers);
        let record = json.and_then(|json| self.record(request.entity, &json));
        Ok(match record {
            None => WriteAnswer::Accepted { version: tag, body: None },
            Some(Copy { version, body, .. }) => {
                let version = tag.or(version);
                if matches!(request.write, Write::Create(_)) && answer.status.as_u16() == 200 {
                    WriteAnswer::Existing { version, body }
                } else {
                    WriteAnswer::Accepted { version, body: Some(body) }
                }
            }
        })
    }

    /// The server's side of a conflict, as far as the answer tells it.
    fn conflict(&self, request: &WriteRequest, answer: &Answer) -> WriteAnswer {
        let tag = from_etag(&answer.headers);
        // A body that is too long, broken off or no JSON tells nothing: the record is fetched then.
        let copy = answer.body.as_ref().ok().and_then(|body| {
            let bare = (!is_problem(answer)).then(|| self.record(request.entity, body)).flatten();
            let wrapped = pick(body, [&self.dialect.conflict.current_member])
                .ok()
                .and_then(|[current]| self.record(request.entity, &slice_of(body, current?)));
            let key = request.key.as_str();
            match (wrapped, bare) {
                // An envelope may have an id of its own, and a record a member named like the envelope's.
                (Some(wrapped), Some(bare)) if bare.is(key) && !wrapped.is(key) => Some(bare),
                (wrapped, bare) => wrapped.or(bare),
            }
        });
        match copy {
            None => WriteAnswer::Conflict { version: tag, body: None },
            Some(Copy { version, body, .. }) => {
                WriteAnswer::Conflict { version: tag.or(version), body: Some(body) }
            }
        }
    }

    /// The answer to a request for one record.
    pub(super) fn fetched(
        &self,
        entity: &EntityInfo,
        mut answer: Answer,
    ) -> Result<Reply<Fetched>, RemoteError> {
        let retry_after = answer.retry_after();
        let fetched = match answer.status.as_u16() {
            200 => {
                let record = self.json_or_nothing(&mut answer)?.and_then(|json| self.record(entity, &json));
                let Some(Copy { version, body, .. }) = record else {
                    let reason =
                        format!("expected a record, an object with the member `{}`", entity.id_member);
                    return Err(RemoteError::Protocol { url: answer.url, reason, retry_after, source: None });
                };
                Fetched::Present { version: from_etag(&answer.headers).or(version), body }
            }
            404 | 410 => Fetched::Missing,
            _ => return Err(failure(&answer)),
        };
        Ok(Reply { answer: fetched, retry_after })
    }

    /// The answer to a request for a page.
    pub(super) fn pulled(
        &self,
        request: &PullRequest,
        mut answer: Answer,
    ) -> Result<Reply<Page>, RemoteError> {
        let retry_after = answer.retry_after();
        match answer.status.as_u16() {
            200 => {}
            410 if request.since.is_some() => {
                return Err(RemoteError::CursorGone { url: answer.url, retry_after });
            }
            _ => return Err(failure(&answer)),
        }
        let body = without_mark(self.exchange.body(&mut answer)?);
        let page = page::decode(&body, request, self.dialect, self.exchange.max_response_bytes);
        match page {
            Ok(page) => Ok(Reply { answer: page, retry_after }),
            Err(page::NoPage { reason, source }) => Err(RemoteError::Protocol {
                reason: at(&answer, &reason),
                url: answer.url,
                retry_after,
                source,
            }),
        }
    }

    /// The body of a success, which is JSON, or nothing at all.
    fn json_or_nothing(&self, answer: &mut Answer) -> Result<Option<Bytes>, RemoteError> {
        let body = without_mark(self.exchange.body(answer)?);
        if body.trim_ascii().is_empty() {
            return Ok(None);
        }
        match serde_json::from_slice::<&RawValue>(&body) {
            Ok(value) => Ok(Some(slice_of(&body, value))),
            Err(error) => Err(RemoteError::Protocol {
                reason: at(answer, "expected JSON or an empty body"),
                url: answer.url.clone(),
                retry_after: answer.retry_after(),
                source: Some(error.into()),
            }),
        }
    }

    /// A body as a record; `None` when it is none.
    fn record(&self, entity: &EntityInfo, json: &Bytes) -> Option<Copy> {
        let value: &RawValue = serde_json::from_slice(json).ok()?;
        if kind(value) != "object" {
            return None;
        }
        let members = RecordMembers::of(json, entity, &self.dialect.record).ok()?;
        let id = members.id.ok()?;
        Some(Copy {
            id: serde_json::from_str(id.get()).unwrap_or_else(|_| id.get().to_owned()),
            version: from_member(members.version),
            body: slice_of(json, value),
        })
    }
}

/// A record that an answer brought.
struct Copy {
    id: String,
    version: Option<Version>,
    body: Bytes,
}

impl Copy {
    /// Whether it is that record, as far as text tells it: UUIDs, for instance, may be in upper case.
    fn is(&self, key: &str) -> bool {
        self.id == key
    }
}

/// The failure class of an answer that is no success.
pub(super) fn failure(answer: &Answer) -> RemoteError {
    let (url, status, retry_after) = (answer.url.clone(), answer.status.as_u16(), answer.retry_after());
    match status {
        502..=504 => RemoteError::Unreachable {
            url,
            reason: format!("the server is not available (status {status})"),
            retry_after,
            source: None,
        },
        429 => RemoteError::Throttled { url, status, retry_after },
        401 => RemoteError::Unauthorized { url, reason: None, retry_after },
        408 | 425 | 500..=599 => RemoteError::Transient { url, status, retry_after },
        400..=499 => {
            let problem = answer.body.as_ref().ok().and_then(|body| problem(body)).map(Box::new);
            RemoteError::Refused { url, refusal: Refusal { status, problem }, retry_after }
        }
        _ => RemoteError::Protocol {
            url,
            reason: format!("status {status} is no answer to this request"),
            retry_after,
            source: None,
        },
    }
}

/// What came instead, for an error.
fn at(answer: &Answer, expected: &str) -> String {
    let content = answer.headers.get(reqwest::header::CONTENT_TYPE);
    match content.and_then(|value| value.to_str().ok()) {
        Some(content) => format!("{expected} (status {}, content type `{content}`)", answer.status.as_u16()),
        None => format!("{expected} (status {}, no content type)", answer.status.as_u16()),
    }
}

fn is_problem(answer: &Answer) -> bool {
    let content = answer.headers.get(reqwest::header::CONTENT_TYPE);
    content
        .is_some_and(|value| value.as_bytes().to_ascii_lowercase().starts_with(b"application/problem+json"))
}

/// Some servers put a byte order mark before their JSON, which a parser may ignore (RFC 8259, section 8.1).
fn without_mark(body: Bytes) -> Bytes {
    if body.starts_with(b"\xEF\xBB\xBF") { body.slice(3..) } else { body }
}
