//! A plain HTTP client that remembers what it asked, as `curl` commands.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, IF_MATCH, RETRY_AFTER,
};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::lists::Start;
use super::template::Template;
use crate::remote::rest::retry_after;

/// All but the unreserved characters (RFC 3986, section 2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// So often in a row, and for so long at a time, a server may ask to be left alone before it answers any request. For one that goes on
/// like that nobody waits again.
const PAUSES: usize = 10;
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// So much of an answer's body is shown, in characters.
const SHOWN: usize = 400;

#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    /// The collection's address.
    url: String,
    pub(super) token: Option<String>,
    pub(super) template: Template,
    /// Where the list ended when the check began: what was there before is not listed again and again.
    pub(super) start: OnceCell<Start>,
    /// Whether it was waited in vain: the server asks for pauses, and answers after none of them.
    waited_in_vain: AtomicBool,
    /// How many requests were answered, and not told to come later.
    let_in: AtomicUsize,
    log: Mutex<Vec<String>>,
    /// The records that may be there, to be removed in the end.
    made: Mutex<BTreeSet<String>>,
}

/// One request.
#[derive(Debug, Clone, Default)]
pub(super) struct Ask {
    pub(super) key: Option<Uuid>,
    pub(super) if_match: Option<String>,
    pub(super) body: Option<Value>,
}

/// What came back.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
    body: Body,
}

impl Said {
    pub(super) fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.text).ok()
    }

    /// The version in a strong `ETag`.
    pub(super) fn version(&self) -> Option<String> {
        let tag = self.headers.get("etag")?.to_str().ok()?;
        tag.strip_prefix('"')?.strip_suffix('"').map(ToOwned::to_owned)
    }

    /// The server's own time.
    pub(super) fn date(&self) -> Option<DateTime<Utc>> {
        retry_after::date(&self.headers).map(DateTime::from)
    }

    /// How long it asks to be left alone (RFC 9110, section 10.2.3) before the same is asked again.
    fn pause(&self) -> Option<Duration> {
        let pause =
            retry_after::stated(&self.headers, &RETRY_AFTER).filter(|_| matches!(self.status, 429 | 503));
        pause.filter(|pause| *pause <= LONGEST_PAUSE)
    }

    /// What the engine takes it for.
    pub(super) fn meaning(&self) -> Meaning {
        match self.status {
            200..300 if self.body != Body::Unclear => Meaning::Done,
            // With a page of HTML, too: the record is asked for then.
            409 | 412 => Meaning::Conflict,
            401 | 407 | 408 | 425 | 429 => Meaning::Nothing,
            400..500 if self.is_page() => Meaning::Nothing,
            404 | 410 => Meaning::Gone,
            400..500 => Meaning::Refused,
            _ => Meaning::Nothing,
        }
    }

    /// Whether it is a page of HTML, which may be that of something before the server.
    fn is_page(&self) -> bool {
        content_type(&self.headers).to_ascii_lowercase().starts_with("text/html")
            && !self.text.trim().is_empty()
    }

    /// Whether it says with one of these statuses that it was done. An older record would be taken for what the server has by then.
    pub(super) fn is_done_with(&self, statuses: &[u16]) -> bool {
        self.is_done_again_with(statuses) && self.body == Body::Fits
    }

    /// The same of a repetition, which may also bring what the record has become since.
    pub(super) fn is_done_again_with(&self, statuses: &[u16]) -> bool {
        self.meaning() == Meaning::Done && statuses.contains(&self.status)
    }

    pub(super) fn is_gone(&self) -> bool {
        self.meaning() == Meaning::Gone
    }

    pub(super) fn is_conflict(&self) -> bool {
        self.meaning() == Meaning::Conflict
    }

    /// Whether a creation is refused for good. That nothing is there says the same of what is not there yet.
    pub(super) fn is_refused(&self) -> bool {
        matches!(self.meaning(), Meaning::Refused | Meaning::Gone)
    }
}

/// What the body of an answer tells of the record that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Body {
    /// Nothing, the record as it was sent, or JSON where none was sent.
    Fits,
    /// The record, with something else in it.
    Differs,
    /// No JSON, or something else than the record.
    Unclear,
}

