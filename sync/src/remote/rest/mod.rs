//! The HTTP contract (README, "For people who write the server"): [`RestRemote`] and what it is made of.
//!
//! A request goes down this list, and its answer comes up again:
//!
//! - `request`: what the engine asks for as method, URL, headers and body; `base_url`, `sent_body`, `version`, `paging`.
//! - `exchange`: credentials, redirects, time and size limits; `credentials`, `signer`, `redirect`, `body`, `scheme`.
//! - `batch`: several requests in one, where the server has that.
//! - `live`: what a server tells on its own, as it comes.
//! - `answer`: what status, headers and body mean, and `speaker`, who says it; `page`, `members`, `problem`, `retry_after`; `absence`, for a 404.
//!
//! What servers do differently is data ([`Dialect`]). Nothing in here knows of queues, strategies or typed records.

mod absence;
mod answer;
mod base_url;
mod batch;
mod body;
mod builder;
mod credentials;
mod dialect;
mod error;
mod exchange;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod live;
mod members;
pub(crate) mod page;
mod paging;
mod problem;
mod redirect;
mod request;
pub(crate) mod retry_after;
mod scheme;
mod secret;
mod sent_body;
mod signer;
mod speaker;
mod version;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use url::Url;

use self::absence::{Absence, Collections};
use self::answer::{Reader, failure, leading_number};
use self::base_url::{BaseUrl, shown};
use self::batch::Batches;
pub use self::builder::RestRemoteBuilder;
pub use self::credentials::{Authorization, Credentials, CredentialsError};
pub use self::dialect::{
    AdvertisedLimit, AnsweredBody, BatchDialect, BatchOutcomes, ConflictDialect, CursorSource,
    DeletionDialect, Dialect, FetchDialect, LiveDialect, LongPollDialect, MemberPath, Method, NewestCursor,
    Paging, Parameters, PullDialect, RecordBatch, RecordDialect, RequestBatch, ScopeDialect, SentBody,
    Template, Tombstone, VersionCheck, VersionSource, WriteDialect,
};
pub use self::error::{BaseUrlProblem, RestError};
use self::exchange::Exchange;
use self::paging::{After, NoWay, PageEnd, Place, Refused};
pub use self::secret::Secret;
pub use self::signer::{Signer, Unsigned};
use self::speaker::Speaker;
use super::{
    Changes, Deletions, Fetched, ListenRequest, Page, PullRequest, Remote, RemoteError, Reply, WriteAnswer,
    WriteRequest,
};
use crate::entity::EntityInfo;
use crate::record::{RecordKey, Write};

/// A server that speaks the HTTP contract, or a dialect of it.
///
/// HTTP/1.1 with connections kept open and HTTP/2 where TLS negotiates it, gzip, TLS by rustls with the system's
/// certificates, and the system's proxy. Redirects are followed within the origin when they keep the method (307, 308);
/// credentials go nowhere else.
///
/// ```
/// use sync::RestRemote;
///
/// let remote = RestRemote::new("https://api.example.com/v1")?;
/// # Ok::<(), sync::RestError>(())
/// ```
///
/// One remote belongs to one account: after a log-out, build another one.
pub struct RestRemote {
    base: BaseUrl,
    exchange: Arc<Exchange>,
    dialect: Dialect,
    batches: Option<Batches>,
    collections: Collections,
    /// The cursors that were compared with the newest one, and whose page was not asked for yet, by endpoint.
    compared: Mutex<HashMap<&'static str, i64>>,
}

impl RestRemote {
    /// A server with the contract's names, no credentials, and the limits that [`RestRemoteBuilder`] states. The
    /// endpoints of the entities are below `url`: `https://x/v1` and `/notes` are `https://x/v1/notes`.
    ///
    /// # Errors
    /// When `url` is no absolute `http` or `https` URL, or has a query, a fragment, a user name or a password.
    pub fn new(url: impl AsRef<str>) -> Result<Self, RestError> {
        Self::builder(url).build()
    }

