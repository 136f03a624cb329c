//! What an answer means: the right half of the contract's table, and the classes of failures (both in the README).

use bytes::Bytes;
use chrono::DateTime;
use serde_json::value::RawValue;

use super::dialect::{AnsweredBody, CursorSource, Dialect, MemberPath, Paging, VersionSource, WriteDialect};
use super::exchange::{Answer, Exchange};
use super::members::{
    Life, RecordMembers, descend, index, kind, outline, pick, scalar, slice_of, unclear_life,
};
use super::page;
use super::paging::next_link;
use super::request::way;
use super::retry_after::date;
use super::speaker::{Speaker, has_content_type};
use super::version::{from_etag, from_member};
use crate::entity::EntityInfo;
use crate::record::{Refusal, Version, Write};
use crate::remote::{Fetched, PullRequest, RemoteError, Reply, TransientCause, WriteAnswer, WriteRequest};

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
        let way = way(self.dialect, &request.write);
        let status = answer.status.as_u16();
        let is = |list: &[u16]| list.contains(&status);
        let meaning = if is(&way.done) || is(&way.compared) {
            self.accepted(request, way, &mut answer)?
        } else if is(&way.unproven) {
            WriteAnswer::Existing { version: None, body: None }
        } else if is(&way.conflict) {
            // Also with a page of HTML, as some frameworks write one: the record is asked for then, and a gateway says the same of that.
            self.conflict(request, &answer)
        } else if is(&way.unavailable) {
            return Err(unavailable(&answer));
        } else if Speaker::of(&answer) == Speaker::Page {
            return Err(failure(&answer));
        } else if is(&way.missing) {
            match request.write {
                // It is gone, which is what was wanted.
                Write::Delete => WriteAnswer::Accepted { version: None, body: None },
                Write::Update(_) | Write::Overwrite(_) => WriteAnswer::Missing,
                Write::Create(_) => return Err(failure(&answer)),
            }
        } else if Speaker::of(&answer) == Speaker::Api && !answer.status.is_client_error() {
            return Err(unexpected(&answer, way, request.write.verb()));
        } else {
            return Err(failure(&answer));
        };
        Ok(Reply { answer: meaning, retry_after })
    }

    fn accepted(
        &self,
        request: &WriteRequest,
        way: &WriteDialect,
        answer: &mut Answer,
    ) -> Result<WriteAnswer, RemoteError> {
        // Read for a deletion, too: a page of HTML is no success, whoever sent it.
        let json = self.json_or_nothing(answer, Some(&way.answer))?;
        let tag = self.tag(answer);
        let there = match (&way.answer, &json) {
            (AnsweredBody::Receipt { version_member }, Some(json)) => {
                let member = pick(json, [&**version_member]).ok().and_then(|[member]| from_member(member));
                return Ok(WriteAnswer::Accepted { version: tag.or(member), body: None });
            }
            (_, None) => There::Nothing,
            (AnsweredBody::Record, Some(json)) => {
                self.located(request.entity, json, &self.dialect.record.answered_in)
            }
        };
        Ok(match there {
            // The write found nothing to write on.
            There::EmptyList => WriteAnswer::Conflict { version: None, body: None, problem: None },
            _ if matches!(request.write, Write::Delete) => {
                WriteAnswer::Accepted { version: None, body: None }
            }
            There::Nothing if json.as_deref().is_none_or(holds_nothing) => {
                WriteAnswer::Accepted { version: tag, body: None }
            }
            // It may say that nothing was done, or hold a version that would not be known.
            There::Nothing => WriteAnswer::Unclear { reason: self.no_record(request.entity, json.as_ref()) },
            // The write found nothing to write on, or was followed by a deletion: it is not there, and is asked for where it was to be made.
            There::Record(Copy { life: Life::Deleted, id, .. })
                if id.eq_ignore_ascii_case(request.key.as_str())
                    && !matches!(request.write, Write::Create(_)) =>
            {
                WriteAnswer::Missing
            }
            There::Record(Copy { life: Life::Deleted | Life::Unclear, .. }) => {
                WriteAnswer::Conflict { version: None, body: None, problem: None }
            }
            There::Record(Copy { version, body, .. }) => {
                let version = tag.or(version);
                if way.compared.contains(&answer.status.as_u16()) {
                    WriteAnswer::Existing { version, body: Some(body) }
                } else {
                    WriteAnswer::Accepted { version, body: Some(body) }
                }
            }
        })
    }

    /// The server's side of a conflict, as far as the answer tells it.
    fn conflict(&self, request: &WriteRequest, answer: &Answer) -> WriteAnswer {
        // A body that is too long, broken off or no JSON tells nothing: the record is fetched then.
        let mut copies: Vec<Copy> = Vec::new();
        for path in &self.dialect.conflict.record {
            if let Ok(body) = &answer.body
                && !(path.is_whole() && is_problem(answer))
                && let There::Record(copy) = self.located(request.entity, body, path)
            {
                copies.push(copy);
            }
        }
        // What stands in a body that shows a record, or its tombstone, is not the server's words: its title is the user's.
        let problem = if copies.is_empty() { answer.problem().map(Box::new) } else { None };
        // An envelope may have an id of its own, and a record a member named like the envelope's.
        let own = copies.iter().position(|copy| copy.is(request.key.as_str())).unwrap_or(0);
        let tag = self.tag(answer);
        match copies.into_iter().nth(own).filter(|copy| copy.life == Life::Exists) {
            None => WriteAnswer::Conflict { version: tag, body: None, problem },
            Some(Copy { version, body, .. }) => {
                WriteAnswer::Conflict { version: tag.or(version), body: Some(body), problem: None }
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
                let path = &self.dialect.record.answered_in;
                let json = self.json_or_nothing(&mut answer, None)?;
                match json.as_ref().map_or(There::Nothing, |json| self.located(entity, json, path)) {
                    There::EmptyList | There::Record(Copy { life: Life::Deleted, .. }) => Fetched::Missing,
                    There::Record(Copy { life: Life::Unclear, .. }) => {
                        let reason = unclear_life(&self.dialect.record);
                        let url = answer.url;
                        return Err(RemoteError::Protocol { url, reason, retry_after, source: None });
                    }
                    There::Record(Copy { version, body, .. }) => {
                        Fetched::Present { version: self.tag(&answer).or(version), body }
                    }
                    There::Nothing => {
                        let (url, reason) = (answer.url, self.no_record(entity, json.as_ref()));
                        return Err(RemoteError::Protocol { url, reason, retry_after, source: None });
                    }
                }
            }
            // What has no more than files lets everybody read: it is a framework that says so, where records cannot be read one by one.
            // Nor may an edit wait for ever for a question that is forbidden.
            status @ (403 | 405) if !self.dialect.fetch.missing.contains(&status) => {
                return Err(refused(&answer));
            }
            _ if Speaker::of(&answer) == Speaker::Page => return Err(failure(&answer)),
            status if self.dialect.fetch.missing.contains(&status) => Fetched::Missing,
            _ => return Err(failure(&answer)),
        };
        Ok(Reply { answer: fetched, retry_after })
    }

    /// The answer to a request for a page, and what it tells of its place in the list.
    pub(super) fn pulled(
        &self,
        request: &PullRequest,
        mut answer: Answer,
    ) -> Result<Reply<page::Read>, RemoteError> {
        let retry_after = answer.retry_after();
        let pull = &self.dialect.pull;
        match answer.status.as_u16() {
            200 => {}
            _ if Speaker::of(&answer) == Speaker::Page => return Err(failure(&answer)),
            status if request.since.is_some() && pull.gone.contains(&status) => {
                return Err(RemoteError::CursorGone { url: answer.url, retry_after });
            }
            _ => return Err(failure(&answer)),
        }
        let body = without_mark(self.exchange.body(&mut answer)?);
        let page = page::decode(&body, request, self.dialect, self.exchange.max_response_bytes);
        let page = page.and_then(|mut page| {
            if let CursorSource::Header(name) = &pull.cursor {
                page.end.cursor = header(&answer, name).map(unquoted);
            }
            match &pull.paging {
                Paging::Header(name) => page.end.next = header(&answer, name).map(str::to_owned),
                Paging::Link => page.end.next = next_link(&answer.headers),
                _ => {}
            }
            page.end.passed_over_after(date(&answer.headers).map(DateTime::from));
            page::bounded(page)
        });
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

    /// The newest cursor that the server knows, from an answer about the whole collection.
    pub(super) fn newest(&self, path: &MemberPath, mut answer: Answer) -> Result<i64, RemoteError> {
        if answer.status.as_u16() != 200 {
            return Err(failure(&answer));
        }
        let json = self.json_or_nothing(&mut answer, None)?.unwrap_or_default();
        let value =
            serde_json::from_slice::<&RawValue>(&json).ok().and_then(|value| descend(value, path.steps()));
        value.and_then(scalar).as_deref().and_then(leading_number).ok_or_else(|| RemoteError::Protocol {
            reason: at(&answer, &format!("expected an object with the integer `{path}`")),
            url: answer.url.clone(),
            retry_after: answer.retry_after(),
            source: None,
        })
    }

    /// The version in an answer's head, where the dialect has one there.
    fn tag(&self, answer: &Answer) -> Option<Version> {
        match &self.dialect.record.version {
            VersionSource::ETag | VersionSource::ETagOrMember(_) => from_etag(&answer.headers),
            VersionSource::Header(name) => header(answer, name).map(unquoted).map(Version::new),
            VersionSource::Nothing | VersionSource::Member(_) => None,
        }
    }

    /// The body of a success, which is JSON, or nothing at all; of a write, what its dialect says that it is.
    fn json_or_nothing(
        &self,
        answer: &mut Answer,
        of_write: Option<&AnsweredBody>,
    ) -> Result<Option<Bytes>, RemoteError> {
        let body = without_mark(self.exchange.body(answer)?);
        if body.trim_ascii().is_empty() {
            return Ok(None);
        }
        match serde_json::from_slice::<&RawValue>(&body) {
            Ok(value) => Ok(Some(slice_of(&body, value))),
            Err(error) => {
                let is_page = has_content_type(answer, b"text/html");
                let mut reason = at(answer, "expected JSON or an empty body");
                match of_write {
                    // A word such as `OK`. A page may be that of something before the server.
                    Some(AnsweredBody::Receipt { .. }) if !is_page => return Ok(None),
                    Some(AnsweredBody::Record) if !is_page => {
                        reason += "; where this says that it was done, tell the dialect (`AnsweredBody::Receipt` as the `answer` of the write)";
                    }
                    _ => {}
                }
                let (url, retry_after) = (answer.url.clone(), answer.retry_after());
                Err(RemoteError::Protocol { url, reason, retry_after, source: Some(error.into()) })
            }
        }
    }

    /// What is at a place in a body.
    fn located(&self, entity: &EntityInfo, json: &Bytes, path: &MemberPath) -> There {
        let Ok(whole) = serde_json::from_slice::<&RawValue>(json) else { return There::Nothing };
        let Some(value) = descend(whole, path.steps()) else {
            let lists = path.steps().split_last().filter(|(last, _)| index(last).is_some());
            let list = lists.and_then(|(_, outer)| descend(whole, outer));
            let empty =
                list.is_some_and(|list| kind(list) == "array" && holds_nothing(list.get().as_bytes()));
            return if empty { There::EmptyList } else { There::Nothing };
        };
        self.record(entity, json, value).map_or(There::Nothing, There::Record)
    }

    /// What to say of a body that has no record where one is expected. It names members, and tells no values.
    fn no_record(&self, entity: &EntityInfo, json: Option<&Bytes>) -> String {
        let path = &self.dialect.record.answered_in;
        let place = if path.is_whole() { String::new() } else { format!(" under `{path}`") };
        let value = json.and_then(|json| serde_json::from_slice::<&RawValue>(json).ok());
        let came = value.map_or_else(|| "nothing".to_owned(), outline);
        format!(
            "expected a record{place}, an object with the member `{}`, and what came is {came}",
            entity.id_member
        )
    }

    /// A value of a body as a record; `None` when it is none.
    fn record(&self, entity: &EntityInfo, json: &Bytes, value: &RawValue) -> Option<Copy> {
        if kind(value) != "object" {
            return None;
        }
        let dialect = &self.dialect.record;
        let members = RecordMembers::of(value.get().as_bytes(), entity, dialect).ok()?;
        let life = members.life(dialect);
        let id = members.id.ok()?;
        Some(Copy {
            id: serde_json::from_str(id.get()).unwrap_or_else(|_| id.get().to_owned()),
            version: from_member(members.version),
            body: slice_of(json, value),
            life,
        })
    }
}

