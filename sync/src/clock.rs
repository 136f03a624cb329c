//! Time and chance come in from outside, so that a test can hold both still.

use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

use crate::record::OperationId;

/// Where the engine reads the time of day.
///
/// The engine uses it for due times and for the time stamps that it shows; never for cursors, and never to
/// decide a conflict. A clock that is wrong, jumps or runs backwards delays a retry by at most
/// [`RetryPolicy::cap`](crate::RetryPolicy), and what the server asked to wait for by at most two hours.
pub trait Clock: Debug + Send + Sync + 'static {
    /// The current time.
    fn now(&self) -> DateTime<Utc>;
}

/// The clock of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// The engine's only source of chance: operation ids and the jitter of retries.
#[derive(Debug)]
pub(crate) struct Chance(Mutex<StdRng>);

impl Chance {
    pub(crate) fn from_entropy() -> Self {
        Self(Mutex::new(rand::make_rng()))
    }

    pub(crate) fn from_seed(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }

    /// A number in `0.0..1.0`.
    pub(crate) fn fraction(&self) -> f64 {
        self.generator().random()
    }

    /// A UUIDv7 (RFC 9562, section 5.7) of the given time.
    pub(crate) fn operation_id(&self, now: DateTime<Utc>) -> OperationId {
        let noise: [u8; 10] = self.generator().random();
        let millis = u64::try_from(now.timestamp_millis()).unwrap_or(0);
        let id: Uuid = uuid::Builder::from_unix_timestamp_millis(millis, &noise).into_uuid();
        OperationId::from_uuid(id)
    }

    fn generator(&self) -> std::sync::MutexGuard<'_, StdRng> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
