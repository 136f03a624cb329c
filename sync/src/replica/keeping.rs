//! What becomes of the records of an entity: handed over, or kept.

use std::future::Future;

use crate::BoxError;
use crate::entity::Syncable;
use crate::handler::{OnPull, Pulled};

/// What the engine does with the records that it pulls for the entity `T` in the schema `S`.
pub trait Keeping<S, T: Syncable>: Send + Sync + 'static {
    /// Whether the records are kept, to be read.
    const KEEPS: bool;

    /// Hands changes over to whoever keeps them.
    ///
    /// # Errors
    /// An error, or a panic, stops the pull of this entity; the page comes again at the next pull.
    fn hand_over(schema: &S, pulled: Pulled<T>) -> impl Future<Output = Result<(), BoxError>> + Send
    where
        S: Sync;
}

/// The application keeps the records: the schema's [`OnPull`] takes them. What is so without `#[sync(replica)]`.
#[derive(Debug, Clone, Copy)]
pub struct HandedOver;

impl<S: OnPull<T>, T: Syncable<Keeping: HandsOver>> Keeping<S, T> for HandedOver {
    const KEEPS: bool = false;

    async fn hand_over(schema: &S, pulled: Pulled<T>) -> Result<(), BoxError>
    where
        S: Sync,
    {
        schema.on_pull(pulled).await
    }
}

/// The engine keeps the records: `#[sync(replica)]`.
#[derive(Debug, Clone, Copy)]
pub struct Replica;

impl<S, T: Syncable> Keeping<S, T> for Replica {
    const KEEPS: bool = true;

    async fn hand_over(_: &S, _: Pulled<T>) -> Result<(), BoxError> {
        Ok(())
    }
}

/// A way of keeping records that hands them over to the schema's [`OnPull`].
///
/// A handler for any entity says so of it:
///
/// ```
/// use sync::{HandsOver, OnPull, Syncable};
///
/// struct Recorder;
/// impl<T: Syncable<Keeping: HandsOver>> OnPull<T> for Recorder {}
/// ```
#[diagnostic::on_unimplemented(
    message = "the records of an entity that is a `{Self}` are handed to no `OnPull`",
    label = "this handler would never be called for such an entity",
    note = "for an entity with `replica`, remove this `impl OnPull`, and follow the records with `Engine::watch`; or remove `replica` from the `#[sync(…)]` of the entity",
    note = "for any entity `T`, write the bound `T: Syncable<Keeping: HandsOver>`"
)]
pub trait HandsOver {}

impl HandsOver for HandedOver {}

/// An entity whose records the engine keeps. The derive implements it for a struct with `#[sync(replica)]`.
#[diagnostic::on_unimplemented(
    message = "the engine keeps no records of `{Self}` that could be read",
    label = "this entity is no replica",
    note = "write `#[sync(replica)]` above the struct `{Self}`"
)]
pub trait Replicated: Syncable {}
