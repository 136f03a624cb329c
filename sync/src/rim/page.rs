//! A pulled page in the user's type.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::entity::{decode, encode, hand_over, id_of};
use crate::engine::port::{Shown, TypedPage};
use crate::entity::{Schema, Syncable};
use crate::error::HandlerError;
use crate::handler::{Change, Pulled};
use crate::record::{Base, RecordKey, Rules, ServerCopy, Version};
use crate::replica::Keeping;
use crate::storage::IndexEntry;

/// A readable item.
pub(super) enum Slot<T> {
    Record { key: RecordKey, version: Option<Version>, record: T },
    Deleted { key: RecordKey },
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
            Slot::Record { key, version, record } => {
                ServerCopy::Present { version: version.clone(), value: encode(key, record)? }
            }
        })
    }

    fn base(&self, index: usize, rules: &Rules) -> Result<Option<Base>, HandlerError> {
        let Slot::Record { key, version, record } = &self.slots[index] else { return Ok(None) };
        let value =
            if Base::needs_value(version.as_ref(), rules) { Some(encode(key, record)?) } else { None };
        Ok(Some(Base { version: version.clone(), value }))
    }

    fn index(&self, index: usize) -> Vec<IndexEntry> {
        match self.slots.get(index) {
            Some(Slot::Record { record, .. }) => record.index(),
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
