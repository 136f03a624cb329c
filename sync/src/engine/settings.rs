//! The numbers that an engine works with.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// When a failed operation is tried again: after a random part of `base · 2ⁿ`, at most `cap` ("full jitter").
///
/// Source: M. Brooker, "Exponential Backoff And Jitter", 2015.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The longest wait before the first retry; 32 times as much at least after a failure that costs no attempt, such as an answer that
    /// nobody can read. Default: 1 second.
    pub base: Duration,
    /// The longest wait before any retry. Default: 5 minutes.
    pub cap: Duration,
    /// After this many attempts that the server answered with a passing failure, an operation is parked. Default: 10.
    /// Attempts that found no server do not count.
    ///
    /// By default that takes four minutes on average, and nine at most: a server that fails for longer has the edits that wait for it parked,
    /// on every device. [`Engine::retry_all`](crate::Engine::retry_all) sends them again. With `u32::MAX`, that never happens.
    pub max_attempts: u32,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { base: Duration::from_secs(1), cap: Duration::from_secs(300), max_attempts: 10 }
    }
}

impl RetryPolicy {
    /// How long to wait after `failures` failures in a row, given a number in `0.0..1.0`.
    pub(crate) fn delay(&self, failures: u32, fraction: f64) -> Duration {
        let ceiling = self.base.saturating_mul(1_u32.checked_shl(failures).unwrap_or(u32::MAX)).min(self.cap);
        // Full jitter, without ever asking for a busy loop.
        ceiling.mul_f64(fraction.clamp(0.0, 1.0)).max(Duration::from_millis(1))
    }

    /// The longest that any due time lies ahead; one further away was written by a clock that was since set back.
    pub(crate) fn horizon(&self) -> TimeDelta {
        TimeDelta::from_std(self.cap).unwrap_or(TimeDelta::MAX)
    }
}

/// How an engine works in the background.
///
/// ```
/// use std::time::Duration;
/// use sync::AutoSync;
///
/// let auto = AutoSync { pull_every: Some(Duration::from_secs(60)), ..AutoSync::default() };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AutoSync {
    /// How long after a push the queue is flushed; pushes in between do not put it off. Default: 300 milliseconds.
    pub flush_after: Duration,
    /// How often everything is pulled, the first time at once; `None` for never. 100 milliseconds at least. What the device sleeps
    /// counts, as it does for `flush_after`. Default: 5 minutes.
    pub pull_every: Option<Duration>,
    /// Whether to listen for what the server tells ([`Remote::changes`](crate::Remote::changes)) and pull at once what it
    /// speaks of. Default: yes.
    pub listen: bool,
}

/// A server is asked no more often, whatever an interval says.
pub(crate) const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

impl Default for AutoSync {
    fn default() -> Self {
        Self {
            flush_after: Duration::from_millis(300),
            pull_every: Some(Duration::from_secs(300)),
            listen: true,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) max_in_flight: usize,
    pub(crate) page_size: u32,
    pub(crate) page_limit: u32,
    pub(crate) conflict_rounds: u32,
    pub(crate) retry: RetryPolicy,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_in_flight: 16,
            page_size: 500,
            page_limit: 10_000,
            conflict_rounds: 5,
            retry: RetryPolicy::default(),
        }
    }
}

/// The time after a wait; the end of time when there is none.
pub(crate) fn after(now: DateTime<Utc>, wait: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(wait)
        .ok()
        .and_then(|wait| now.checked_add_signed(wait))
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_wait_doubles_up_to_the_cap_and_chance_takes_any_part_of_it() {
        let retry =
            RetryPolicy { base: Duration::from_secs(1), cap: Duration::from_secs(10), max_attempts: 5 };
        let longest: Vec<_> = (0..6).map(|failures| retry.delay(failures, 1.0).as_secs()).collect();
        assert_eq!(longest, [1, 2, 4, 8, 10, 10]);
        assert_eq!(retry.delay(2, 0.5), Duration::from_secs(2));
        assert_eq!(retry.delay(200, 0.25), Duration::from_millis(2500));
        assert_eq!(retry.delay(2, 0.0), Duration::from_millis(1), "and never none at all");
    }
}