    /// The same, with settings.
    pub fn builder(url: impl AsRef<str>) -> RestRemoteBuilder {
        RestRemoteBuilder::new(url.as_ref().to_owned())
    }

    fn reader(&self) -> Reader<'_> {
        Reader { exchange: &self.exchange, dialect: &self.dialect }
    }

    async fn send_alone(&self, request: &WriteRequest) -> Result<Reply<WriteAnswer>, RemoteError> {
        let answer = self.exchange.run(request::write(&self.base, request, &self.dialect)?).await?;
        let absence = Absence::of(&answer);
        let reply = self.reader().written(request, answer);
        match (absence, reply) {
            (
                Some(absence),
                Ok(reply @ Reply { answer: WriteAnswer::Accepted { .. } | WriteAnswer::Missing, .. }),
            ) => self.look_for_the_record(request, absence, reply).await,
            // Nothing is where a record was to be made.
            (Some(absence), Err(refused @ RemoteError::Refused { .. })) => {
                Err(match self.look_for_the_collection(request.entity, absence.doubt).await {
                    Ok(wish) => refused.waiting(wish),
                    Err(error) => error.waiting(refused.retry_after()),
                })
            }
            (_, reply) => reply,
        }
    }

    async fn page(&self, request: &PullRequest, place: &Place) -> Result<Reply<page::Read>, RemoteError> {
        let question = request::pull(&self.base, request, place, &self.dialect)?;
        let answer = self.exchange.run(question).await?;
        let at = answer.at.clone();
        let mut reply = self.reader().pulled(request, answer)?;
        self.keep_inside(&at, &mut reply.answer.end).map_err(|error| error.waiting(reply.retry_after))?;
        Ok(reply)
    }

    /// Where the server names the next page's address: keeps what of it belongs to this server.
    fn keep_inside(&self, at: &Url, end: &mut PageEnd) -> Result<(), RemoteError> {
        if let (Paging::Link | Paging::Header(_) | Paging::Member(_), Some(address)) =
            (&self.dialect.pull.paging, &end.next)
        {
            let next = self.base.next_page(at, address);
            end.next = Some(next.map_err(|error| request::outside(&self.base, error))?);
        }
        Ok(())
    }

    /// A server that lost data takes a cursor from before that for good, and tells nothing for ever.
    async fn refuse_cursor_of_the_future(
        &self,
        request: &PullRequest,
        place: &Place,
    ) -> Result<(), RemoteError> {
        let Some(newest) = &self.dialect.pull.newest else { return Ok(()) };
        let Some(since) = place.since().and_then(leading_number) else { return Ok(()) };
        let compared = || self.compared.lock().unwrap_or_else(PoisonError::into_inner);
        if compared().remove(request.entity.endpoint) == Some(since) {
            return Ok(());
        }
        let question = request::plain(&self.base, request.entity, &newest.path)?;
        let url = shown(&question.url);
        let answer = self.exchange.run(question).await?;
        let (status, retry_after) = (answer.status.as_u16(), answer.retry_after());
        if self.reader().newest(&newest.member, answer)? < since {
            return Err(RemoteError::CursorGone { url, retry_after });
        }
        if retry_after.is_some() {
            // The page waits, too. It is asked for next, or a server that asks for patience all the time would never be asked for it.
            compared().insert(request.entity.endpoint, since);
            return Err(RemoteError::Throttled { url, status, retry_after });
        }
        Ok(())
    }
}

impl fmt::Debug for RestRemote {
    /// Shows the base URL and nothing else: headers may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RestRemote").field("base", &self.base).finish_non_exhaustive()
    }
}

#[async_trait]
impl Remote for RestRemote {
    async fn send(&self, request: WriteRequest) -> Result<Reply<WriteAnswer>, RemoteError> {
        match &self.batches {
            Some(batches) if batch::takes(&self.dialect.batch, &request.write) => {
                batches.send(self, request).await
            }
            _ => self.send_alone(&request).await,
        }
    }

