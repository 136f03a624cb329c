//! What the application implements: what to do with pulled records, and how to decide conflicts.

use std::future::Future;

use crate::BoxError;
use crate::entity::Syncable;
use crate::replica::HandsOver;
use crate::strategy::AsksHandler;

// A handler asks for `Sync` where it is called, and not of the type that has it: a schema that cannot be shared is one mistake, which
// `Schema` tells, and not one for each handler and strategy.
/// Receives what was pulled for an entity.
///
/// Called with one page at a time, in order. The cursor moves on only after `Ok`, so a page comes again when the
/// handler failed or panicked, or the process died: applying a page twice must do no harm, which an upsert by id never
/// does. Also called with what a push brought: the server's copy where it differs from what was sent, and the winner of
/// a conflict.
///
/// `Ok` says that what was told is where the application keeps it, on disk: nothing of it is told again after that, not to the next start of the
/// program either. One that keeps it in memory alone, or begins to keep what it did not before, calls
/// [`Engine::resync`](crate::Engine::resync) once after it has started, which tells everything anew; or leaves the keeping to the engine, with
/// `replica` in the `#[sync(…)]` of the struct.
///
/// Handlers are called one after another, and have no time limit: as long as one runs, no other page is handed over and no other
/// conflict decided. One that waits for a sync, directly ([`Error::InHandler`](crate::Error::InHandler)) or in a task that it spawned,
/// waits for itself.
///
/// An `OnPull` for an entity that the schema does not list is never called, and nothing says so.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what happens with pulled `{T}` records",
    label = "no `impl OnPull<{T}> for {Self}`",
    note = "write `impl OnPull<{T}> for {Self} {{ async fn on_pull(&self, pulled: Pulled<{T}>) -> Result<(), BoxError> {{ … }} }}`, or add `replica` to the `#[sync(…)]` of `{T}` and let the engine keep the records"
)]
pub trait OnPull<T: Syncable>
where
    T::Keeping: HandsOver,
{
    /// Stores the changes of one page.
    ///
    /// Left out, it keeps nothing: right for an entity that this device only writes.
    ///
    /// # Errors
    /// An error stops the pull of this entity; the page comes again at the next pull.
    fn on_pull(&self, pulled: Pulled<T>) -> impl Future<Output = Result<(), BoxError>> + Send
    where
        Self: Sync,
    {
        drop(pulled);
        async { Ok(()) }
    }
}

/// Decides the conflicts of an entity with `conflict = Manual`. Called as [`OnPull`] is: one after another, with no time limit.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not decide the conflicts of `{T}`, which says `conflict = Manual`",
    label = "no `impl OnConflict<{T}> for {Self}`",
    note = "write `impl OnConflict<{T}> for {Self} {{ async fn on_conflict(&self, conflict: Conflict<{T}>) -> Result<Resolution<{T}>, BoxError> {{ … }} }}`"
)]
pub trait OnConflict<T: Syncable>
where
    T::Strategy: AsksHandler,
{
    /// Decides one conflict.
    ///
    /// # Errors
    /// An error, or a panic, loses nothing: the conflict stays as it is, is reported, and is asked again later.
    fn on_conflict(
        &self,
        conflict: Conflict<T>,
    ) -> impl Future<Output = Result<Resolution<T>, BoxError>> + Send
    where
        Self: Sync;
}

/// What a pull brought for an entity.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Pulled<T: Syncable> {
    /// The changes, in the server's order.
    pub changes: Vec<Change<T>>,
    /// Whether more pages may follow. Some servers do not say which page is their last one: then nothing comes after it, and
    /// [`SyncEvent::Pulled`](crate::SyncEvent::Pulled) says that the pull is through.
    pub has_more: bool,
}

impl<T: Syncable> Pulled<T> {
    /// A page of changes; for tests of handlers.
    #[must_use]
    pub fn new(changes: Vec<Change<T>>, has_more: bool) -> Self {
        Self { changes, has_more }
    }
}

/// A change of one record.
#[derive(Debug, Clone, PartialEq)]
pub enum Change<T: Syncable> {
    /// The server has this record, and no local edit of it waits.
    Upserted(T),
    /// The server deleted it, and no local edit of it waits.
    Deleted(T::Id),
    /// A local edit waits: the record keeps looking as `local` says, whatever the server has.
    Rebased {
        /// The record's id.
        id: T::Id,
        /// How the record looks locally; `None` when it is deleted here.
        local: Option<T>,
        /// What the server has; `None` when it was deleted there.
        remote: Option<T>,
    },
}

impl<T: Syncable> Change<T> {
    /// The id of the record.
    #[must_use]
    pub fn id(&self) -> &T::Id {
        match self {
            Self::Upserted(record) => record.id(),
            Self::Deleted(id) | Self::Rebased { id, .. } => id,
        }
    }

    /// How the record looks locally now: what an application stores. `None` when it is to go.
    #[must_use]
    pub fn local(&self) -> Option<&T> {
        match self {
            Self::Upserted(record) => Some(record),
            Self::Deleted(_) => None,
            Self::Rebased { local, .. } => local.as_ref(),
        }
    }
}

/// Both sides of a conflict, and what they come from.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Conflict<T: Syncable> {
    /// The record's id.
    pub id: T::Id,
    /// The last state that both sides knew. `None` when there was none, when the strategy does not keep it, and when it does not fit
    /// the struct any more.
    pub base: Option<T>,
    /// The local side; `None` when the record was deleted here.
    pub local: Option<T>,
    /// The server's side; `None` when the record was deleted there.
    pub remote: Option<T>,
}

impl<T: Syncable> Conflict<T> {
    /// A conflict; for tests of handlers and strategies.
    #[must_use]
    pub fn new(id: T::Id, base: Option<T>, local: Option<T>, remote: Option<T>) -> Self {
        Self { id, base, local, remote }
    }
}

/// How a conflict is decided.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolution<T> {
    /// The server's side stands; the local edit is given up.
    TakeRemote,
    /// The local side is sent over the server's.
    KeepLocal,
    /// This takes the place of both. Its id must be the record's. When it is what the server has already, the edit is in that, and nothing is
    /// sent.
    Merged(T),
    /// The record goes, on both sides; the local edit is given up, unless it is the deletion.
    Delete,
    /// The user is to decide: the conflict waits in [`Engine::conflicts`](crate::Engine::conflicts).
    Defer,
}
