//! A pulled page in the user's type.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;

use super::entity::{decode, encode, hand_over, id_of};
use crate::engine::port::{Shown, TypedPage};
use crate::entity::{Schema, Syncable};
use crate::error::HandlerError;
use crate::handler::{Change, Pulled};
use crate::record::{Base, Payload, RecordKey, Rules, ServerCopy, Version};
use crate::replica::Keeping;
use crate::storage::IndexEntry;

/// A readable item.
pub(super) enum Slot<T> {
    Record {
        key: RecordKey,
        version: Option<Version>,
        record: T,
        text: Text,
        /// The values of its indexed fields.
        index: Vec<IndexEntry>,
        updated_at: Option<DateTime<Utc>>,
    },
    Deleted {
        key: RecordKey,
    },
}

/// The JSON of an item.
pub(super) enum Text {
    /// As the program's own type writes it: it is kept.
    Written(Payload),
    /// As the server sent it: nothing of it but the version is kept, unless an edit waits.
    AsSent(Bytes),
}

impl Text {
    /// The record, as it is compared and kept. What its type cannot write again stands there as the server sent it, as which the type
    /// has read it.
    fn payload<T: Syncable>(&self, key: &RecordKey, record: &T) -> Result<Payload, HandlerError> {
        match self {
            Self::Written(payload) => Ok(payload.clone()),
            Self::AsSent(body) => encode(key, record).or_else(|error| {
                let sent = Payload::from_json(&String::from_utf8_lossy(body)).map_err(|_| error)?;
                Ok(sent.of_version(T::VERSION))
            }),
        }
    }
}

/// The readable items of a page, and the schema that takes them.
pub(super) struct Page<S, T> {
    schema: Arc<S>,
    slots: Vec<Slot<T>>,
}

impl<S, T> Page<S, T> {
    pub(super) fn new(schema: Arc<S>, slots: Vec<Slot<T>>) -> Self {
        Self { schema, slots }
    }
}

impl<S: Schema, T: Syncable<Keeping: Keeping<S, T>>> TypedPage for Page<S, T> {
    fn len(&self) -> usize {
        self.slots.len()
    }

    fn key(&self, index: usize) -> &RecordKey {
        match &self.slots[index] {
            Slot::Record { key, .. } | Slot::Deleted { key } => key,
        }
    }

    fn is_there(&self, index: usize) -> bool {
        matches!(self.slots.get(index), Some(Slot::Record { .. }))
    }

    fn copy(&self, index: usize) -> Result<ServerCopy, HandlerError> {
        Ok(match &self.slots[index] {
            Slot::Deleted { .. } => ServerCopy::Deleted,
            Slot::Record { key, version, record, text, .. } => {
                ServerCopy::Present { version: version.clone(), value: text.payload(key, record)? }
            }
        })
    }

    fn base(&self, index: usize, rules: &Rules) -> Result<Option<Base>, HandlerError> {
        let Slot::Record { key, version, record, text, .. } = &self.slots[index] else { return Ok(None) };
        let keeps = Base::needs_value(version.as_ref(), rules);
        let value = keeps.then(|| text.payload(key, record)).transpose()?;
        Ok(Some(Base { version: version.clone(), value }))
    }

    fn index(&self, index: usize) -> Vec<IndexEntry> {
        match self.slots.get(index) {
            Some(Slot::Record { index, .. }) => index.clone(),
            Some(Slot::Deleted { .. }) | None => Vec::new(),
        }
    }

    fn deliver<'a>(
        &'a self,
        shown: &'a [(usize, Shown)],
        has_more: bool,
    ) -> BoxFuture<'a, Result<(), HandlerError>> {
        Box::pin(async move {
            let mut changes = Vec::with_capacity(shown.len());
            for (index, shown) in shown {
                let remote = match &self.slots[*index] {
                    Slot::Record { record, .. } => Some(record.clone()),
                    Slot::Deleted { .. } => None,
                };
                changes.push(change(self.key(*index), remote, shown)?);
            }
            hand_over::<S, T>(&self.schema, Pulled::new(changes, has_more), None).await
        })
    }
}

/// One change, as the handler is told of it.
pub(super) fn change<T: Syncable>(
    key: &RecordKey,
    remote: Option<T>,
    shown: &Shown,
) -> Result<Change<T>, HandlerError> {
    Ok(match (shown, remote) {
        (Shown::AsPulled, Some(record)) => Change::Upserted(record),
        (Shown::AsPulled, None) => Change::Deleted(id_of::<T>(key)?),
        (Shown::Local(local), remote) => {
            let local = local.as_ref().map(|payload| decode::<T>(key, payload)).transpose()?;
            Change::Rebased { id: id_of::<T>(key)?, local, remote }
        }
    })
}
