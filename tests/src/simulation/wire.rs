//! The network between one life of a device and the server, with everything that goes wrong on it.

use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use sync::entity::EntityInfo;
use sync::record::{RecordKey, Refusal};
use sync::remote::{
    Changes, Fetched, ListenRequest, Page, PullRequest, Remote, RemoteError, Reply, TransientCause,
    WriteAnswer, WriteRequest,
};
use tokio::time::sleep;

use super::entities::Kind;
use super::faults::Fault;
use super::life::Life;
use super::model::Last;
use super::server::{Handled, name_of};
use super::world::State;

/// How long a device waits for an answer, in milliseconds.
const TIMEOUT: u64 = 30_000;

/// The server, as one life of a device sees it, under one account.
pub(crate) struct Wire(pub(crate) Arc<Life>);

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl Wire {
    fn retry_after(&self) -> Option<Duration> {
        let life = &self.0;
        let seconds = life.dice().between(1, 90);
        if life.dice().per_mille(300) {
            return None;
        }
        if life.strikes(Fault::RetryAfterDate) {
            // The date is the server's; how long that is, a wrong clock gets wrong.
            let skew = life.world.state().bodies[life.device].skew;
            let seconds = i64::try_from(seconds).unwrap_or(0).saturating_sub(skew);
            return Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)));
        }
        Some(Duration::from_secs(seconds))
    }

    /// A pause that is asked for with a page or a record.
    fn wish(&self) -> Option<Duration> {
        let life = &self.0;
        let waits = life.strikes_by(Fault::RetryAfterOnSuccess, Life::later_dice);
        waits.then(|| Duration::from_secs(life.later_dice().between(1, 90)))
    }

    /// A request begins, unless the device is dead.
    async fn begin(&self) {
        let life = &self.0;
        if life.is_dead() {
            pending::<()>().await;
        }
        life.out.fetch_add(1, Ordering::Relaxed);
        life.world.state().requests(life);
    }

    /// An answer is at the device, which may ask for a pause.
    fn heard<A>(&self, leads: Leads, answer: Result<Reply<A>, RemoteError>) -> Result<Reply<A>, RemoteError> {
        let wish = match &answer {
            Ok(reply) => reply.retry_after.filter(|wish| !wish.is_zero()),
            Err(error) => error.retry_after(),
        };
        self.over(leads, wish);
        answer
    }

    fn over(&self, leads: Leads, wish: Option<Duration>) {
        let life = &self.0;
        let alone = life.out.fetch_sub(1, Ordering::Relaxed) == 1 && !life.may_ask();
        if let Some(wish) = wish {
            life.world.state().asked_to_wait(life, wish, alone && leads == Leads::Nowhere);
        }
        if leads == Leads::ToAQuestion {
            life.led_to_a_question();
        }
    }

    /// What stops a request before the server has looked at it.
    async fn stopped(&self, url: &str) -> Option<RemoteError> {
        let life = &self.0;
        let url = || url.to_owned();
        let (down, locked_out) = {
            let state = life.world.state();
            (state.server_is_down(), state.is_locked_out(life.device))
        };
        if down || life.strikes(Fault::ConnectionRefused) {
            life.pass(1, 20).await;
            let (reason, in_doubt) = ("connection refused".to_owned(), false);
            return Some(RemoteError::Unreachable {
                url: url(),
                reason,
                retry_after: None,
                in_doubt,
                source: None,
            });
        }
        if life.strikes(Fault::RequestLost) {
            life.pass(TIMEOUT, TIMEOUT).await;
            return Some(unreachable(url(), "the request was lost", None));
        }
        if life.strikes(Fault::Delayed) {
            life.pass(500, TIMEOUT - 1_000).await;
        } else {
            life.pass(1, 120).await;
        }
        if locked_out {
            life.world.state().tally.count(Fault::Unauthorized);
            life.note(format_args!("! 401"));
            return Some(RemoteError::Unauthorized { url: url(), reason: None, retry_after: None });
        }
        for (fault, status) in [(Fault::Status408, 408), (Fault::Status425, 425), (Fault::Status500, 500)] {
            if life.strikes(fault) {
                return Some(transient(url(), status));
            }
        }
        if life.strikes(Fault::Status429) {
            let retry_after = self.retry_after();
            return Some(RemoteError::Throttled { url: url(), status: 429, retry_after });
        }
        if life.strikes(Fault::Status503) {
            let retry_after = self.retry_after();
            return Some(unreachable(url(), "status 503", retry_after));
        }
        None
    }

    /// Asks the server, and brings the answer home.
    async fn exchange<A>(&self, url: &str, mut ask: impl FnMut(&mut State) -> A) -> Result<A, RemoteError> {
        let life = &self.0;
        life.place("before a request").await;
        if let Some(error) = self.stopped(url).await {
            return Err(error);
        }
        let mut answer = ask(&mut life.world.state());
        if life.strikes(Fault::Duplicated) {
            answer = ask(&mut life.world.state());
        }
        life.place("after the server took a request").await;
        if life.strikes(Fault::Status500AfterTheWrite) {
            return Err(transient(url.to_owned(), 500));
        }
        if life.strikes(Fault::ResponseLost) {
            life.pass(TIMEOUT, TIMEOUT).await;
            return Err(unreachable(url.to_owned(), "the answer was lost", None));
        }
        life.pass(1, 120).await;
        life.place("after an answer").await;
        Ok(answer)
    }

    /// The request leaves the device, is given up there, and arrives much later, when the device may be dead.
    fn arrives_late(&self, request: WriteRequest) {
        let life = Arc::clone(&self.0);
        let after = life.dice().between(1_000, 90_000);
        tokio::spawn(async move {
            sleep(Duration::from_millis(after)).await;
            let mut state = life.world.state();
            // A proxy may be late, but not so late that the operation is done with on the device: what was given up
            // there, and then arrives at a server that does not know its key, is beyond any protocol.
            let name = name_of(request.entity.name, &request.key);
            let waits = state.books[life.device][life.account]
                .row(&name)
                .and_then(|row| row.flight.as_ref())
                .is_some_and(|flight| flight.intention.id == request.id);
            if waits && !state.quiet {
                state.take_write(life.device, life.account, &request);
            }
        });
    }
}

