//! Runs one sync at a time: those that callers ask for, and those that are due.

use std::collections::{BTreeSet, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Weak};

use chrono::{DateTime, Utc};
use futures::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use super::core::{Core, Tried, resting};
use super::flush::{flush, is_left, say_why_it_waits};
use super::held;
use super::inbox::{Answer, Inbox, Pulls, Request, Wanted};
use super::listen::{listen, unknown};
use super::pause::{Pause, PauseReason};
use super::port::EntityPort;
use super::pull::{Pulled, pull, pull_failed};
use super::receipt::Receipts;
use super::timers::{Due, Moment, Timers};
use crate::clock::Clock;
use crate::error::{Error, SyncError, panic_message};
use crate::report::SyncReport;
use crate::status::{State, Status};
use crate::storage::StorageError;
use crate::telemetry::SyncEvent;

/// Runs until the inbox is closed. Holds the core only while a sync runs, so that dropping the last engine frees the
/// storage at once. `online` tells [`changes`](crate::connectivity::changes) and nothing twice.
pub(crate) async fn drive(core: Weak<Core>, inbox: Arc<Inbox>, mut online: watch::Receiver<bool>) {
    let Some((receipts, mut watch)) =
        core.upgrade().map(|core| (Arc::clone(&core.receipts), Watch::of(&core)))
    else {
        return;
    };
    let _end = CloseAtEnd { inbox: &inbox, receipts, status: watch.status.clone() };
    let mut timers = Timers::default();
    // Dropped, and by that ended, with the driver.
    let mut listeners: Option<JoinSet<()>> = None;
    loop {
        let news = inbox.look();
        if news.closed {
            return;
        }
        let now = watch.now();
        timers.adopt(news.auto, news.pushed, now);
        if timers.listens() != listeners.is_some() {
            listeners = core.upgrade().filter(|_| timers.listens()).map(|core| listen(&core, &inbox));
        }
        if timers.listens() && !news.hints.is_empty() {
            let Some(core) = core.upgrade() else { return };
            let hinted: BTreeSet<_> = news.hints.keys().copied().collect();
            // Where the storage cannot tell what is known, everything is news.
            timers.hinted(unknown(&core, news.hints).await.unwrap_or(hinted), now);
        }
        // Only looked at: a change is still to be seen as an edge.
        let reachable = *online.borrow();
        let due = if reachable { timers.take_due(now) } else { None };
        let request = match (news.request, due) {
            (Some(request), None) => request,
            // What is due at the same time is done with it: its timer is spent.
            (Some(request), Some(wanted)) => Request { wanted: request.wanted.and(wanted), ..request },
            (None, Some(wanted)) => Request { wanted, callers: Vec::new() },
            (None, None) => {
                if (watch.shows_what_is_over()
                    || wait(&inbox, &mut timers, &mut online, reachable, &mut watch).await)
                    && let Some(core) = core.upgrade()
                {
                    core.show_rest();
                }
                continue;
            }
        };
        let Some(core) = core.upgrade() else { return };
        let (left, answer) = run(&core, &request.wanted).await;
        timers.after(&core, &request.wanted, &left).await;
        drop(core);
        for caller in request.callers {
            // Whoever stopped waiting does not want to know.
            let _ = caller.send(answer.clone());
        }
    }
}

/// Closes the inbox and the receipts when the driver ends, by a panic or with its runtime too: nobody waits for an answer that does not
/// come. Without the core, which is gone with the last engine, and not a moment later.
struct CloseAtEnd<'a> {
    inbox: &'a Inbox,
    receipts: Arc<Receipts>,
    status: watch::Sender<Status>,
}

impl Drop for CloseAtEnd<'_> {
    fn drop(&mut self) {
        self.inbox.close();
        self.receipts.close();
        // A sync that was cut short has not said how it ended.
        self.status.send_if_modified(|status| {
            let is_cut_short = status.state == State::Syncing;
            if is_cut_short {
                status.state = resting(None, status);
            }
            is_cut_short
        });
    }
}

/// What the driver looks at without keeping the core.
struct Watch {
    clock: Arc<dyn Clock>,
    status: watch::Sender<Status>,
    pause: watch::Receiver<Option<Pause>>,
}

impl Watch {
    fn of(core: &Core) -> Self {
        Self { clock: Arc::clone(&core.clock), status: core.status.clone(), pause: core.pause.subscribe() }
    }

    fn now(&self) -> Moment {
        Moment::now(&*self.clock)
    }

