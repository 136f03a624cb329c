//! When the whole server is left alone: offline, throttled, or without valid credentials.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::settings::{RetryPolicy, after};

/// The longest pause that a server can ask for. What is written on disk beyond that was written by a clock that has
/// since been set back.
const LONGEST: TimeDelta = TimeDelta::hours(1);

/// The name of the note in the storage.
pub(crate) const NOTE: &str = "pause";

/// A pause of everything that goes to the server. Its due time is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pause {
    pub(crate) reason: PauseReason,
    pub(crate) until: DateTime<Utc>,
    /// How many times in a row, for the back-off.
    pub(crate) times: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PauseReason {
    /// The server could not be reached.
    Offline,
    /// The server asked for it.
    Throttled,
    /// The server does not accept the credentials.
    Unauthorized,
}

impl Pause {
    /// The next pause for a reason, after the one before. A server's own wish takes the place of the back-off.
    pub(crate) fn next(
        before: Option<Self>,
        reason: PauseReason,
        wish: Option<Duration>,
        retry: &RetryPolicy,
        fraction: f64,
        now: DateTime<Utc>,
    ) -> Self {
        let times =
            before.filter(|pause| pause.reason == reason).map_or(0, |pause| pause.times.saturating_add(1));
        let longest = LONGEST.to_std().unwrap_or(Duration::MAX);
        let wait = wish.map_or_else(|| retry.delay(times, fraction), |wish| wish.min(longest));
        let until = after(now, wait);
        // Answers of requests that were under way together do not shorten each other's pause.
        let until = before.filter(|pause| pause.holds(now)).map_or(until, |pause| pause.until.max(until));
        Self { reason, until, times }
    }

    /// Whether it still lasts.
    pub(crate) fn holds(&self, now: DateTime<Utc>) -> bool {
        self.until > now && self.until - now <= LONGEST
    }
}
