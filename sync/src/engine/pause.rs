//! When the whole server is left alone: offline, throttled, or without valid credentials.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::settings::{RetryPolicy, after};
use crate::remote::RemoteError;

/// The longest pause that a server can ask for. What is written on disk beyond that was written by a clock that has
/// since been set back.
const LONGEST: TimeDelta = TimeDelta::hours(1);

/// The name of the note in the storage.
pub(crate) const NOTE: &str = "pause";

/// A pause of everything that goes to the server. Its due time is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pause {
    pub(crate) reason: PauseReason,
    /// When it was begun; what an earlier version has written does not say.
    #[serde(default)]
    pub(crate) since: Option<DateTime<Utc>>,
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

impl PauseReason {
    /// Why everything is to wait after an error; `None` for one that concerns only what was asked.
    pub(crate) fn of(error: &RemoteError) -> Option<Self> {
        match error {
            RemoteError::Unreachable { .. } | RemoteError::CredentialsUnavailable { .. } => {
                Some(Self::Offline)
            }
            RemoteError::Throttled { .. } => Some(Self::Throttled),
            RemoteError::Unauthorized { .. } | RemoteError::SignedOut { .. } => Some(Self::Unauthorized),
            RemoteError::Transient { .. }
            | RemoteError::Refused { .. }
            | RemoteError::CursorGone { .. }
            | RemoteError::Protocol { .. } => error.retry_after().map(|_| Self::Throttled),
        }
    }
}

impl Pause {
    /// The next pause for a reason, after the one before. A server's own wish takes the place of the back-off, and of the
    /// reason: whatever the answer was, everything waits (`docs/design.md`, section 6).
    ///
    /// Requests that are under way together count once, and may give several reasons. None of their answers shortens the pause of
    /// another, and what the server asked for is not forgotten over a connection that was lost besides: that pause would end
    /// with the next success.
    pub(crate) fn next(
        before: Option<Self>,
        reason: PauseReason,
        wish: Option<Duration>,
        retry: &RetryPolicy,
        fraction: f64,
        now: DateTime<Utc>,
    ) -> Self {
        let reason = if wish.is_some() { PauseReason::Throttled } else { reason };
        let times = match before.filter(|pause| pause.reason == reason) {
            Some(before) if before.holds(now) => before.times,
            Some(before) => before.times.saturating_add(1),
            None => 0,
        };
        let longest = LONGEST.to_std().unwrap_or(Duration::MAX);
        let wait = wish.unwrap_or_else(|| retry.delay(times, fraction)).min(longest);
        let until = after(now, wait);
        let since = Some(now);
        match before.filter(|pause| pause.holds(now)) {
            Some(before) if before.reason == reason => {
                Self { reason, since, until: before.until.max(until), times }
            }
            Some(before) if before.reason == PauseReason::Throttled => before,
            // A server that has answered can be reached, whatever was tried before.
            Some(before) if before.reason == PauseReason::Offline => Self { reason, since, until, times },
            // What a person has to see to is seen to no sooner because a connection was lost besides.
            Some(before) if reason == PauseReason::Offline => before,
            _ => Self { reason, since, until, times },
        }
    }

    /// Whether the server asked for it, and it still lasts.
    pub(crate) fn throttles(&self, now: DateTime<Utc>) -> bool {
        self.reason == PauseReason::Throttled && self.holds(now)
    }

    /// Whether it still lasts.
    pub(crate) fn holds(&self, now: DateTime<Utc>) -> bool {
        let length = self.since.map_or(LONGEST, |since| (self.until - since).min(LONGEST));
        // Twice as long, for a clock that was set right by a little; but a clock that was set back makes no long pause of a short one.
        self.until > now && self.until - now <= length * 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn asked(before: Option<Pause>, seconds: u64) -> Pause {
        let wish = Some(Duration::from_secs(seconds));
        Pause::next(before, PauseReason::Throttled, wish, &RetryPolicy::default(), 1.0, NOW)
    }

    #[test]
    fn a_back_off_that_may_be_long_is_still_believed() {
        let retry = RetryPolicy { cap: Duration::from_secs(86_400), ..RetryPolicy::default() };
        let mut pause = None;
        for _ in 0..20 {
            let now = pause.map_or(NOW, |pause: Pause| pause.until);
            let next = Pause::next(pause, PauseReason::Offline, None, &retry, 1.0, now);
            assert!(next.holds(now), "{next:?}");
            pause = Some(next);
        }
    }

    fn unauthorized(before: Option<Pause>) -> Pause {
        Pause::next(before, PauseReason::Unauthorized, None, &RetryPolicy::default(), 1.0, NOW)
    }

    fn lost(before: Option<Pause>) -> Pause {
        Pause::next(before, PauseReason::Offline, None, &RetryPolicy::default(), 1.0, NOW)
    }

    #[test]
    fn the_servers_wish_holds_though_a_connection_is_lost_meanwhile() {
        assert_eq!(lost(Some(asked(None, 60))), asked(None, 60));
        let over = Pause { until: NOW, ..asked(None, 60) };
        assert_eq!(lost(Some(over)).reason, PauseReason::Offline);
    }

    #[test]
    fn the_servers_wish_takes_the_place_of_a_pause_for_want_of_a_server() {
        let long = Some(Pause { until: NOW + TimeDelta::minutes(5), ..lost(None) });
        assert_eq!(asked(long, 5), asked(None, 5));
    }

    #[test]
    fn a_wish_holds_with_whatever_answer_it_comes() {
        for reason in [PauseReason::Offline, PauseReason::Unauthorized] {
            let wish = Some(Duration::from_secs(60));
            let pause = Pause::next(None, reason, wish, &RetryPolicy::default(), 1.0, NOW);
            assert_eq!(pause, asked(None, 60));
        }
    }

    #[test]
    fn answers_of_requests_that_were_under_way_together_make_the_back_off_longer_once() {
        let first = lost(None);
        assert_eq!(lost(Some(lost(Some(first)))).times, 0);
        let over = Pause { until: NOW, ..first };
        assert_eq!(lost(Some(over)).times, 1);
    }

    #[test]
    fn what_a_person_has_to_see_to_is_not_forgotten_over_a_lost_connection() {
        let locked_out = Pause { until: NOW + TimeDelta::minutes(1), ..unauthorized(None) };
        assert_eq!(lost(Some(locked_out)), locked_out);
        assert_eq!(unauthorized(Some(lost(None))).reason, PauseReason::Unauthorized);
    }

    #[test]
    fn an_hour_is_believed_though_the_clock_is_corrected() {
        let hour = asked(None, 3600);
        assert!(hour.holds(NOW - TimeDelta::seconds(1)));
        assert!(!hour.holds(NOW - TimeDelta::days(1)), "a clock that was far ahead wrote it");
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_long_pause_of_a_short_one() {
        let set_back = NOW - TimeDelta::minutes(10);
        assert!(!lost(None).holds(set_back));
        let of_before = Pause { since: None, ..lost(None) };
        assert!(of_before.holds(set_back), "it may have been an hour");
    }

    #[test]
    fn the_longer_of_two_wishes_holds() {
        assert_eq!(asked(Some(asked(None, 60)), 5).until, NOW + TimeDelta::seconds(60));
        assert_eq!(asked(Some(asked(None, 5)), 60).until, NOW + TimeDelta::seconds(60));
    }
}