    /// Until when the server wants to be left alone.
    fn paused_until(&mut self) -> Option<DateTime<Utc>> {
        let (pause, now) = (*self.pause.borrow_and_update(), self.clock.now());
        pause.filter(|pause| pause.throttles(now)).map(|pause| pause.until)
    }

    /// Whether a pause is shown that is over.
    fn shows_what_is_over(&mut self) -> bool {
        self.status.borrow().state == State::Paused && self.paused_until().is_none()
    }
}

/// Sleeps until something is due or asked for. Answers whether the device has gone offline or come online.
///
/// While the device is offline nothing is due, however long it is: the edge will tell.
async fn wait(
    inbox: &Inbox,
    timers: &mut Timers,
    online: &mut watch::Receiver<bool>,
    reachable: bool,
    watch: &mut Watch,
) -> bool {
    let now = watch.now();
    let over = watch.paused_until().map(|until| Due::at(until, now).alarm(now));
    let alarm = timers.earliest(now).into_iter().chain(over).min().filter(|_| reachable);
    let asleep = alarm.is_none();
    let alarm = alarm.unwrap_or(now.instant);
    tokio::select! {
        // In one order, so that a simulation is repeatable.
        biased;
        () = inbox.changed() => false,
        () = async { sleep_until(alarm).await }, if !asleep => false,
        // It is looked anew until when. The engine may be gone: so is what it would be told by.
        Ok(()) = watch.pause.changed() => false,
        changed = online.changed(), if !timers.deaf => {
            timers.deaf = changed.is_err();
            if changed.is_ok() && *online.borrow() {
                timers.came_online(watch.now());
            }
            changed.is_ok()
        }
    }
}

/// What a sync was to do and did not.
#[derive(Debug, Default)]
pub(super) struct Left {
    /// The entities of which there may be more.
    pub(super) unpulled: BTreeSet<&'static str>,
    /// It was not even begun, so that nothing failed either.
    pub(super) was_not_begun: bool,
}

/// Runs one sync, and tells what it left.
async fn run(core: &Arc<Core>, wanted: &Wanted) -> (Left, Answer) {
    core.status.send_modify(|status| status.state = State::Syncing);
    core.announce_status();
    let mut report = SyncReport::default();
    let result = sync(core, wanted, &mut report).await;
    if let Err(error) = &result {
        core.fail(&mut report, SyncError::Storage(Arc::clone(error)));
    }
    report.remaining = core.tally().total().waiting;
    let tried = match (&result, report.errors.last()) {
        (_, Some(error)) => Tried::InVain(Arc::clone(error)),
        (Ok(Went::On { is_cut_short: false, .. }), None) => Tried::Well,
        _ => Tried::Nothing,
    };
    let held_by = match &result {
        Ok(Went::Nowhere(reason)) => Some(*reason),
        Ok(Went::On { held_by, .. }) => *held_by,
        Err(_) => None,
    };
    let refreshed = core.refresh_status(held_by, &tried).await;
    core.announcer.announce(SyncEvent::SyncComplete(report.clone()));
    let was_not_begun = matches!(result, Ok(Went::Nowhere(_)));
    let everything =
        || core.entities.iter().map(|port| port.info().name).filter(|name| wanted.pull.includes(name));
    let (unpulled, answer) = match result {
        Ok(Went::On { unpulled, is_cut_short: true, .. }) => (unpulled, Err(Error::ShutDown)),
        Ok(Went::On { unpulled, .. }) => (unpulled, Ok(report)),
        Ok(Went::Nowhere(_)) => (everything().collect(), Ok(report)),
        Err(error) => (everything().collect(), Err(Error::Storage(error))),
    };
    (
        Left { unpulled, was_not_begun },
        answer.and_then(|report| refreshed.map(|()| report).map_err(Error::from)),
    )
}

/// How far a sync came.
enum Went {
    /// As far as it could.
    On {
        /// Why everything to the server has to wait, if it does.
        held_by: Option<PauseReason>,
        /// The entities that were to be pulled, and of which there may be more.
        unpulled: BTreeSet<&'static str>,
        /// The engine is closing.
        is_cut_short: bool,
    },
    /// It was not begun.
    Nowhere(PauseReason),
}

