//! Listens for what the server tells, so that a change on one device reaches another without waiting for the next pull.
//!
//! Hints go into the inbox, and the driver pulls what they speak of. A hint may get lost with a connection, so each new
//! connection begins with a pull.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::core::{Core, Kept, Tried};
use super::inbox::Inbox;
use super::ledger::readable;
use super::pause::{Pause, PauseReason};
use super::settings::RetryPolicy;
use super::timers::LONGEST_SLEEP;
use crate::clock::{Chance, Clock};
use crate::entity::EntityInfo;
use crate::error::LoggedRequest;
use crate::record::{RecordKey, RecordRef};
use crate::remote::{Changed, Changes, EventId, Heard, ListenRequest, Remote, RemoteError, TOLD_APART};
use crate::status::State;
use crate::storage::StorageError;

/// A connection that lasted so long was none that the server hangs up at once, also when there was nothing to tell: many a proxy cuts one
/// in which nothing is said for a minute.
const LASTING: Duration = Duration::from_secs(30);

/// A server that never told anything and refuses so often in a row has nothing to tell. With the usual back-off these are about four minutes:
/// longer than most servers take to be set up anew.
const REFUSALS: u32 = 10;

/// So many connections in a row that failed before the next event was heard: it is not gone on behind that one any more. A single one may
/// well have been cut.
const BROKEN: u32 = 2;

/// What was hinted at since the driver last looked, by entity.
pub(crate) type Hints = BTreeMap<&'static str, Hinted>;

/// What was hinted at of one entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hinted {
    /// Anything may have changed.
    Anything,
    /// These records changed, the newest hint of each.
    Records(BTreeMap<RecordKey, Changed>),
}

impl Default for Hinted {
    fn default() -> Self {
        Self::Records(BTreeMap::new())
    }
}

impl Hinted {
    /// Takes one more hint in; too many are as good as one about everything.
    pub(crate) fn add(&mut self, changed: Changed) {
        let key = match &changed {
            Changed::Anything => None,
            Changed::Record { key, .. } | Changed::Deleted { key } => Some(key.clone()),
        };
        match (&mut *self, key) {
            (Self::Records(records), Some(key))
                if records.len() < TOLD_APART || records.contains_key(&key) =>
            {
                records.insert(key, changed);
            }
            _ => *self = Self::Anything,
        }
    }
}

/// The entities of which something was hinted at that this device does not have yet: its own writes come back, too.
pub(crate) async fn unknown(core: &Core, hints: Hints) -> Result<BTreeSet<&'static str>, StorageError> {
    let known: BTreeMap<_, _> =
        core.entities.iter().map(|port| (port.info().name, port.info().entity_name())).collect();
    core.transact(move |ledger| {
        let mut unknown = BTreeSet::new();
        for (entity, hinted) in hints {
            let Some(name) = known.get(entity) else { continue };
            let news = match hinted {
                Hinted::Anything => true,
                Hinted::Records(records) => {
                    let mut news = false;
                    for (key, changed) in records {
                        let record = readable(ledger.record(&RecordRef::new(name.clone(), key)))?;
                        let base = record.and_then(|record| record.base);
                        news |= match changed {
                            Changed::Anything => true,
                            Changed::Record { version, .. } => {
                                base.and_then(|base| base.version) != Some(version)
                            }
                            Changed::Deleted { .. } => base.is_some(),
                        };
                    }
                    news
                }
            };
            if news {
                unknown.insert(entity);
            }
        }
        Ok(unknown)
    })
    .await
}

