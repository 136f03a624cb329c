//! What the engine needs from the typed rim: everything under it works on JSON bytes.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::future::BoxFuture;

use super::entities::Shape;
use crate::entity::EntityInfo;
use crate::error::HandlerError;
use crate::record::{Base, Decision, Dispute, Payload, RecordKey, RecordRef, Rules, ServerCopy};
use crate::remote::PageItem;
use crate::storage::{IndexEntry, IndexValue};

/// One entity of the schema, with its handlers.
pub(crate) trait EntityPort: Send + Sync + 'static {
    fn info(&self) -> &'static EntityInfo;

    fn rules(&self) -> Rules;

    /// What of the struct's shape the storage depends on.
    fn shape(&self) -> Shape;

    /// Whether the records are kept to be read, and nobody has to be told of them.
    fn keeps(&self) -> bool;

    /// The names of the indexed fields.
    fn fields(&self) -> &'static [&'static str];

    /// Whether the records are kept and can be found by a field.
    fn indexes(&self) -> bool;

    /// The values of a record's indexed fields.
    fn index(&self, key: &RecordKey, payload: &Payload) -> Result<Vec<IndexEntry>, HandlerError>;

    /// A value of an indexed field, of its JSON; `None` when the field's type cannot read it.
    fn index_value(&self, field: &str, json: &Payload) -> Option<IndexValue>;

    /// The records that one refers to; none of one that cannot be read.
    fn references(&self, payload: &Payload) -> Vec<RecordRef>;

    /// The payload as this version of the program writes it; `None` when it did.
    fn upgraded(&self, key: &RecordKey, payload: &Payload) -> Result<Option<Payload>, HandlerError>;

    /// Reads one record as the server sent it.
    fn read(&self, body: &[u8]) -> Result<ReadRecord, Unreadable>;

    /// An id as the server writes it.
    fn id_json(&self, key: &RecordKey) -> Result<Bytes, HandlerError>;

    /// Reads a page; items that cannot be read are kept apart, and of a record that stands there more than once only the
    /// last item counts.
    fn read_page(&self, items: Vec<PageItem>) -> ReadPage;

    /// Asks the strategy.
    fn decide<'a>(
        &'a self,
        key: &'a RecordKey,
        dispute: &'a Dispute,
    ) -> BoxFuture<'a, Result<Decision, HandlerError>>;

    /// Tells `OnPull` of one record outside a pull. `copy` is what the server has.
    fn tell<'a>(
        &'a self,
        key: &'a RecordKey,
        copy: &'a ServerCopy,
        shown: &'a Shown,
    ) -> BoxFuture<'a, Result<(), HandlerError>>;
}

/// A record that the typed rim could read.
pub(crate) struct ReadRecord {
    pub(crate) key: RecordKey,
    /// The record as the program's own type writes it, without members that the type does not know.
    pub(crate) payload: Payload,
}

/// A record that it could not.
pub(crate) struct Unreadable {
    pub(crate) key: Option<RecordKey>,
    pub(crate) reason: String,
}

/// A page of which every item was looked at.
pub(crate) struct ReadPage {
    pub(crate) page: Arc<dyn TypedPage>,
    /// What could not be read, with its JSON.
    pub(crate) unreadable: Vec<(String, Unreadable)>,
    /// The newest `updated_at` among the records.
    pub(crate) newest: Option<DateTime<Utc>>,
}

/// The readable items of a page, in the user's type; each record once.
pub(crate) trait TypedPage: Send + Sync + 'static {
    fn len(&self) -> usize;

    fn key(&self, index: usize) -> &RecordKey;

    /// Whether the item exists, and is a record and no tombstone.
    fn is_there(&self, index: usize) -> bool;

    /// What the server has, as JSON.
    fn copy(&self, index: usize) -> Result<ServerCopy, HandlerError>;

    /// What is kept of it when no local edit waits.
    fn base(&self, index: usize, rules: &Rules) -> Result<Option<Base>, HandlerError>;

    /// The values of an item's indexed fields.
    fn index(&self, index: usize) -> Vec<IndexEntry>;

    /// Hands items to `OnPull`.
    fn deliver<'a>(
        &'a self,
        shown: &'a [(usize, Shown)],
        has_more: bool,
    ) -> BoxFuture<'a, Result<(), HandlerError>>;
}

/// How a record is shown to `OnPull`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shown {
    /// As the server has it.
    AsPulled,
    /// As it looks locally, because a local edit waits; `None` when it is deleted here.
    Local(Option<Payload>),
}
