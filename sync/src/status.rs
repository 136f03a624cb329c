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
    /// Records whose operations wait for the user.
    pub parked: u64,
    /// When the oldest waiting edit was made, by this device's clock.
    pub oldest_pending: Option<DateTime<Utc>>,
    /// When a sync last came to its end without an error, by this device's clock.
    pub last_sync_at: Option<DateTime<Utc>>,
    /// What went wrong in the last sync. What went wrong with an edit stays here through syncs without an error as long as one waits
    /// for its next attempt.
    pub last_error: Option<Arc<SyncError>>,
    /// When the next attempt is due, by this device's clock. It is made when the engine was
    /// [started](crate::Engine::start), or at the next call.
    pub next_attempt_at: Option<DateTime<Utc>>,
}

/// What the engine is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Nothing.
    Idle,
    /// A sync runs.
    Syncing,
    /// The server cannot be reached, or the device is offline.
    Offline,
    /// The server asked to wait.
    Paused,
    /// The server does not accept the credentials.
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
