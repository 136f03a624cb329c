//! Asks the strategy of an entity, in the user's types.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use futures::FutureExt;

use super::entity::{Facts, decode, encode, id_of};
use crate::BoxError;
use crate::entity::Syncable;
use crate::error::{Handler, HandlerError};
use crate::handler::{Conflict, Resolution};
use crate::record::{Decision, Dispute, EntityName, Payload, RecordKey};
use crate::strategy::Strategy;

/// Shows a conflict to the strategy, and reads its answer.
pub(super) async fn decide<S, T>(
    schema: &S,
    key: &RecordKey,
    dispute: &Dispute,
) -> Result<Decision, HandlerError>
where
    S: Sync,
    T: Syncable<Strategy: Strategy<S, T>>,
{
    let conflict = conflict::<T>(key, dispute)?;
    let resolution =
        guard(Handler::Strategy, T::INFO.entity_name(), T::Strategy::resolve(schema, conflict)).await?;
    decision(key, resolution)
}

/// A conflict in the user's types.
pub(super) fn conflict<T: Syncable>(key: &RecordKey, dispute: &Dispute) -> Result<Conflict<T>, HandlerError> {
    let read = |side: Option<&Payload>| side.map(decode::<T>).transpose();
    Ok(Conflict::new(
        id_of::<T>(key)?,
        read(dispute.base.as_ref())?,
        read(dispute.local.as_ref())?,
        read(dispute.remote.value())?,
    ))
}

/// The answer, as the core takes it.
pub(super) fn decision<T: Syncable>(
    key: &RecordKey,
    resolution: Resolution<T>,
) -> Result<Decision, HandlerError> {
    let entity = T::INFO.entity_name();
    Ok(match resolution {
        Resolution::TakeRemote => Decision::TakeRemote,
        Resolution::KeepLocal => Decision::KeepLocal,
        Resolution::Delete => Decision::Delete,
        Resolution::Defer => Decision::Defer,
        Resolution::Merged(record) => {
            let merged = RecordKey::of(record.id()).map(|key| key.to_string()).unwrap_or_default();
            if merged != key.as_str() {
                return Err(HandlerError::OtherRecord { entity, key: key.to_string(), merged });
            }
            let references =
                record.references().map_err(|source| HandlerError::Reference { entity, source })?;
            Decision::Merged(encode(&record)?, references)
        }
    })
}

/// Awaits code of the user's, and turns its errors and panics into one.
pub(super) async fn guard<R>(
    handler: Handler,
    entity: EntityName,
    call: impl Future<Output = Result<R, BoxError>>,
) -> Result<R, HandlerError> {
    match AssertUnwindSafe(call).catch_unwind().await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(source)) => Err(HandlerError::Failed { handler, entity, source }),
        Err(panic) => Err(HandlerError::Panicked { handler, entity, message: message(&*panic) }),
    }
}

pub(super) fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