fn transient(url: String, status: u16) -> RemoteError {
    RemoteError::Transient { url, status, cause: TransientCause::Server, problem: None, retry_after: None }
}

fn unreachable(url: String, reason: &str, retry_after: Option<Duration>) -> RemoteError {
    RemoteError::Unreachable { url, reason: reason.to_owned(), retry_after, in_doubt: true, source: None }
}

/// Whether the engine may ask something because of an answer, before it obeys that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Leads {
    Nowhere,
    ToAQuestion,
}

/// What each request comes to.
impl Wire {
    async fn write(&self, request: WriteRequest) -> Result<Reply<WriteAnswer>, RemoteError> {
        let life = &self.0;
        let url = format!("sim:{}/{}", request.entity.endpoint, request.key);
        life.world.state().sending(life, &request);
        if life.strikes(Fault::ArrivesLate) {
            self.arrives_late(request.clone());
            life.pass(TIMEOUT, TIMEOUT).await;
            life.world.state().answered(life, &request, Last::Unknown);
            return Err(unreachable(url, "no answer in time", None));
        }
        let result = self.exchange(&url, |state| state.take_write(life.device, life.account, &request)).await;
        let (last, result) = match result {
            Ok(Handled::Refused) => {
                life.world.state().tally.count(Fault::Refused422);
                let refusal = Refusal { status: 422, problem: None };
                (Last::Refused, Err(RemoteError::Refused { url, refusal, retry_after: None }))
            }
            Ok(Handled::Answer(mut answer)) => {
                if let WriteAnswer::Conflict { body, .. } = &mut answer
                    && life.strikes(Fault::ConflictWithoutBody)
                {
                    *body = None;
                }
                let last = match &answer {
                    WriteAnswer::Accepted { version, .. } => Last::Accepted(version.clone()),
                    _ => Last::Conflict,
                };
                let waits = life.strikes(Fault::RetryAfterOnSuccess);
                let retry_after = if waits { self.retry_after() } else { None };
                (last, Ok(Reply { answer, retry_after }))
            }
            Err(error @ RemoteError::Transient { .. }) => (Last::Failed, Err(error)),
            Err(error) => (Last::Unknown, Err(error)),
        };
        life.note(format_args!("answer to {}: {last:?}", name_of(request.entity.name, &request.key)));
        life.world.state().answered(life, &request, last);
        result
    }