impl Body {
    fn of(text: &str, sent: Option<&Value>, template: &Template) -> Self {
        match (serde_json::from_str::<Value>(text), sent) {
            (Err(_), _) if text.trim().is_empty() => Self::Fits,
            (Err(_), _) => Self::Unclear,
            (Ok(_), None) | (Ok(Value::Null), _) => Self::Fits,
            (Ok(Value::Array(list)), _) if list.is_empty() => Self::Fits,
            (Ok(Value::Object(said)), _) if said.is_empty() => Self::Fits,
            (Ok(said), Some(sent)) if !template.is_whole(&said, sent) => Self::Unclear,
            (Ok(said), Some(sent)) if template.agrees(&said, sent) => Self::Fits,
            (Ok(_), Some(_)) => Self::Differs,
        }
    }
}

/// What the engine takes an answer to a write, or to a request for a record, for: a server that the kit passes is to get on with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A success, with a body that says so, or without one.
    Done,
    Conflict,
    /// The record is not there.
    Gone,
    /// It will never be taken.
    Refused,
    /// Nothing about the request: it is tried again.
    Nothing,
}

/// The server could not be asked.
#[derive(Debug)]
pub(super) struct NoAnswer(pub(super) String);

impl Client {
    pub(super) fn new(url: String) -> Result<Self, reqwest::Error> {
        let redirects =
            Policy::custom(|attempt| if is_followed(&attempt) { attempt.follow() } else { attempt.stop() });
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).redirect(redirects).build()?;
        Ok(Self {
            http,
            url,
            token: None,
            template: Template::default(),
            start: OnceCell::new(),
            waited_in_vain: AtomicBool::new(false),
            let_in: AtomicUsize::new(0),
            log: Mutex::default(),
            made: Mutex::default(),
        })
    }

    /// A new record with such an id.
    pub(super) fn record(&self, id: &str, text: &str) -> Value {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned());
        self.template.filled(id, text)
    }

    pub(super) async fn create(&self, record: Value, key: Uuid) -> Result<Said, NoAnswer> {
        let ask = Ask { key: Some(key), body: Some(record), ..Ask::default() };
        self.send(Method::POST, "", ask).await
    }

    pub(super) async fn write(&self, method: Method, id: &str, ask: Ask) -> Result<Said, NoAnswer> {
        let ask = Ask { key: ask.key.or_else(|| Some(Uuid::now_v7())), ..ask };
        self.send(method, &format!("/{}", utf8_percent_encode(id, SEGMENT)), ask).await
    }

    pub(super) async fn fetch(&self, id: &str) -> Result<Said, NoAnswer> {
        self.send(Method::GET, &format!("/{}", utf8_percent_encode(id, SEGMENT)), Ask::default()).await
    }

    pub(super) async fn page(&self, since: Option<&str>, limit: u32) -> Result<Said, NoAnswer> {
        let since = since.map(|since| format!("since={}&", utf8_percent_encode(since, SEGMENT)));
        let path = format!("?{}limit={limit}", since.unwrap_or_default());
        self.ask(Method::GET, &path, HeaderMap::new(), Ask::default()).await
    }

    /// Opens a stream of events; the answer's body is not read.
    pub(super) async fn events(&self) -> Result<reqwest::Response, NoAnswer> {
        let url = format!("{}/changes", self.url);
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("text/event-stream"))]);
        // `-N`: each event as it comes.
        let asked = format!("{} -N", curl(&Method::GET, &url, &headers, None, self.token.is_some()));
        let answered = self.authorized(self.http.get(url).headers(headers)).send().await;
        let answered = answered.map_err(|error| NoAnswer(told(&error.without_url())));
        let answer = match &answered {
            Ok(events) => format!("{} {}", events.status().as_u16(), content_type(events.headers())),
            Err(NoAnswer(reason)) => reason.clone(),
        };
        self.note(asked, format!("  -> {answer}"));
        answered
    }

    /// Asks about one record: as the engine, for an answer as it is, since what compresses it on its way changes its `ETag`.
    async fn send(&self, method: Method, path: &str, ask: Ask) -> Result<Said, NoAnswer> {
        let as_it_is = [(ACCEPT_ENCODING, HeaderValue::from_static("identity"))];
        self.ask(method, path, HeaderMap::from_iter(as_it_is), ask).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        mut headers: HeaderMap,
        ask: Ask,
    ) -> Result<Said, NoAnswer> {
        let url = format!("{}{path}", self.url);
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(key) = ask.key.and_then(|key| HeaderValue::from_str(&key.to_string()).ok()) {
            headers.insert(HeaderName::from_static("idempotency-key"), key);
        }
        if let Some(version) = ask.if_match.and_then(|tag| HeaderValue::from_str(&format!("\"{tag}\"")).ok())
        {
            headers.insert(IF_MATCH, version);
        }
        let body = ask.body.as_ref().map(ToString::to_string);
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let request = || {
            let request = self.authorized(self.http.request(method.clone(), &url).headers(headers.clone()));
            match &body {
                Some(body) => request.body(body.clone()),
                None => request,
            }
        };
        let (mut pauses, mut before) = (0, self.let_in.load(Ordering::Relaxed));
        loop {
            let answered = self.answer(request(), ask.body.as_ref()).await;
            let asked = curl(&method, &url, &headers, body.as_deref(), self.token.is_some());
            self.note(asked, shown(&answered));
            let Some(pause) = answered.as_ref().ok().and_then(Said::pause) else {
                self.let_in.fetch_add(1, Ordering::Relaxed);
                return answered;
            };
            if self.waited_in_vain.load(Ordering::Relaxed) {
                return answered;
            }
            // Others may have been let in meanwhile.
            let now = self.let_in.load(Ordering::Relaxed);
            if now != before {
                (pauses, before) = (0, now);
            }
            if pauses == PAUSES {
                self.waited_in_vain.store(true, Ordering::Relaxed);
                return answered;
            }
            tokio::time::sleep(pause).await;
            pauses += 1;
        }
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Sends a request, with such a record in it, and reads the answer.
    async fn answer(&self, request: RequestBuilder, sent: Option<&Value>) -> Result<Said, NoAnswer> {
        let answered = async {
            let response = request.send().await?;
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let text = response.text().await?;
            let body = Body::of(&text, sent, &self.template);
            Ok(Said { status, headers, text, body })
        };
        answered.await.map_err(|error: reqwest::Error| NoAnswer(told(&error.without_url())))
    }

    /// Remembers a request and its answer, next to each other whatever else is under way.
    fn note(&self, asked: String, answer: String) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).extend([asked, answer]);
    }

    /// What was asked and answered last.
    pub(super) fn said_last(&self) -> Vec<String> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log[log.len().saturating_sub(4)..].to_vec()
    }

    pub(super) fn forget(&self) {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Whether a record is one of this check.
    pub(super) fn has_made(&self, id: &str) -> bool {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).contains(id)
    }

    /// Removes what the check has made, as far as that is possible. Answers what may still be there.
    pub(super) async fn clean_up(&self) -> Vec<String> {
        let made = std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner));
        let (mut left, mut answers) = (Vec::new(), true);
        for id in made {
            // One that does not answer any more is not asked once for each.
            let removed = if answers { self.remove(&id).await.ok() } else { None };
            answers = removed.is_some();
            if removed != Some(true) {
                left.push(id);
            }
        }
        left
    }

    /// Removes a record. Answers whether it is certainly gone.
    async fn remove(&self, id: &str) -> Result<bool, NoAnswer> {
        let said = self.write(Method::DELETE, id, Ask::default()).await?;
        let is_gone = matches!(said.meaning(), Meaning::Done | Meaning::Gone);
        Ok(is_gone || self.fetch(id).await?.meaning() == Meaning::Gone)
    }
}

