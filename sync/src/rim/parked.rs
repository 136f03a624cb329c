//! What waits for the user, in the user's types.

use chrono::{DateTime, Utc};

use super::entity::{decode, id_of};
use crate::engine::verdicts;
use crate::entity::Syncable;
use crate::error::{CHANGED, Error, HandlerError};
use crate::handler::Conflict;
use crate::record::{Lane, OperationId, ParkReason, Record, RecordRef, Sent};

/// An operation that waits for the user, because the server refused it or every attempt failed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Parked<T: Syncable> {
    /// The operation: for [`retry`](crate::Engine::retry) and [`discard`](crate::Engine::discard).
    pub operation: OperationId,
    /// The record's id.
    pub id: T::Id,
    /// The record as it was to be sent; `None` for a deletion.
    pub record: Option<T>,
    /// Why it is here.
    pub reason: ParkReason,
    /// Since when, by this device's clock.
    pub since: DateTime<Utc>,
}

/// A conflict that a handler left to the user.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Deferred<T: Syncable> {
    /// The operation: for [`answer`](crate::Engine::answer). It stands for these two sides, and is another one as soon as something else
    /// of the server's is known.
    pub operation: OperationId,
    /// Both sides; the server's is kept up to date by pulls.
    pub conflict: Conflict<T>,
    /// Since when, by this device's clock.
    pub since: DateTime<Utc>,
}

/// Where a record stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SyncState {
    /// No edit of it waits.
    Synced,
    /// An edit is sent at the next sync.
    Pending,
    /// An edit was sent and its outcome is not known: the server may have taken it.
    InFlight {
        /// When it is sent again; `None` while it is under way, and when that can be done at once.
        due: Option<DateTime<Utc>>,
        /// How many attempts failed so far.
        attempts: u32,
    },
    /// An edit that the server has not taken waits until this time, and for the next sync after it.
    Waiting {
        /// When.
        due: DateTime<Utc>,
    },
    /// An edit waits for another record.
    Blocked {
        /// Which one. What waits for everything of its entity to be pulled, after the struct has changed, is blocked on a record that stands
        /// for that.
        on: RecordRef,
        /// Whether that one waits for the user.
        parked: bool,
    },
    /// An edit waits for the user, because the server refused it or every attempt failed.
    Parked {
        /// The operation: for [`retry`](crate::Engine::retry) and [`discard`](crate::Engine::discard).
        operation: OperationId,
        /// Why.
        reason: ParkReason,
    },
    /// An edit and the server's version wait for the user to decide between them.
    InConflict {
        /// The operation: for [`answer`](crate::Engine::answer), until the server's side changes.
        operation: OperationId,
    },
}

/// Reads a parked record, unless it is a conflict.
pub(super) fn parked<T: Syncable>(name: &RecordRef, record: &Record) -> Result<Option<Parked<T>>, Error> {
    let Some(parked) = &record.parked else { return Ok(None) };
    if matches!(parked.reason, ParkReason::Deferred { .. }) {
        return Ok(None);
    }
    let intention = &parked.intention;
    let unreadable = |error| unreadable(name, &error, Some(intention.id));
    Ok(Some(Parked {
        operation: intention.id,
        id: id_of::<T>(&name.key).map_err(unreadable)?,
        record: intention
            .write
            .payload()
            .map(|payload| decode::<T>(&name.key, payload))
            .transpose()
            .map_err(unreadable)?,
        reason: parked.reason.clone(),
        since: parked.since,
    }))
}

/// Reads a deferred conflict.
pub(super) fn deferred<T: Syncable>(name: &RecordRef, record: &Record) -> Result<Option<Deferred<T>>, Error> {
    let (Some(parked), Some(dispute)) = (&record.parked, verdicts::dispute(record)) else {
        return Ok(None);
    };
    let operation = parked.intention.id;
    let conflict = super::decide::conflict(&name.key, &dispute)
        .map_err(|error| unreadable(name, &error, Some(operation)))?;
    Ok(Some(Deferred { operation, conflict, since: parked.since }))
}

/// Says where a record stands; `blocker` is the record that it waits for, if it does.
pub(super) fn state(record: &Record, blocker: Option<&Record>) -> SyncState {
    match (record.lane(), &record.blocked_on, &record.flight, &record.parked) {
        (Lane::Idle, ..) => SyncState::Synced,
        (Lane::Blocked { .. }, Some(on), ..) => SyncState::Blocked {
            on: on.clone(),
            parked: blocker.is_some_and(|blocker| matches!(blocker.lane(), Lane::Parked { .. })),
        },
        (Lane::Waiting { .. } | Lane::Ready { .. }, _, Some(flight), _) if flight.sent != Sent::NotTaken => {
            SyncState::InFlight { due: flight.due, attempts: flight.attempts }
        }
        (Lane::Waiting { due, .. }, ..) => SyncState::Waiting { due },
        (Lane::Parked { .. }, .., Some(parked)) => {
            let operation = parked.intention.id;
            match &parked.reason {
                ParkReason::Deferred { .. } => SyncState::InConflict { operation },
                reason => SyncState::Parked { operation, reason: reason.clone() },
            }
        }
        (Lane::Ready { .. } | Lane::Blocked { .. } | Lane::Parked { .. }, ..) => SyncState::Pending,
    }
}

/// A stored record that cannot be read; `operation` is what can be given up of it, if anything waits for the user.
pub(super) fn unreadable(name: &RecordRef, error: &HandlerError, operation: Option<OperationId>) -> Error {
    let reason = match error {
        HandlerError::Misfit { source, .. } => format!("{source}; {CHANGED}"),
        HandlerError::StoredId { source, .. } => source.to_string(),
        error => error.to_string(),
    };
    Error::Decode { record: name.clone(), reason, operation }
}
