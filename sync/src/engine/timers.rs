//! What is due when, in a started engine.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use tokio::time::Instant;

use super::core::Core;
use super::driver::Left;
use super::held;
use super::inbox::{Pulls, Wanted};
use super::outbox::NextAttempt;
use super::settings::{AutoSync, SHORTEST_INTERVAL};
use crate::clock::Clock;

/// The longest sleep: a clock that was set back, or a device that slept, is noticed after that.
pub(super) const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// One moment, by two clocks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) instant: Instant,
    pub(super) wall: DateTime<Utc>,
}

impl Moment {
    pub(super) fn now(clock: &dyn Clock) -> Self {
        Self { instant: Instant::now(), wall: clock.now() }
    }
}

/// When something is due. It has come as soon as one of the clocks says so: that of the device may be set back, and the other one stands
/// still while the device sleeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Due {
    instant: Option<Instant>,
    wall: DateTime<Utc>,
}

impl Due {
    pub(super) fn at(wall: DateTime<Utc>, now: Moment) -> Self {
        let left = (wall - now.wall).to_std().unwrap_or_default();
        // A time that the clock does not reach is never.
        Self { instant: now.instant.checked_add(left), wall }
    }

    /// So much later. What a clock does not reach is never.
    fn after(time: Duration, now: Moment) -> Option<Self> {
        let wall = now.wall.checked_add_signed(TimeDelta::from_std(time).ok()?)?;
        Some(Self::at(wall, now))
    }

    /// The one that comes first, by whichever clock.
    fn or(self, other: Self) -> Self {
        let instant = self.instant.into_iter().chain(other.instant).min();
        Self { instant, wall: self.wall.min(other.wall) }
    }

    fn has_come(&self, now: Moment) -> bool {
        self.wall <= now.wall || self.instant.is_some_and(|at| at <= now.instant)
    }

    /// When to look whether it has come.
    pub(super) fn alarm(&self, now: Moment) -> Instant {
        let left = (self.wall - now.wall).to_std().unwrap_or_default().min(LONGEST_SLEEP);
        let alarm = now.instant + left;
        self.instant.map_or(alarm, |at| at.min(alarm))
    }
}

/// What is due when.
#[derive(Debug, Default)]
pub(super) struct Timers {
    pub(super) auto: Option<AutoSync>,
    /// When what was pushed is sent, with what is pushed until then.
    flush_at: Option<Due>,
    /// When something is sent again.
    retry_at: Option<Due>,
    pull_at: Option<Due>,
    /// What is pulled before that: what the server told about, and what did not come to its end.
    early: BTreeMap<&'static str, Early>,
    /// How many flushes in a row left something behind that could have been sent.
    flush_failures: u32,
    /// The device has just come online: the back-off of when it was not is not waited for.
    edge: bool,
    /// The connectivity will not change any more.
    pub(super) deaf: bool,
}

/// When an entity is pulled, and how many of its pulls in a row did not come to their end.
#[derive(Debug, Clone, Copy)]
struct Early {
    due: Due,
    failures: u32,
}

impl Timers {
    pub(super) fn adopt(&mut self, auto: Option<AutoSync>, pushed: bool, now: Moment) {
        if auto != self.auto {
            self.auto = auto;
            self.pull_at = auto.and_then(|auto| auto.pull_every).map(|_| Due::at(now.wall, now));
        }
        if let (Some(auto), true) = (self.auto, pushed) {
            let at = Due::after(auto.flush_after, now);
            self.flush_at = self.flush_at.into_iter().chain(at).reduce(Due::or);
        }
    }

    pub(super) fn listens(&self) -> bool {
        self.auto.is_some_and(|auto| auto.listen)
    }

    /// The server told about entities. Of one that could not be pulled, its own back-off goes on.
    pub(super) fn hinted(&mut self, entities: BTreeSet<&'static str>, now: Moment) {
        for entity in entities {
            self.early.entry(entity).or_insert(Early { due: Due::at(now.wall, now), failures: 0 });
        }
    }

