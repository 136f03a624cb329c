//! A list of requests in one request, as Kinto has it.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use url::Url;

use super::Answered;
use crate::remote::rest::RestRemote;
use crate::remote::rest::absence::Absence;
use crate::remote::rest::answer::{failure, located_number};
use crate::remote::rest::base_url::shown;
use crate::remote::rest::dialect::{AdvertisedLimit, RequestBatch};
use crate::remote::rest::exchange::Answer;
use crate::remote::rest::members::{items, pick};
use crate::remote::rest::request::{self, Request};
use crate::remote::{RemoteError, WriteRequest};

/// hyper reads no more headers of an answer either.
const MOST_HEADERS: usize = 100;

#[derive(Serialize)]
struct Sent<'a> {
    requests: Vec<Part<'a>>,
}

#[derive(Serialize)]
struct Part<'a> {
    method: &'a str,
    path: String,
    headers: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Response<'a> {
    status: u16,
    #[serde(default, deserialize_with = "headers")]
    headers: HeaderMap,
    #[serde(borrow)]
    body: Option<&'a RawValue>,
}

pub(super) async fn send(
    remote: &RestRemote,
    dialect: &RequestBatch,
    operations: &[&WriteRequest],
) -> Result<Answered, RemoteError> {
    let mut requests = Vec::with_capacity(operations.len());
    for operation in operations {
        // One that cannot be written fails by itself.
        let Ok(request) = request::write(&remote.base, operation, &remote.dialect) else {
            return Ok(Answered::Unclear);
        };
        requests.push(request);
    }
    let parts: Option<Vec<Part<'_>>> = requests.iter().map(part).collect();
    let Some(body) = parts.and_then(|requests| serde_json::to_vec(&Sent { requests }).ok()) else {
        return Ok(Answered::Unclear);
    };
    let Some(url) = remote.base.relative(&dialect.address) else { return Ok(Answered::Unclear) };
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
    let batch = Request { method: Method::POST, url, headers, body: Some(body.into()) };
    let mut answer = remote.exchange.run(batch).await?;
    let retry_after = answer.retry_after();
    match answer.status.as_u16() {
        200 => {}
        413 => return Ok(Answered::TooLarge),
        401 | 408 | 425 | 429 | 500..=599 => return Err(failure(&answer)),
        _ => return Ok(Answered::Unclear),
    }
    let body = remote.exchange.body(&mut answer)?;
    let Some(responses) = responses(&body, operations.len()) else { return Ok(Answered::Unclear) };
    // Kinto says yes to those before it, gives its transaction up, and says yes to the whole.
    let is_given_up = responses.iter().any(|response| response.status == 409);
    let outcomes = operations.iter().zip(&requests).zip(responses).map(|((operation, request), response)| {
        let answer = answer_of(&request.url, response).ok_or_else(|| RemoteError::Protocol {
            url: shown(&request.url),
            reason: "the answer to the batch has no status for it".to_owned(),
            retry_after,
            source: None,
        })?;
        let is_undone = is_given_up && answer.status.is_success();
        let asks_for_a_token = remote.exchange.unauthorized.contains(&answer.status.as_u16());
        // Alone, the record is looked for before it is believed to be missing, and the credentials are asked for.
        if is_undone || asks_for_a_token || Absence::of(&answer).is_some() {
            return Ok(None);
        }
        let mut reply = remote.reader().written(operation, answer)?;
        reply.retry_after = reply.retry_after.max(retry_after);
        Ok(Some(reply))
    });
    Ok(Answered::Each(outcomes.map(Result::transpose).collect()))
}

/// How many requests the server takes, if it says so.
pub(super) async fn limit(remote: &RestRemote, advertised: &AdvertisedLimit) -> Option<usize> {
    let url = remote.base.relative(&advertised.address)?;
    let request = Request { method: Method::GET, url, headers: HeaderMap::new(), body: None };
    let mut answer = remote.exchange.run(request).await.ok()?;
    if answer.status != StatusCode::OK {
        return None;
    }
    let body = remote.exchange.body(&mut answer).ok()?;
    usize::try_from(located_number(&body, &advertised.member)?).ok()
}

fn part(request: &Request) -> Option<Part<'_>> {
    let mut headers = BTreeMap::new();
    for (name, value) in &request.headers {
        headers.insert(name.as_str(), value.to_str().ok()?);
    }
    let path = match request.url.query() {
        Some(query) => format!("{}?{query}", request.url.path()),
        None => request.url.path().to_owned(),
    };
    let body = match &request.body {
        Some(body) => Some(serde_json::from_slice(body).ok()?),
        None => None,
    };
    Some(Part { method: request.method.as_str(), path, headers, body })
}

/// The answers to so many requests; `None` unless there is one for each of them.
fn responses(body: &[u8], requests: usize) -> Option<Vec<Response<'_>>> {
    let [list] = pick(body, ["responses"]).ok()?;
    let list = items(list?.get().as_bytes(), requests).filter(|list| list.len() == requests)?;
    list.into_iter().map(|response| serde_json::from_str(response.get()).ok()).collect()
}

/// Reads the headers of an answer, of which there may be as many as in one that is sent by itself.
fn headers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HeaderMap, D::Error> {
    deserializer.deserialize_map(Headers)
}

struct Headers;

impl<'de> Visitor<'de> for Headers {
    type Value = HeaderMap;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with headers")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HeaderMap, A::Error> {
        let mut headers = HeaderMap::new();
        while let Some((name, value)) = map.next_entry::<String, String>()? {
            // What is no header says nothing.
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                if headers.len() == MOST_HEADERS {
                    return Err(A::Error::custom("it has too many headers"));
                }
                headers.append(name, value);
            }
        }
        Ok(headers)
    }
}

fn answer_of(url: &Url, Response { status, headers, body }: Response<'_>) -> Option<Answer> {
    let body = body.map(|body| Bytes::copy_from_slice(body.get().as_bytes())).unwrap_or_default();
    let status = StatusCode::from_u16(status).ok()?;
    Some(Answer { url: shown(url), at: url.clone(), status, headers, body: Ok(body) })
}
