//! Asks the strategy of an entity, in the user's types.

use std::panic::AssertUnwindSafe;

use futures::FutureExt;

use super::entity::{Facts, decode, encode, id_of, record_ref};
use crate::BoxError;
use crate::entity::Syncable;
use crate::error::{Handler, HandlerError, panic_message};
use crate::handler::{Conflict, Resolution};
use crate::record::{Decision, Dispute, Payload, RecordKey};
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
    // Called within, since what it does before its first `await` can panic as well.
    let resolving = async { T::Strategy::resolve(schema, conflict).await };
    let resolution = guard::<T, _>(Handler::Strategy, Some(key), resolving).await?;
    decision(key, resolution)
}

/// A conflict in the user's types.
pub(super) fn conflict<T: Syncable>(key: &RecordKey, dispute: &Dispute) -> Result<Conflict<T>, HandlerError> {
    let read = |side: Option<&Payload>| side.map(|payload| decode::<T>(key, payload)).transpose();
    let base = match read(dispute.base.as_ref()) {
        // A new edit puts the local side right, and the server shows its own; nothing would ever replace this one.
        Err(HandlerError::Misfit { record, source }) => {
            tracing::warn!(%record, %source, "what both sides of a conflict knew last does not fit the struct any more: it is decided without");
            None
        }
        base => base?,
    };
    Ok(Conflict::new(id_of::<T>(key)?, base, read(dispute.local.as_ref())?, read(dispute.remote.value())?))
}

/// The answer, as the core takes it.
pub(super) fn decision<T: Syncable>(
    key: &RecordKey,
    resolution: Resolution<T>,
) -> Result<Decision, HandlerError> {
    Ok(match resolution {
        Resolution::TakeRemote => Decision::TakeRemote,
        Resolution::KeepLocal => Decision::KeepLocal,
        Resolution::Delete => Decision::Delete,
        Resolution::Defer => Decision::Defer,
        Resolution::Merged(record) => {
            let merged = RecordKey::of(record.id()).map(|key| key.to_string()).unwrap_or_default();
            if merged != key.as_str() {
                let entity = T::INFO.entity_name();
                return Err(HandlerError::OtherRecord { entity, key: key.to_string(), merged });
            }
            let references = record
                .references()
                .map_err(|source| HandlerError::Reference { record: record_ref::<T>(key), source })?;
            Decision::Merged(encode(key, &record)?, references)
        }
    })
}

/// Awaits code of the user's, and turns its errors and panics into one. `key` is the record that it is about, when that is one.
pub(super) async fn guard<T: Syncable, R>(
    handler: Handler,
    key: Option<&RecordKey>,
    call: impl Future<Output = Result<R, BoxError>>,
) -> Result<R, HandlerError> {
    let named = || (T::INFO.entity_name(), key.cloned());
    match AssertUnwindSafe(call).catch_unwind().await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(source)) => {
            let (entity, key) = named();
            Err(HandlerError::Failed { handler, entity, key, source })
        }
        Err(panic) => {
            let (entity, key) = named();
            Err(HandlerError::Panicked { handler, entity, key, message: panic_message(&*panic) })
        }
    }
}

#[cfg(all(test, feature = "testing"))]
mod tests {
    use serde::{Deserialize, Serialize};

    use crate::testing::ScriptedRemote;
    use crate::{BoxError, Conflict, Engine, MemoryStorage, OnPull, Resolution, Schema, Strategy, Syncable};

    #[derive(Clone, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/notes", conflict = Careless)]
    struct Note {
        id: String,
        text: String,
    }

    fn note(text: &str) -> Note {
        Note { id: "a".to_owned(), text: text.to_owned() }
    }

    struct Careless;

    impl<S> Strategy<S, Note> for Careless {
        fn resolve(
            _: &S,
            conflict: Conflict<Note>,
        ) -> impl Future<Output = Result<Resolution<Note>, BoxError>> + Send {
            let base = conflict.base.expect("this strategy asks for none");
            async { Ok(Resolution::Merged(base)) }
        }
    }

    #[derive(Schema)]
    #[sync(entities(Note))]
    struct App;
    impl OnPull<Note> for App {}

    #[tokio::test]
    async fn a_strategy_that_panics_before_there_is_anything_to_await_loses_nothing() {
        let server = ScriptedRemote::new();
        let engine = Engine::builder(App, server.clone(), MemoryStorage::new()).build().await;
        let engine = engine.expect("the storage is empty");
        engine.push(&note("base")).await.expect("it is queued");
        engine.full_sync().await.expect("the server takes it");
        server.put(&note("theirs"));
        engine.push(&note("mine")).await.expect("it is queued");

        let report = engine.flush().await.expect("the engine lives on");
        let told = "the conflict strategy of Note `a` panicked: this strategy asks for none";
        assert_eq!(report.errors[0].to_string(), told);
        assert_eq!(engine.queue_len(), 1);
    }
}
