//! What the driver is asked for. Requests that come while a sync runs are folded into one more.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use super::listen::Hints;
use super::settings::AutoSync;
use crate::error::Error;
use crate::remote::Changed;
use crate::report::SyncReport;

/// What a sync is to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Wanted {
    pub(crate) flush: bool,
    pub(crate) pull: Pulls,
    /// Whether a person or program asked, rather than a timer: then the back-off of a server that could not be reached
    /// is not waited for.
    pub(crate) by_hand: bool,
}

/// Which entities are pulled.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum Pulls {
    #[default]
    Nothing,
    These(BTreeSet<&'static str>),
    Everything,
}

impl Pulls {
    pub(crate) fn includes(&self, entity: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::These(entities) => entities.contains(entity),
            Self::Everything => true,
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Everything, _) | (_, Self::Everything) => Self::Everything,
            (Self::Nothing, other) | (other, Self::Nothing) => other,
            (Self::These(mut these), Self::These(those)) => {
                these.extend(those);
                Self::These(these)
            }
        }
    }
}

impl Wanted {
    /// One sync that does what both do.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            flush: self.flush || other.flush,
            pull: self.pull.and(other.pull),
            by_hand: self.by_hand || other.by_hand,
        }
    }
}

/// What a caller gets of a sync.
pub(crate) type Answer = Result<SyncReport, Error>;

/// A sync that is to be run, and who waits for it.
#[derive(Debug, Default)]
pub(crate) struct Request {
    pub(crate) wanted: Wanted,
    pub(crate) callers: Vec<oneshot::Sender<Answer>>,
}

/// Where requests, pushes and settings reach the driver.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    request: Option<Request>,
    auto: Option<AutoSync>,
    /// Something was pushed since the driver last looked.
    pushed: bool,
    /// What the server told since the driver last looked.
    hints: Hints,
    closed: bool,
}

/// What the driver finds.
#[derive(Debug)]
pub(crate) struct News {
    pub(crate) request: Option<Request>,
    pub(crate) auto: Option<AutoSync>,
    pub(crate) pushed: bool,
    pub(crate) hints: Hints,
    pub(crate) closed: bool,
}

impl Inbox {
    /// Asks for a sync, and waits for its report.
    pub(crate) async fn ask(&self, wanted: Wanted) -> Answer {
        let (caller, answer) = oneshot::channel();
        {
            let mut state = self.state();
            if state.closed {
                return Err(Error::ShutDown);
            }
            let request = state.request.take().unwrap_or_default();
            let mut callers = request.callers;
            // Callers that stopped waiting leave no trace.
            callers.retain(|caller| !caller.is_closed());
            callers.push(caller);
            state.request = Some(Request { wanted: request.wanted.and(wanted), callers });
        }
        self.changed.notify_one();
        answer.await.unwrap_or(Err(Error::ShutDown))
    }

    pub(crate) fn start(&self, auto: AutoSync) {
        let mut state = self.state();
        state.auto = Some(auto);
        state.pushed = true;
        drop(state);
        self.changed.notify_one();
    }

    pub(crate) fn pushed(&self) {
        let mut state = self.state();
        let news = state.auto.is_some() && !std::mem::replace(&mut state.pushed, true);
        drop(state);
        if news {
            self.changed.notify_one();
        }
    }

    /// The server told of a change.
    pub(crate) fn hint(&self, entity: &'static str, changed: Changed) {
        self.state().hints.entry(entity).or_default().add(changed);
        self.changed.notify_one();
    }

    /// Nothing new is taken; the driver ends after what it is doing.
    pub(crate) fn close(&self) {
        let request = {
            let mut state = self.state();
            state.closed = true;
            state.request.take()
        };
        drop(request);
        self.changed.notify_one();
    }

    pub(crate) fn look(&self) -> News {
        let mut state = self.state();
        News {
            request: state.request.take(),
            auto: state.auto,
            pushed: std::mem::take(&mut state.pushed),
            hints: std::mem::take(&mut state.hints),
            closed: state.closed,
        }
    }

    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