/// What is at a place where a record is expected.
enum There {
    Record(Copy),
    /// A list that has none.
    EmptyList,
    Nothing,
}

/// A record that an answer brought.
struct Copy {
    id: String,
    version: Option<Version>,
    body: Bytes,
    /// Whether it is a tombstone.
    life: Life,
}

impl Copy {
    /// Whether it is that record, as far as text tells it: UUIDs, for instance, may be in upper case.
    fn is(&self, key: &str) -> bool {
        self.id == key
    }
}

fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    answer.headers.get(name)?.to_str().ok().map(str::trim).filter(|text| !text.is_empty())
}

/// Whether JSON holds nothing at all, as frameworks write it in place of no body.
fn holds_nothing(json: &[u8]) -> bool {
    let signs: Vec<u8> = json.iter().copied().filter(|sign| !sign.is_ascii_whitespace()).take(5).collect();
    matches!(&*signs, b"null" | b"{}" | b"[]")
}

/// A header's value without the marks of an entity tag.
fn unquoted(text: &str) -> String {
    let tag = text.strip_prefix("W/").unwrap_or(text);
    tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or(text).to_owned()
}

/// The number at a place in a body.
pub(super) fn located_number(body: &[u8], path: &MemberPath) -> Option<i64> {
    let value = descend(serde_json::from_slice(body).ok()?, path.steps())?;
    leading_number(&scalar(value)?)
}

