//! `GET {endpoint}/changes`: server-sent events, one for each change of the collection.
//!
//! An event names the record and its version, and carries the version as its id, so that a client which lost the connection
//! goes on where it was.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::http::Service;
use super::problem::Problem;
use super::store::Row;

/// How many changes are read at once.
const BATCH: usize = 500;

/// How often a comment says that the connection is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The collection whose changes are asked for; `None` when it is something else that is asked for, such as a record with the id
/// `changes`.
pub(super) fn collection_of<'p>(
    service: &Service,
    method: &Method,
    path: &'p str,
    headers: &HeaderMap,
) -> Option<&'p str> {
    let accepts = headers.get(header::ACCEPT)?.to_str().ok()?;
    let collection = path.strip_suffix("/changes")?;
    (*method == Method::GET && accepts.contains("text/event-stream") && service.has(collection))
        .then_some(collection)
}

/// Tells of each change from now on, or from after the `Last-Event-ID`.
pub(super) fn events(
    service: Arc<Service>,
    collection: &str,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let newest = service.store.newest()?;
    let after = match headers.get("last-event-id").map(|id| id.to_str().ok().and_then(|id| id.parse().ok())) {
        None => newest,
        Some(Some(after)) if (0..=newest).contains(&after) => after,
        Some(_) => {
            let detail = "this `Last-Event-ID` is none of this server's: pull, and listen without it";
            return Err(Problem::new(StatusCode::GONE, detail));
        }
    };
    let events = changes(service, collection.to_owned(), after);
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

fn changes(
    service: Arc<Service>,
    collection: String,
    after: i64,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let written = service.written.subscribe();
    stream::unfold(
        (service, collection, written, after),
        |(service, collection, mut written, after)| async move {
            loop {
                // Seen before the store is read: what is written meanwhile wakes it again.
                written.mark_unchanged();
                // The lock of the store is held for a look into an index.
                let Ok(rows) = service.store.since(&collection, after, BATCH) else { return None };
                if let Some(last) = rows.last() {
                    let after = last.version;
                    let events: Vec<_> = rows.into_iter().map(|row| Ok(event(row))).collect();
                    return Some((stream::iter(events), (service, collection, written, after)));
                }
                written.changed().await.ok()?;
            }
        },
    )
    .flatten()
}

/// The record that it is about is named by `id`, whatever the collection calls that.
fn event(row: Row) -> Event {
    let version = row.version.to_string();
    let id = row.id_json.unwrap_or_else(|| Value::from(row.id));
    let data = match row.record {
        Some(_) => json!({ "id": id, "version": version }),
        None => json!({ "id": id, "deleted": true }),
    };
    Event::default().id(version).data(data.to_string())
}

/// Wakes those who listen.
#[derive(Debug)]
pub(super) struct Written(watch::Sender<()>);

impl Default for Written {
    fn default() -> Self {
        Self(watch::Sender::new(()))
    }
}

impl Written {
    /// Something was written.
    pub(super) fn announce(&self) {
        self.0.send_replace(());
    }

    fn subscribe(&self) -> watch::Receiver<()> {
        self.0.subscribe()
    }
}