    async fn page(&self, request: PullRequest) -> Result<Reply<Page>, RemoteError> {
        let life = &self.0;
        let kind = Kind::named(request.entity.name);
        let since = request.since.as_ref();
        if !life.world.plan.kinds.contains(&kind) {
            // Nothing ever happens to it: no time is spent on it.
            return Ok(State::idle_page(since).into());
        }
        let url = format!("sim:{}", request.entity.endpoint);
        let repeat = life.strikes(Fault::RepeatedItem);
        let page = self
            .exchange(&url, |state| state.server.page(life.account, kind, since, request.limit, repeat))
            .await?;
        if life.strikes(Fault::PageCutInHalf) {
            let reason = "the page ends in the middle of an item".to_owned();
            return Err(RemoteError::Protocol { url, reason, retry_after: None, source: None });
        }
        let Some((page, names)) = page else {
            life.world.state().tally.count(Fault::CursorsForgotten);
            life.note(format_args!("! 410 for {} since {since:?}", request.entity.name));
            return Err(RemoteError::CursorGone { url, retry_after: None });
        };
        life.note(format_args!(
            "page of {}: {} items, {:?}",
            request.entity.name,
            names.len(),
            page.position
        ));
        life.world.state().paged(life, kind, &page, &names);
        Ok(Reply { answer: page, retry_after: self.wish() })
    }

    async fn record(
        &self,
        entity: &'static EntityInfo,
        key: &RecordKey,
    ) -> Result<Reply<Fetched>, RemoteError> {
        let life = &self.0;
        let name = name_of(entity.name, key);
        let url = format!("sim:{}/{key}", entity.endpoint);
        let fetched = self.exchange(&url, |state| state.server.fetch(life.account, &name)).await;
        let mut state = life.world.state();
        let book = &mut state.books[life.device][life.account];
        if let Ok(fetched) = &fetched {
            book.looked(&name, fetched);
        }
        match &fetched {
            Err(RemoteError::Transient { .. }) => book.question_failed(&name),
            Ok(Fetched::Missing) => book.nothing_is_in_the_way(&name),
            _ => {}
        }
        drop(state);
        let fetched = fetched?;
        life.note(format_args!("fetched {name}: {}", matches!(fetched, Fetched::Present { .. })));
        Ok(Reply { answer: fetched, retry_after: self.wish() })
    }
}

#[async_trait]
impl Remote for Wire {
    async fn send(&self, request: WriteRequest) -> Result<Reply<WriteAnswer>, RemoteError> {
        self.begin().await;
        self.heard(Leads::ToAQuestion, self.write(request).await)
    }

    async fn pull(&self, request: PullRequest) -> Result<Reply<Page>, RemoteError> {
        self.begin().await;
        self.heard(Leads::Nowhere, self.page(request).await)
    }

    async fn fetch(
        &self,
        entity: &'static EntityInfo,
        key: &RecordKey,
    ) -> Result<Reply<Fetched>, RemoteError> {
        self.begin().await;
        self.heard(Leads::Nowhere, self.record(entity, key).await)
    }

    async fn changes(&self, request: ListenRequest) -> Result<Option<Changes>, RemoteError> {
        let life = &self.0;
        self.begin().await;
        let kind = Kind::named(request.entity.name);
        if !life.world.plan.habits.live || !life.world.plan.kinds.contains(&kind) {
            self.over(Leads::Nowhere, None);
            return Ok(None);
        }
        let url = format!("sim:{}/changes", request.entity.endpoint);
        let connected = self.exchange(&url, |_| ()).await;
        self.over(Leads::Nowhere, connected.as_ref().err().and_then(RemoteError::retry_after));
        connected?;
        life.note(format_args!("listens to {}", request.entity.name));
        Ok(Some(Box::pin(life.world.state().live.listen(life, kind))))
    }

    async fn probe(&self) -> Result<(), RemoteError> {
        self.begin().await;
        let reached = self.exchange("sim:", |_| ()).await;
        self.over(Leads::Nowhere, reached.as_ref().err().and_then(RemoteError::retry_after));
        reached
    }
}