/// The number that a text begins with: `12-abc` is the 12th.
pub(super) fn leading_number(text: &str) -> Option<i64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..digits].parse().ok()
}

/// The server takes no writes for a while.
fn unavailable(answer: &Answer) -> RemoteError {
    RemoteError::Unreachable {
        url: answer.url.clone(),
        reason: format!("the server takes no writes now (status {})", answer.status.as_u16()),
        retry_after: answer.retry_after(),
        in_doubt: false,
        source: None,
    }
}

/// The failure class of an answer that is no success.
pub(super) fn failure(answer: &Answer) -> RemoteError {
    let (url, status, retry_after) = (answer.url.clone(), answer.status.as_u16(), answer.retry_after());
    match (Speaker::of(answer), status) {
        (Speaker::GoBetween, _) => RemoteError::Unreachable {
            url,
            reason: format!("something before the server says that it is not available (status {status})"),
            retry_after,
            in_doubt: true,
            source: None,
        },
        (_, 429) => RemoteError::Throttled { url, status, retry_after },
        (_, 401) => RemoteError::Unauthorized { url, reason: None, retry_after },
        (Speaker::Moment, _) => transient(answer, TransientCause::Server),
        (Speaker::Page, _) => transient(answer, TransientCause::WebPage),
        (Speaker::Api, 400..=499) => refused(answer),
        (Speaker::Api, _) => RemoteError::Protocol {
            url,
            reason: format!("status {status} is no answer to this request"),
            retry_after,
            source: None,
        },
    }
}

