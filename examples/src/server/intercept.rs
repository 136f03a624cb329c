//! Faults on demand: what a network and a server can do to a request.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How many requests are remembered.
const REMEMBERED: usize = 100_000;

/// A request that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path as it was sent, percent-encoded.
    pub path: String,
    /// The query, without `?`.
    pub query: String,
    /// The `Idempotency-Key`.
    pub idempotency_key: Option<String>,
    /// The `If-Match`.
    pub if_match: Option<String>,
    /// Whether there was an `Authorization`; what it said is nobody's business.
    pub authorized: bool,
}

/// What happens to a request.
#[derive(Debug, Clone, Default)]
pub enum Intercept {
    /// Nothing unusual.
    #[default]
    Pass,
    /// It is answered with this, and has no effect.
    Answer {
        /// The status.
        status: u16,
        /// Headers.
        headers: Vec<(&'static str, String)>,
        /// The body.
        body: String,
    },
    /// The connection is cut before it has an effect.
    Cut,
    /// It takes effect, and the connection is cut before the answer.
    CutAfter,
    /// It is answered after a while.
    Delay(Duration),
}

pub(super) type Interceptor = Box<dyn FnMut(&Seen) -> Intercept + Send>;

/// What is to go wrong, and what came in.
#[derive(Default)]
pub(super) struct Faults(Mutex<State>);

#[derive(Default)]
struct State {
    interceptor: Option<Interceptor>,
    seen: VecDeque<Seen>,
}

impl Faults {
    pub(super) fn set(&self, interceptor: Option<Interceptor>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).interceptor = interceptor;
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).seen.iter().cloned().collect()
    }

    /// Takes note of a request, and says what happens to it.
    pub(super) fn arrive(&self, seen: Seen) -> Intercept {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let intercept = state.interceptor.as_mut().map(|interceptor| interceptor(&seen)).unwrap_or_default();
        if state.seen.len() == REMEMBERED {
            state.seen.pop_front();
        }
        state.seen.push_back(seen);
        intercept
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Faults")
    }
}