#[tracing::instrument(name = "sync", skip_all, fields(flush = wanted.flush))]
async fn sync(core: &Arc<Core>, wanted: &Wanted, report: &mut SyncReport) -> Result<Went, Arc<StorageError>> {
    if !*core.online.borrow() {
        core.fail(report, SyncError::Offline);
        return Ok(Went::Nowhere(PauseReason::Offline));
    }
    if let Some(pause) = core.holding_pause(core.now()) {
        match pause.reason {
            // A timer came early: nobody has to be told.
            reason if !wanted.by_hand => return Ok(Went::Nowhere(reason)),
            PauseReason::Throttled => {
                core.fail(report, SyncError::Throttled { until: pause.until });
                return Ok(Went::Nowhere(PauseReason::Throttled));
            }
            PauseReason::Offline | PauseReason::Unauthorized => {}
        }
    }
    report_unlisted(core, report);
    let mut unpulled = BTreeSet::new();
    let mut stopped = if wanted.flush { flush(core, report).await? } else { None };
    // What has to be pulled before an edit is sent; with everything else where that is pulled anyway.
    for port in core.entities.iter().filter(|port| wanted.flush && !wanted.pull.includes(port.info().name)) {
        let entity = port.info().name;
        if stopped.is_some() || core.is_closing() || !held::is_waited_for(core, entity) {
            continue;
        }
        let Pulled { pause, is_whole } = pull_one(core, port, report).await?;
        if !is_whole {
            unpulled.insert(entity);
        }
        stopped = pause;
        if stopped.is_none() && !held::is_waited_for(core, entity) {
            stopped = flush(core, report).await?;
        }
    }
    // It may be one request that comes to nothing, and always that one: whether the server can be reached, the first pull finds out.
    let mut unsure = stopped.is_some_and(|pause| pause.reason == PauseReason::Offline);
    for port in core.entities.iter().filter(|port| wanted.pull.includes(port.info().name)) {
        unpulled.insert(port.info().name);
        if core.is_closing() {
            continue;
        }
        let unsure = std::mem::take(&mut unsure);
        if let Some(pause) = stopped.filter(|_| !unsure).or_else(|| core.throttled()) {
            // Whoever asked for the pull is not to take it for done.
            core.fail_waiting(report, &pause);
            stopped = Some(pause);
            continue;
        }
        let Pulled { pause, is_whole } = pull_one(core, port, report).await?;
        if is_whole {
            unpulled.remove(port.info().name);
        }
        stopped = pause;
    }
    // What the pulls decided in favour of this device is sent in the same sync.
    if wanted.flush && wanted.pull != Pulls::Nothing {
        match &stopped {
            None => stopped = flush(core, report).await?,
            Some(pause) => say_why_it_waits(core, pause, HashSet::new(), report).await?,
        }
    }
    // Where it stopped for another reason, an error says so.
    let is_unsent = wanted.flush && stopped.is_none();
    let is_cut_short =
        core.is_closing() && (!unpulled.is_empty() || (is_unsent && is_left(core, HashSet::new()).await?));
    Ok(Went::On { held_by: stopped.map(|pause| pause.reason), unpulled, is_cut_short })
}

/// Pulls an entity, and survives what it panics at.
async fn pull_one(
    core: &Arc<Core>,
    port: &Arc<dyn EntityPort>,
    report: &mut SyncReport,
) -> Result<Pulled, Arc<StorageError>> {
    let panic = match AssertUnwindSafe(pull(core, port, report)).catch_unwind().await {
        Ok(pulled) => return Ok(pulled?),
        Err(panic) => panic,
    };
    // Code of the user's that is not called as a handler. What it had in hand is let go, as if the pull had been dropped.
    let entity = port.info().entity_name();
    let message = Some(panic_message(&*panic));
    pull_failed(core, entity.clone(), report, SyncError::PullPanicked { entity, message });
    Ok(Pulled { pause: None, is_whole: false })
}

/// Says what waits for entities that the schema does not list.
fn report_unlisted(core: &Core, report: &mut SyncReport) {
    let unlisted: Vec<_> = core
        .tally()
        .iter()
        .filter(|(entity, counts)| counts.waiting > 0 && core.port(entity.as_str()).is_none())
        .map(|(entity, counts)| SyncError::UnknownEntity { entity: entity.clone(), waiting: counts.waiting })
        .collect();
    for error in unlisted {
        core.fail(report, error);
    }
}

impl From<PauseReason> for State {
    fn from(reason: PauseReason) -> Self {
        match reason {
            PauseReason::Offline => Self::Offline,
            PauseReason::Throttled => Self::Paused,
            PauseReason::Unauthorized => Self::Unauthorized,
        }
    }
}
