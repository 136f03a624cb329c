//! How conflicts are decided: a strategy is a type, and what it needs is a bound.

use std::future::Future;

use crate::BoxError;
use crate::entity::{Syncable, Timestamped};
use crate::handler::{Conflict, OnConflict, Resolution};
use crate::merge::{Mergeable, OnDelete};
use crate::record::Payload;

/// Decides the conflicts of the entity `T` in the schema `S`.
///
/// A strategy of your own is a type that implements this and is named in the attribute:
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// use sync::{BoxError, Conflict, Resolution, Strategy, Syncable};
///
/// #[derive(Clone, Serialize, Deserialize, Syncable)]
/// #[sync(endpoint = "/counters", conflict = HigherWins)]
/// struct Counter { id: String, count: u64 }
///
/// struct HigherWins;
///
/// impl<S> Strategy<S, Counter> for HigherWins {
///     async fn resolve(_: &S, conflict: Conflict<Counter>) -> Result<Resolution<Counter>, BoxError> {
///         let count = |side: &Option<Counter>| side.as_ref().map(|counter| counter.count);
///         Ok(if count(&conflict.local) > count(&conflict.remote) { Resolution::KeepLocal } else { Resolution::TakeRemote })
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a strategy for the conflicts of `{T}`",
    label = "`{Self}` does not implement `Strategy<{S}, {T}>`",
    note = "use `ServerWins`, `ClientWins`, `LastWriteWins`, `Merge` or `Manual`, or implement `sync::Strategy` for `{Self}`"
)]
pub trait Strategy<S, T: Syncable>: Send + Sync + 'static {
    /// Whether [`Conflict::base`] is needed: the last common state is then kept for every record.
    const NEEDS_BASE: bool = false;

    /// Decides one conflict.
    ///
    /// # Errors
    /// An error, or a panic, loses nothing: the conflict stays as it is, is reported, and is asked again later.
    fn resolve(
        schema: &S,
        conflict: Conflict<T>,
    ) -> impl Future<Output = Result<Resolution<T>, BoxError>> + Send
    where
        S: Sync;
}

/// The server's side stands.
#[derive(Debug, Clone, Copy)]
pub struct ServerWins;

impl<S, T: Syncable> Strategy<S, T> for ServerWins {
    async fn resolve(_: &S, _: Conflict<T>) -> Result<Resolution<T>, BoxError> {
        Ok(Resolution::TakeRemote)
    }
}

/// The local side stands.
#[derive(Debug, Clone, Copy)]
pub struct ClientWins;

impl<S, T: Syncable> Strategy<S, T> for ClientWins {
    async fn resolve(_: &S, _: Conflict<T>) -> Result<Resolution<T>, BoxError> {
        Ok(Resolution::KeepLocal)
    }
}

/// The side with the later `updated_at` stands; on a tie, the server's.
///
/// Each `updated_at` comes from the clock of the device that made the edit, and nothing puts it right: a device whose clock is an hour
/// ahead wins every conflict about what the others change within that hour. Where that matters, choose a strategy that compares no
/// clocks.
///
/// So the application sets it with each edit. A time that the server sets when it takes an edit is later than that of every edit which is
/// made on top of it without setting another one: each of these would be given up. Let the server have a member of its own for that.
///
/// A deletion carries no time, so an edit wins over it, on whichever side it was made: what was edited can be deleted
/// again, what is gone cannot be edited.
#[derive(Debug, Clone, Copy)]
pub struct LastWriteWins;

impl<S, T: Timestamped> Strategy<S, T> for LastWriteWins {
    async fn resolve(_: &S, conflict: Conflict<T>) -> Result<Resolution<T>, BoxError> {
        Ok(match (&conflict.local, &conflict.remote) {
            (Some(local), Some(remote)) if local.updated_at() > remote.updated_at() => Resolution::KeepLocal,
            (Some(_), None) => Resolution::KeepLocal,
            _ => Resolution::TakeRemote,
        })
    }
}

/// Both sides are merged, field by field, each by its own policy: see [`merge`](crate::merge). When nothing of the edit is left to be sent
/// and something of it was dropped, the server's side stands.
///
/// Where one side deleted the record and the other changed it, the edit stands, unless the struct says
/// `#[sync(on_delete = Delete)]`.
#[derive(Debug, Clone, Copy)]
pub struct Merge;

impl<S, T: Syncable + Mergeable> Strategy<S, T> for Merge {
    const NEEDS_BASE: bool = true;

    async fn resolve(_: &S, conflict: Conflict<T>) -> Result<Resolution<T>, BoxError> {
        Ok(match (conflict.local, conflict.remote, T::ON_DELETE) {
            (Some(local), Some(remote), _) => {
                let merged = T::merge(conflict.base.as_ref(), &local, &remote);
                // Something of the edit was dropped, and there is nothing in the rest that the server does not have: it is given up.
                if merged.is_lossy() && is_written_alike(&merged.value, &remote) {
                    Resolution::TakeRemote
                } else {
                    Resolution::Merged(merged.value)
                }
            }
            (Some(_), None, OnDelete::KeepEdit) => Resolution::KeepLocal,
            (None, Some(_), OnDelete::Delete) => Resolution::Delete,
            (None, _, _) | (Some(_), None, OnDelete::Delete) => Resolution::TakeRemote,
        })
    }
}

/// Records need not be comparable themselves.
fn is_written_alike<T: Syncable>(one: &T, other: &T) -> bool {
    matches!((Payload::encode(one), Payload::encode(other)), (Ok(one), Ok(other)) if one == other)
}

/// The schema's [`OnConflict`] handler decides.
#[derive(Debug, Clone, Copy)]
pub struct Manual;

impl<S: OnConflict<T>, T: Syncable<Strategy: AsksHandler>> Strategy<S, T> for Manual {
    const NEEDS_BASE: bool = true;

    async fn resolve(schema: &S, conflict: Conflict<T>) -> Result<Resolution<T>, BoxError>
    where
        S: Sync,
    {
        schema.on_conflict(conflict).await
    }
}

/// A strategy that asks the schema's [`OnConflict`] handler. Implement it for a strategy of your own that does.
#[diagnostic::on_unimplemented(
    message = "conflicts of this entity are decided by `{Self}`, which never asks an `OnConflict` handler",
    label = "this handler would never be called",
    note = "write `conflict = Manual` on the entity, or remove this `impl OnConflict`"
)]
pub trait AsksHandler {}

impl AsksHandler for Manual {}
