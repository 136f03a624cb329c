//! A request that is answered once something changed, such as `_changes?feed=longpoll` of `CouchDB`.

use std::sync::Arc;

use futures::{StreamExt, stream};
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use serde_json::value::RawValue;
use url::Url;

use crate::record::{RecordKey, Version};
use crate::remote::rest::answer::failure;
use crate::remote::rest::base_url::BaseUrl;
use crate::remote::rest::dialect::LongPollDialect;
use crate::remote::rest::exchange::{Answer, Exchange};
use crate::remote::rest::members::{descend, items, kind, pick, scalar};
use crate::remote::rest::request::{self, Request};
use crate::remote::rest::version::from_member;
use crate::remote::{Changed, Changes, EventId, Heard, ListenRequest, RemoteError, TOLD_APART};

/// The requests one after the other. What changes before the first one reached the server is left to the next pull.
pub(super) fn listen(
    base: &BaseUrl,
    exchange: &Arc<Exchange>,
    dialect: &LongPollDialect,
    wanted: &ListenRequest,
) -> Result<Changes, RemoteError> {
    let url = request::listen(base, wanted.entity, &dialect.path)?.url;
    let since = wanted.after.as_ref().map_or(&*dialect.first, EventId::as_str).to_owned();
    let poll = Poll { exchange: Arc::clone(exchange), dialect: dialect.clone(), url, since, stands: false };
    let polls = stream::unfold(Some(poll), |poll| async move {
        let mut poll = poll?;
        Some(match poll.next().await {
            Ok(heard) => (heard.into_iter().map(Ok).collect::<Vec<_>>(), Some(poll)),
            Err(error) => (vec![Err(error)], None),
        })
    });
    Ok(polls.flat_map(stream::iter).boxed())
}

struct Poll {
    exchange: Arc<Exchange>,
    dialect: LongPollDialect,
    url: Url,
    since: String,
    /// Whether the last answer led no further.
    stands: bool,
}

impl Poll {
    /// Waits until something changed, or until the server has waited long enough.
    async fn next(&mut self) -> Result<Vec<Heard>, RemoteError> {
        // A server that answers at once, and has nothing new to say, must not be asked again and again.
        if self.stands {
            tokio::time::sleep(self.dialect.pause).await;
        }
        let mut answer = self.exchange.run(self.request()).await?;
        if answer.status.as_u16() != 200 {
            return Err(failure(&answer));
        }
        let body = self.exchange.body(&mut answer)?;
        let (since, heard) = self.read(&body).ok_or_else(|| self.unreadable(&answer))?;
        self.stands = since == self.since;
        self.since = since;
        Ok(heard)
    }

    fn request(&self) -> Request {
        let mut url = self.url.clone();
        url.query_pairs_mut()
            .extend_pairs(&self.dialect.parameters)
            .append_pair(&self.dialect.since_parameter, &self.since);
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("application/json"))]);
        Request { method: reqwest::Method::GET, url, headers, body: None }
    }

    /// Where to go on, and what changed.
    fn read(&self, body: &[u8]) -> Option<(String, Vec<Heard>)> {
        let names = [&*self.dialect.cursor_member, &*self.dialect.list_member];
        let [cursor, list] = pick(body, names).ok()?;
        let cursor = scalar(cursor?)?;
        let list = list.filter(|list| kind(list) == "array")?;
        let changes = match items(list.get().as_bytes(), TOLD_APART) {
            Some(items) => items.into_iter().map(|item| self.changed(item)).collect(),
            None => vec![Changed::Anything],
        };
        let event = Some(EventId::new(&*cursor));
        let heard =
            changes.into_iter().map(|changed| Heard::Hint { event: event.clone(), changed }).collect();
        Some((cursor, heard))
    }

    /// Which record an item of the list is about; anything, when it does not say so.
    fn changed(&self, item: &RawValue) -> Changed {
        self.record(item).unwrap_or(Changed::Anything)
    }

    fn record(&self, item: &RawValue) -> Option<Changed> {
        let key = RecordKey::new(scalar(descend(item, self.dialect.id_path.steps())?)?).ok()?;
        if descend(item, self.dialect.deleted_path.steps()).is_some_and(|deleted| deleted.get() == "true") {
            return Some(Changed::Deleted { key });
        }
        let version: Version = from_member(descend(item, self.dialect.version_path.steps()))?;
        Some(Changed::Record { key, version })
    }

    fn unreadable(&self, answer: &Answer) -> RemoteError {
        let LongPollDialect { cursor_member, list_member, .. } = &self.dialect;
        RemoteError::Protocol {
            url: answer.url.clone(),
            reason: format!(
                "expected an object with the cursor `{cursor_member}` and the list `{list_member}`"
            ),
            retry_after: answer.retry_after(),
            source: None,
        }
    }
}
