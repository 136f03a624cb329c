//! Whose turn it is to call the user's code, and which calls come from there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::SemaphorePermit;

use super::core::Core;
use super::port::EntityPort;
use super::reconcile::Known;
use super::showing::Showing;
use crate::error::{Error, HandlerError};
use crate::record::{Decision, Dispute, RecordRef};

impl Core {
    /// Waits for the turn to call the user's code. It is held until what the code was told of is written, so that nobody
    /// else tells anything in between.
    pub(crate) async fn turn(&self) -> Turn<'_> {
        // It is never closed; without a permit the calls would merely not be alone.
        let permit = if planted!(HandlersAtOnce) { None } else { self.handlers.acquire().await.ok() };
        Turn { engine: self.id, showing: &self.showing, permit }
    }
}

/// The turn to call the user's code.
pub(crate) struct Turn<'a> {
    engine: EngineId,
    showing: &'a Showing,
    #[expect(dead_code, reason = "held for its Drop")]
    permit: Option<SemaphorePermit<'a>>,
}

impl Turn<'_> {
    pub(crate) async fn call<R>(&self, handler: impl Future<Output = R>) -> R {
        let mut engines = in_handlers();
        engines.push(self.engine);
        IN_HANDLERS.scope(engines, handler).await
    }

    /// This is what the turn is about: until it is over, who deletes it deletes what the server has. To be said before it is looked at
    /// what the application is to be told, so that no edit comes between the two.
    pub(crate) fn is_about(&self, record: RecordRef) {
        self.showing.begin([(record, true)]);
    }

    /// These are what the turn is about, with each whether it is there: what is gone cannot be deleted, and can be made again.
    pub(crate) fn is_about_a_page(&self, records: impl IntoIterator<Item = (RecordRef, bool)>) {
        self.showing.begin(records);
    }

    /// Asks the strategy about a conflict, unless it is none: the handler, having been told what the server has, and what was decided about
    /// an earlier edit, has made this one of that. Where that decision was deferred, it is still to be made.
    pub(crate) async fn decide(
        &self,
        port: &Arc<dyn EntityPort>,
        record: &RecordRef,
        dispute: &Dispute,
        known: &Known,
    ) -> Result<Decision, HandlerError> {
        let is_deferred = matches!(known.decision, Some((_, Decision::Defer)));
        let is_told = known.shown.is_some() && !is_deferred;
        if is_told && self.showing.is_edited(record, dispute.revision) {
            return Ok(Decision::KeepLocal);
        }
        self.call(port.decide(&record.key, dispute)).await
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        // Before the permit goes, so that the next one's begins after it.
        self.showing.end();
    }
}

tokio::task_local! {
    /// The engines whose handlers are being called: that of one may call another engine, which has handlers of its own.
    static IN_HANDLERS: Vec<EngineId>;
}

fn in_handlers() -> Vec<EngineId> {
    IN_HANDLERS.try_with(Clone::clone).unwrap_or_default()
}

/// Runs a future, wherever that is, as called from here: from inside of the same handlers, which wait for it.
pub(crate) fn from_here<F: Future>(future: F) -> impl Future<Output = F::Output> {
    IN_HANDLERS.scope(in_handlers(), future)
}

/// Which engine of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EngineId(u64);

impl Default for EngineId {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl EngineId {
    /// Whether this is said by the user's code that this engine is calling.
    pub(crate) fn is_in_a_handler(self) -> bool {
        IN_HANDLERS.try_with(|engines| engines.contains(&self)).unwrap_or(false)
    }

    /// Refuses what would wait for a sync, or for its turn as a handler, from inside a handler: that wait would never end.
    pub(crate) fn outside_of_handlers(self) -> Result<(), Error> {
        if self.is_in_a_handler() { Err(Error::InHandler) } else { Ok(()) }
    }
}
