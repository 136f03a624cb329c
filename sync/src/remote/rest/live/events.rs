//! Server-sent events (HTML standard, section 9.2): `GET {endpoint}/changes` with `Accept: text/event-stream`.
//!
//! The data of an event is `{"id": …, "version": …}` for a record that was written, `{"id": …, "deleted": true}` for one
//! that was deleted, and anything else for "something changed". Comments keep the connection alive.

use std::time::Duration;

use futures::{StreamExt, stream};
use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde::Deserialize;
use sse_stream::{Error, Sse, SseStream};

use super::guard::guarded;
use crate::record::{RecordKey, Version};
use crate::remote::rest::base_url::{BaseUrl, shown};
use crate::remote::rest::exchange::Exchange;
use crate::remote::rest::request;
use crate::remote::{Changed, Changes, EventId, Heard, ListenRequest, RemoteError};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Begins to listen; `None` when there is no such stream.
pub(super) async fn listen(
    base: &BaseUrl,
    exchange: &Exchange,
    path: &str,
    wanted: &ListenRequest,
) -> Result<Option<Changes>, RemoteError> {
    let mut request = request::listen(base, wanted.entity, path)?;
    if let Some(after) = &wanted.after
        // An event id that cannot stand in a header is left out: the pull that follows tells what was missed.
        && let Ok(value) = HeaderValue::from_str(after.as_str())
    {
        request.headers.insert(LAST_EVENT_ID, value);
    }
    let url = shown(&request.url);
    let response = exchange.open(&request).await?;
    match response.status().as_u16() {
        200 if is(&response, "text/event-stream") => {}
        // Of a network that wants somebody to log in, perhaps.
        200 if is(&response, "text/html") => {
            return Err(RemoteError::Protocol {
                url,
                reason: "expected a stream of events, and got a page of HTML".to_owned(),
                retry_after: None,
                source: None,
            });
        }
        // 204 is how such a stream is told to end for good.
        200 | 204 | 404 | 405 | 406 | 410 | 501 => return Ok(None),
        _ => return Err(exchange.refused(url, response).await),
    }
    tracing::debug!(%url, "listening");
    Ok(Some(heard(response, exchange.silence, url)))
}

fn is(response: &Response, wanted: &str) -> bool {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default();
    kind.trim().eq_ignore_ascii_case(wanted)
}

fn heard(response: Response, silence: Duration, url: String) -> Changes {
    let events = SseStream::from_bytes_stream(Box::pin(guarded(response, silence)));
    events
        .flat_map(move |event| {
            stream::iter(match event {
                Ok(event) => read(event).into_iter().map(Ok).collect::<Vec<_>>(),
                Err(error) => vec![Err(lost(&url, error))],
            })
        })
        .boxed()
}

fn lost(url: &str, error: Error) -> RemoteError {
    RemoteError::Unreachable {
        url: url.to_owned(),
        reason: "the server is not heard any more".to_owned(),
        retry_after: None,
        in_doubt: true,
        source: Some(error.into()),
    }
}

/// An event as hints.
fn read(event: Sse) -> Vec<Heard> {
    let retry = event.retry.map(|millis| Heard::Reconnect(Duration::from_millis(millis)));
    let hint = event.data.map(|data| Heard::Hint {
        event: event.id.filter(|id| !id.is_empty()).map(EventId::new),
        changed: Data::read(&data).unwrap_or(Changed::Anything),
    });
    retry.into_iter().chain(hint).collect()
}

/// What an event says of a record.
#[derive(Deserialize)]
struct Data {
    id: Scalar,
    version: Option<Scalar>,
    #[serde(default)]
    deleted: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Signed(i64),
    Unsigned(u64),
}

impl Scalar {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Signed(number) => number.to_string(),
            Self::Unsigned(number) => number.to_string(),
        }
    }
}

impl Data {
    /// `None` when it does not say which record it is about.
    fn read(data: &str) -> Option<Changed> {
        let Self { id, version, deleted } = serde_json::from_str(data).ok()?;
        let key = RecordKey::new(id.into_text()).ok()?;
        match version {
            _ if deleted => Some(Changed::Deleted { key }),
            Some(version) => Some(Changed::Record { key, version: Version::new(version.into_text()) }),
            None => None,
        }
    }
}