/// Listens for every entity, until it is dropped. Holds the core only while it notes a pause: dropping the last engine frees the
/// storage at once.
pub(crate) fn listen(core: &Arc<Core>, inbox: &Arc<Inbox>) -> JoinSet<()> {
    let mut listeners = JoinSet::new();
    for port in core.entities.iter() {
        let listener = Listener {
            core: Arc::downgrade(core),
            remote: Arc::clone(&core.remote),
            entity: port.info(),
            inbox: Arc::clone(inbox),
            retry: core.settings.retry,
            clock: Arc::clone(&core.clock),
            chance: Arc::clone(&core.chance),
            online: core.online.clone(),
            pause: core.pause.subscribe(),
            after: None,
            failures: 0,
            refusals: 0,
            is_offered: false,
            broken: 0,
        };
        listeners.spawn(listener.run());
    }
    listeners
}

struct Listener {
    core: Weak<Core>,
    remote: Arc<dyn Remote>,
    entity: &'static EntityInfo,
    inbox: Arc<Inbox>,
    retry: RetryPolicy,
    clock: Arc<dyn Clock>,
    chance: Arc<Chance>,
    online: watch::Receiver<bool>,
    pause: watch::Receiver<Option<Pause>>,
    /// The last event that was heard.
    after: Option<EventId>,
    /// How many connections in a row came to nothing, for the back-off.
    failures: u32,
    /// How many of them in a row the server refused.
    refusals: u32,
    /// Whether the server has ever told changes.
    is_offered: bool,
    /// How many connections in a row failed before anything was heard behind the last event.
    broken: u32,
}

/// How a connection came to its end.
#[derive(Debug, Default)]
struct Ended {
    /// Whether anything was heard at all: a server that hangs up at once is not asked again at once.
    heard: bool,
    /// How long the server wants listeners to wait before they connect again.
    wish: Duration,
}

impl Listener {
    async fn run(mut self) {
        loop {
            let wish = match AssertUnwindSafe(self.connect()).catch_unwind().await {
                Ok(ControlFlow::Continue(wish)) => wish,
                Ok(ControlFlow::Break(())) => return,
                // Code of the user's, such as a hook for credentials: what it says is not for the log. Whoever does not pull by a timer
                // hears of changes here alone.
                Err(_) => {
                    tracing::warn!(entity = self.entity.name, "listening panicked; it is tried again");
                    Duration::ZERO
                }
            };
            self.back_off(wish).await;
        }
    }