/// Whether the engine would go where a redirect leads: one that keeps the request what it is, within the server, five times in a row.
fn is_followed(attempt: &Attempt<'_>) -> bool {
    let before = attempt.previous();
    let within = before.last().is_some_and(|from| from.origin() == attempt.url().origin());
    matches!(attempt.status().as_u16(), 307 | 308) && within && before.len() <= 5
}

fn curl(method: &Method, url: &str, headers: &HeaderMap, body: Option<&str>, token: bool) -> String {
    let mut command = format!("curl -i -X {method}");
    if token {
        command += " -H \"Authorization: Bearer $TOKEN\"";
    }
    for (name, value) in headers {
        command += " -H ";
        command += &quoted(&format!("{name}: {}", value.to_str().unwrap_or_default()));
    }
    if let Some(body) = body {
        command += " -d ";
        command += &quoted(body);
    }
    format!("{command} {}", quoted(url))
}

/// What kind of body comes with such a head.
pub(super) fn content_type(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default()
}

/// An answer, for people.
fn shown(answered: &Result<Said, NoAnswer>) -> String {
    match answered {
        Ok(said) => {
            let tag = said.version().map(|version| format!(", ETag \"{version}\"")).unwrap_or_default();
            let shown: String = said.text.chars().take(SHOWN).collect();
            format!("  -> {}{tag} {shown}", said.status)
        }
        Err(NoAnswer(reason)) => format!("  -> {reason}"),
    }
}

/// An id that nobody has used.
pub(super) fn fresh_id() -> String {
    Uuid::now_v7().to_string()
}

/// As a shell reads it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    format!("no answer: {cause}")
}