    pub(super) fn came_online(&mut self, now: Moment) {
        if let Some(auto) = self.auto {
            self.edge = true;
            let at_once = Due::at(now.wall, now);
            self.flush_at = Some(at_once);
            self.pull_at = auto.pull_every.map(|_| at_once);
            self.early.values_mut().for_each(|early| early.due = at_once);
        }
    }

    /// When to look next.
    pub(super) fn earliest(&self, now: Moment) -> Option<Instant> {
        self.auto?;
        let set = [self.flush_at, self.retry_at, self.pull_at].into_iter().flatten();
        let early = self.early.values().map(|early| early.due);
        set.chain(early).map(|due| due.alarm(now)).min()
    }

    /// What is due.
    pub(super) fn take_due(&mut self, now: Moment) -> Option<Wanted> {
        let auto = self.auto?;
        let due = |timer: &mut Option<Due>| timer.take_if(|due| due.has_come(now)).is_some();
        let (pushed, again, pull) =
            (due(&mut self.flush_at), due(&mut self.retry_at), due(&mut self.pull_at));
        if pull {
            let every = auto.pull_every.map(|every| every.max(SHORTEST_INTERVAL));
            self.pull_at = every.and_then(|every| Due::after(every, now));
        }
        let edge = std::mem::take(&mut self.edge);
        let early: BTreeSet<_> = self
            .early
            .iter()
            .filter(|(_, early)| early.due.has_come(now))
            .map(|(entity, _)| *entity)
            .collect();
        let pulls = match (pull, early.is_empty()) {
            (true, _) => Pulls::Everything,
            (false, false) => Pulls::These(early),
            (false, true) => Pulls::Nothing,
        };
        let wanted = Wanted { flush: pushed || again || pull, pull: pulls, by_hand: edge };
        (wanted.flush || wanted.pull != Pulls::Nothing).then_some(wanted)
    }

    /// Sets the timers for what the sync left behind.
    pub(super) async fn after(&mut self, core: &Core, wanted: &Wanted, left: &Left) {
        if self.auto.is_none() {
            return;
        }
        self.flush_at.take_if(|_| wanted.flush);
        let attempt = core.next_attempt().await;
        let next = match attempt {
            // What was pushed meanwhile, and is to wait for more.
            Ok(Some(NextAttempt::Now)) if self.flush_at.is_some() => None,
            Ok(Some(NextAttempt::Now)) => Some(core.retry_at(self.flush_failures)),
            Ok(Some(NextAttempt::Stuck(others))) => {
                let stuck = core.retry_at(self.flush_failures);
                Some(others.map_or(stuck, |others| others.min(stuck)))
            }
            Ok(Some(NextAttempt::At(due))) => Some(due),
            Ok(None) => None,
            Err(_) => Some(core.retry_at(3)),
        };
        if wanted.flush {
            let is_left = matches!(attempt, Ok(Some(NextAttempt::Now | NextAttempt::Stuck(_))));
            self.flush_failures = if is_left { self.flush_failures.saturating_add(1) } else { 0 };
        }
        let now = Moment::now(&*core.clock);
        self.retry_at = next.map(|at| Due::at(at, now)).filter(|_| !planted!(TimerIsLost));
        self.early.retain(|entity, _| !wanted.pull.includes(entity) || left.unpulled.contains(entity));
        let pause = core.holding_pause(now.wall).map(|pause| pause.until);
        // What an edit waits for may not have come to be pulled, whatever was wanted.
        let waited = core.entities.iter().map(|port| port.info().name);
        let waited = waited.filter(|entity| held::is_waited_for(core, entity));
        let unpulled: BTreeSet<_> = left.unpulled.iter().copied().chain(waited).collect();
        for entity in unpulled {
            // Where nothing is pulled by itself, what somebody pulls by hand is not tried again either; but what an edit waits for is.
            let by_itself = self.auto.is_some_and(|auto| auto.pull_every.is_some());
            if by_itself || self.early.contains_key(entity) || held::is_waited_for(core, entity) {
                let before = self.early.get(entity).map_or(0, |early| early.failures);
                let failures = before.saturating_add(u32::from(!left.was_not_begun));
                let due = Due::at(pause.unwrap_or_else(|| core.retry_at(failures)), now);
                self.early.insert(entity, Early { due, failures });
            }
        }
    }
}