    /// Connects once and hears the connection to its end. Answers how long the server wants listeners to wait before the next one; breaks
    /// off where there is nothing to listen to.
    async fn connect(&mut self) -> ControlFlow<(), Duration> {
        loop {
            // When the connectivity is gone, its last word stands.
            if self.online.wait_for(|online| *online).await.is_err() && !*self.online.borrow() {
                return ControlFlow::Break(());
            }
            if !self.has_waited().await {
                break;
            }
        }
        let request = ListenRequest { entity: self.entity, after: self.after.clone() };
        match self.remote.changes(request).await {
            Ok(None) if !self.is_offered => {
                tracing::debug!(entity = self.entity.name, "the server tells no changes");
                return ControlFlow::Break(());
            }
            // It is being set up anew, perhaps, or knows nothing of what was heard last.
            Ok(None) => self.after = None,
            Ok(Some(changes)) => {
                self.is_offered = true;
                self.inbox.hint(self.entity.name, Changed::Anything);
                let began = Instant::now();
                let ended = self.hear(changes).await;
                if ended.heard || began.elapsed() >= LASTING {
                    self.failures = 0;
                }
                return ControlFlow::Continue(ended.wish);
            }
            Err(error) => {
                tracing::debug!(entity = self.entity.name, error = %LoggedRequest(&error), "not listening");
                self.obey(&error).await;
                // Where no changes are told, the question may be taken for a bad one. A failure of the server's is no refusal: it may be
                // getting on its feet.
                self.refusals = if error.refuses_what_was_asked() { self.refusals + 1 } else { 0 };
                self.doubt_the_place(&error);
                if !self.is_offered && self.refusals >= REFUSALS {
                    tracing::info!(entity = self.entity.name, error = %LoggedRequest(&error), "not asked for changes any more until listening begins anew");
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(Duration::ZERO)
    }

    /// A connection failed behind the last event, or the server does not go on from there. What comes next may be what cannot be read, and
    /// would come first again. To begin anew loses nothing: a connection begins with a pull.
    fn doubt_the_place(&mut self, error: &RemoteError) {
        let asks_to_wait = error.retry_after().is_some();
        self.broken = self.broken.saturating_add(u32::from(!asks_to_wait));
        if error.refuses_a_place() || self.broken >= BROKEN {
            (self.after, self.broken) = (None, 0);
        }
    }

    /// Waits before the next connection: for as long as the server wishes, and as long as connections have failed. That is of another
    /// network once the device has been offline.
    async fn back_off(&mut self, wish: Duration) {
        let wait = self.retry.delay(self.failures, self.chance.fraction());
        self.failures = self.failures.saturating_add(1);
        let wished = Instant::now() + wish.min(self.retry.cap);
        tokio::select! {
            biased;
            Ok(_) = self.online.wait_for(|online| !*online) => self.failures = 0,
            () = sleep(wait) => {}
        }
        sleep_until(wished).await;
    }

    /// While the server asks to be left alone, no connection is made either. Answers whether that was so.
    async fn has_waited(&mut self) -> bool {
        let now = self.clock.now();
        let pause = *self.pause.borrow_and_update();
        let Some(pause) = pause.filter(|pause| pause.throttles(now) && !planted!(ListenersDoNotWait)) else {
            return false;
        };
        let left = (pause.until - now).to_std().unwrap_or_default().min(LONGEST_SLEEP);
        match timeout(left, self.pause.changed()).await {
            // It was made longer, is over, or is looked at again.
            Ok(Ok(())) | Err(_) => {}
            // Nobody is there to be told of anything.
            Ok(Err(_)) => sleep(left).await,
        }
        true
    }

    /// What is asked for with the refusal of a connection concerns everything to that server.
    async fn obey(&self, error: &RemoteError) {
        let Some(core) = self.core.upgrade().map(|core| Kept::by_a_task(&core)) else { return };
        let wish = error.retry_after();
        let begun = match error {
            RemoteError::Throttled { .. } => core.begin_pause(PauseReason::Throttled, wish).await.map(Some),
            _ => core.obey(wish).await,
        };
        let told = match begun {
            // A sync that is running tells itself how it ends.
            Ok(Some(_)) if core.status.borrow().state != State::Syncing => {
                core.refresh_status(Some(PauseReason::Throttled), &Tried::Nothing).await
            }
            begun => begun.map(drop),
        };
        if let Err(error) = told {
            tracing::warn!(entity = self.entity.name, %error, "a pause that the server asked for was not written down");
        }
    }

    async fn hear(&mut self, mut changes: Changes) -> Ended {
        let mut ended = Ended::default();
        loop {
            // To look for the next hint may be a request, and what it says could not be pulled.
            if self.has_waited().await {
                continue;
            }
            let heard = tokio::select! {
                // In one order, so that a simulation is repeatable.
                biased;
                heard = changes.next() => heard,
                // A connection of before is as good as lost: it may never say so.
                Ok(_) = self.online.wait_for(|online| !*online) => None,
            };
            match heard {
                Some(Ok(Heard::Hint { event, changed })) => {
                    ended.heard = true;
                    self.broken = 0;
                    self.after = event.or(self.after.take());
                    self.inbox.hint(self.entity.name, changed);
                }
                Some(Ok(Heard::Reconnect(wish))) => ended.wish = wish,
                Some(Err(error)) => {
                    tracing::debug!(entity = self.entity.name, error = %LoggedRequest(&error), "the server is not heard any more");
                    self.obey(&error).await;
                    if !ended.heard || error.refuses_a_place() {
                        self.doubt_the_place(&error);
                    }
                    return ended;
                }
                None => return ended,
            }
        }
    }
}