    async fn pull(&self, request: PullRequest) -> Result<Reply<Page>, RemoteError> {
        let pull = &self.dialect.pull;
        let place = Place::of(request.since.as_ref(), pull);
        if place.is_first() {
            self.refuse_cursor_of_the_future(&request, &place).await?;
        }
        let Reply { answer: page::Read { mut items, end }, retry_after } =
            match self.page(&request, &place).await {
                Err(error) => {
                    let retry_after = error.retry_after();
                    match place.refused(&error, pull) {
                        Refused::Stands => return Err(error),
                        Refused::Gone => {
                            return Err(RemoteError::CursorGone { url: error.url().to_owned(), retry_after });
                        }
                        Refused::GoesOn(position) => {
                            return Ok(Reply { answer: Page { items: Vec::new(), position }, retry_after });
                        }
                        Refused::Empty => Reply { answer: page::Read::nothing(&request), retry_after },
                    }
                }
                reply => reply?,
            };
        let url = || format!("{}{}", self.base, request.entity.endpoint);
        match place.after(end, pull) {
            Ok(After { position, seen }) => {
                items.drain(..seen.min(items.len()));
                Ok(Reply { answer: Page { items, position }, retry_after })
            }
            Err(NoWay::Shifts) => Err(RemoteError::CursorGone { url: url(), retry_after }),
            Err(no_way) => {
                let reason = no_way.told(pull);
                Err(RemoteError::Protocol { url: url(), reason, retry_after, source: None })
            }
        }
    }

    async fn fetch(
        &self,
        entity: &'static EntityInfo,
        key: &RecordKey,
    ) -> Result<Reply<Fetched>, RemoteError> {
        let answer = self.exchange.run(request::fetch(&self.base, entity, key, &self.dialect)?).await?;
        let absence = Absence::of(&answer);
        let mut reply = self.reader().fetched(entity, answer)?;
        if let (Some(absence), Fetched::Missing) = (absence, &reply.answer) {
            let wish = self.look_for_the_collection(entity, absence.doubt).await?;
            reply.retry_after = reply.retry_after.max(wish);
        }
        Ok(reply)
    }

    fn reads_first(&self, write: &Write) -> bool {
        request::way(&self.dialect, write).check == VersionCheck::ReadFirst
    }

    fn sends_changes(&self) -> bool {
        [&self.dialect.update, &self.dialect.overwrite].iter().any(|way| way.body == SentBody::MergePatch)
    }

    fn merges(&self) -> bool {
        [&self.dialect.update, &self.dialect.overwrite].into_iter().any(sent_body::merges)
    }

    fn own_members(&self) -> Vec<String> {
        let record = &self.dialect.record;
        // An id that is under the usual name may be another member of an entity's that has another name for its own.
        let id = Some(&*record.id_member).filter(|id| *id != RecordDialect::default().id_member);
        [record.version.member(), record.tombstone.member(), id]
            .into_iter()
            .flatten()
            .map(str::to_owned)
            .collect()
    }

    fn tombstone_member(&self) -> Option<&str> {
        let record = &self.dialect.record;
        // What is never sent, no edit sets.
        record.tombstone.member().filter(|member| !record.unsent.iter().any(|unsent| unsent == member))
    }

    fn goes_by_endpoints(&self) -> bool {
        true
    }

    fn deletions(&self) -> Deletions {
        match self.dialect.deletions {
            DeletionDialect::Told | DeletionDialect::Never => Deletions::Told,
            DeletionDialect::Listed { every } => Deletions::Listed { every },
        }
    }

    async fn changes(&self, request: ListenRequest) -> Result<Option<Changes>, RemoteError> {
        live::changes(&self.base, &self.exchange, &self.dialect.live, &request).await
    }

    /// Asks for the head of the base URL, without credentials. Every answer of the server itself counts.
    async fn probe(&self) -> Result<(), RemoteError> {
        let answer = self.exchange.run_anonymously(request::probe(&self.base)).await;
        match answer {
            Ok(answer) if Speaker::of(&answer) == Speaker::GoBetween => Err(failure(&answer)),
            // A redirect that is not followed, for instance.
            Ok(_) | Err(RemoteError::Protocol { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