/// A status that does not say whether the write was done.
fn unexpected(answer: &Answer, way: &WriteDialect, verb: &str) -> RemoteError {
    let done: Vec<_> = way.done.iter().chain(&way.compared).map(ToString::to_string).collect();
    let status = answer.status.as_u16();
    RemoteError::Protocol {
        url: answer.url.clone(),
        reason: format!(
            "status {status} does not say that it was done, expected {}; where the server means just that, add {status} to `WriteDialect::done` of the dialect's `{verb}`",
            done.join(" or ")
        ),
        retry_after: answer.retry_after(),
        source: None,
    }
}

fn refused(answer: &Answer) -> RemoteError {
    let refusal = Refusal { status: answer.status.as_u16(), problem: answer.problem().map(Box::new) };
    RemoteError::Refused { url: answer.url.clone(), refusal, retry_after: answer.retry_after() }
}

/// What came instead, for an error.
fn at(answer: &Answer, expected: &str) -> String {
    let content = answer.headers.get(reqwest::header::CONTENT_TYPE);
    match content.and_then(|value| value.to_str().ok()) {
        Some(content) => format!("{expected} (status {}, content type `{content}`)", answer.status.as_u16()),
        None => format!("{expected} (status {}, no content type)", answer.status.as_u16()),
    }
}

/// Whether there is no page with such a number, or after so many items, as the API says.
pub(super) fn refuses_a_number(error: &RemoteError) -> bool {
    match error {
        RemoteError::Refused { refusal, .. } => {
            matches!(refusal.status, 400 | 404 | 410 | 416 | 422) && error.retry_after().is_none()
        }
        RemoteError::CursorGone { .. } => true,
        _ => false,
    }
}

/// It may pass.
pub(super) fn transient(answer: &Answer, cause: TransientCause) -> RemoteError {
    RemoteError::Transient {
        url: answer.url.clone(),
        status: answer.status.as_u16(),
        cause,
        problem: answer.problem().map(Box::new),
        retry_after: answer.retry_after(),
    }
}

fn is_problem(answer: &Answer) -> bool {
    has_content_type(answer, b"application/problem+json")
}

/// Some servers put a byte order mark before their JSON, which a parser may ignore (RFC 8259, section 8.1).
pub(super) fn without_mark(body: Bytes) -> Bytes {
    if body.starts_with(b"\xEF\xBB\xBF") { body.slice(3..) } else { body }
}
