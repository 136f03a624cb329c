//! The HTTP contract (README, "For people who write the server"): [`RestRemote`] and what it is made of.
//!
//! A request goes down this list, and its answer comes up again:
//!
//! - `request`: what the engine asks for as method, URL, headers and body; `base_url`, `sent_body`, `version`, `paging`.
//! - `exchange`: credentials, redirects, time and size limits; `credentials`, `signer`, `redirect`, `body`.
//! - `batch`: several requests in one, where the server has that.
//! - `live`: what a server tells on its own, as it comes.
//! - `answer`: what status, headers and body mean; `page`, `members`, `problem`, `retry_after`; `absence`, for a 404.
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
mod page;
mod paging;
mod problem;
mod redirect;
mod request;
mod retry_after;
mod secret;
mod sent_body;
mod signer;
mod version;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use url::Url;

use self::absence::{Absence, Collections};
use self::answer::{Reader, failure, is_of_a_go_between, leading_number};
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
use self::paging::{PageEnd, Place};
pub use self::secret::Secret;
pub use self::signer::{Signer, Unsigned};
use super::{
    Changes, Deletions, Fetched, ListenRequest, Page, PullRequest, Remote, RemoteError, Reply, WriteAnswer,
    WriteRequest,
};
use crate::entity::EntityInfo;
use crate::record::{RecordKey, Refusal, Write};

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
                self.look_for_the_collection(request.entity, absence.doubt).await?;
                Err(refused)
            }
            (_, reply) => reply,
        }
    }

    async fn page(&self, request: &PullRequest, place: &Place) -> Result<Reply<page::Read>, RemoteError> {
        let question = request::pull(&self.base, request, place, &self.dialect)?;
        let asked = question.url.clone();
        let mut reply = self.reader().pulled(request, self.exchange.run(question).await?)?;
        self.keep_inside(&asked, &mut reply.answer.end)?;
        Ok(reply)
    }

    /// Where the server names the next page's address: keeps what of it belongs to this server.
    fn keep_inside(&self, asked: &Url, end: &mut PageEnd) -> Result<(), RemoteError> {
        if let (Paging::Link | Paging::Header(_) | Paging::Member(_), Some(address)) =
            (&self.dialect.pull.paging, &end.next)
        {
            let next = self.base.next_page(asked, address);
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
        let question = request::plain(&self.base, request.entity, &newest.path)?;
        let url = shown(&question.url);
        let answer = self.exchange.run(question).await?;
        let retry_after = answer.retry_after();
        if self.reader().newest(&newest.member, answer)? < since {
            return Err(RemoteError::CursorGone { url, retry_after });
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
        let Reply { answer: read, retry_after } = match self.page(&request, &place).await {
            // Many servers keep such an address for an hour or a day, and the last sync may be longer ago.
            Err(error) if place.was_given_by_the_server() && answer::refuses_a_place(&error) => {
                let retry_after = error.retry_after();
                // The place is kept, and would be refused at each pull from now on.
                let Some(position) = place.anew(pull) else {
                    return Err(RemoteError::CursorGone { url: error.url().to_owned(), retry_after });
                };
                let page = Page { items: Vec::new(), position };
                return Ok(Reply { answer: page, retry_after });
            }
            // That is how some say that the page before was the last one.
            Err(RemoteError::Refused { refusal: Refusal { status: 404, .. }, retry_after, .. })
                if place.may_be_past_the_end() =>
            {
                Reply { answer: page::Read::nothing(&request), retry_after }
            }
            reply => reply?,
        };
        let shifted = match place.to_be_compared(pull) {
            Some((before, ended_with)) if !read.end.follows(ended_with) => {
                match self.page(&request, &before).await {
                    Ok(again) => !read.end.goes_on_after(&again.answer.end, ended_with),
                    // Some tokens are good for one request.
                    Err(error) if before.was_given_by_the_server() && answer::refuses_a_place(&error) => {
                        false
                    }
                    Err(error) => return Err(error),
                }
            }
            _ => false,
        };
        let anew = if shifted { place.anew(pull) } else { None };
        let position = match anew {
            Some(anew) => anew,
            None => place.after(read.end, pull).map_err(|no_way| RemoteError::Protocol {
                url: format!("{}{}", self.base, request.entity.endpoint),
                reason: no_way.told(pull),
                retry_after,
                source: None,
            })?,
        };
        Ok(Reply { answer: Page { items: read.items, position }, retry_after })
    }

    async fn fetch(
        &self,
        entity: &'static EntityInfo,
        key: &RecordKey,
    ) -> Result<Reply<Fetched>, RemoteError> {
        let answer = self.exchange.run(request::fetch(&self.base, entity, key, &self.dialect)?).await?;
        let absence = Absence::of(&answer);
        let reply = self.reader().fetched(entity, answer)?;
        if let (Some(absence), Fetched::Missing) = (absence, &reply.answer) {
            self.look_for_the_collection(entity, absence.doubt).await?;
        }
        Ok(reply)
    }

    fn reads_first(&self, write: &Write) -> bool {
        request::way(&self.dialect, write).check == VersionCheck::ReadFirst
    }

    fn sends_changes(&self) -> bool {
        [&self.dialect.update, &self.dialect.overwrite].iter().any(|way| way.body == SentBody::MergePatch)
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
            Ok(answer) if is_of_a_go_between(answer.status) => Err(failure(&answer)),
            // A redirect that is not followed, for instance.
            Ok(_) | Err(RemoteError::Protocol { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
