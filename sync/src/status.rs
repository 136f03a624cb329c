//! How the engine is doing.

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::error::SyncError;

/// How the engine is doing, for an indicator in a user interface.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Status {
    /// What it is doing.
    pub state: State,
    /// Records whose edits wait to be sent; parked ones are not among them.
    pub queue_len: u64,
    /// Records whose operations wait for the user. An indicator shows it besides `state`, which is `Idle` while they do.
    pub parked: u64,
    /// When the oldest waiting edit was made, by this device's clock.
    pub oldest_pending: Option<DateTime<Utc>>,
    /// When a sync last came to its end without an error, by this device's clock; `None` until the first one of this engine does.
    pub last_sync_at: Option<DateTime<Utc>>,
    /// What went wrong in the last sync. What went wrong with an edit stays here through syncs without an error as long as one waits
    /// for its next attempt.
    pub last_error: Option<Arc<SyncError>>,
    /// When something is to be tried again, by this device's clock: an operation that failed, or everything, after the pause that `state`
    /// tells of. `None` when nothing waits for a certain time. An engine that was [started](crate::Engine::start) makes that attempt by
    /// itself; without `start`, nothing is tried before a call such as [`flush`](crate::Engine::flush), and a
    /// [`pull`](crate::Engine::pull) by hand is not made again by an engine that pulls nothing by itself
    /// ([`AutoSync::pull_every`](crate::AutoSync::pull_every)).
    pub next_attempt_at: Option<DateTime<Utc>>,
}

/// What the engine is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing.
    Idle,
    /// A sync runs.
    Syncing,
    /// The server cannot be reached, or the device is offline. A call such as [`flush`](crate::Engine::flush) tries at once, unless the
    /// [`Connectivity`](crate::Connectivity) says that the device is offline.
    Offline,
    /// The server asked to wait. Until then nothing is sent, by no call either.
    Paused,
    /// The server does not accept the credentials, or there are none. Nothing is lost meanwhile, and no operation loses an attempt.
    ///
    /// What comes next depends on where the credentials come from. A `Credentials` hook is asked again at the next attempt: let the user
    /// log in, and call [`flush`](crate::Engine::flush), which does not wait for [`Status::next_attempt_at`]. A token that was given to the
    /// remote once and for all does not get better: [`shutdown`](crate::Engine::shutdown), and build an engine on the same storage, with a
    /// remote that has a new one.
    Unauthorized,
    /// The last sync went wrong in another way, or an edit that failed waits for its next attempt: see [`Status::last_error`].
    Error,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            state: State::Idle,
            queue_len: 0,
            parked: 0,
            oldest_pending: None,
            last_sync_at: None,
            last_error: None,
            next_attempt_at: None,
        }
    }
}
