//! One entity of a schema, with its handlers, as the engine sees it.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use serde::ser::Error as _;

use super::page::{Page, Slot, Text, change};
use super::{Asking, as_sent, decide};
use crate::BoxError;
use crate::engine::entities::Shape;
use crate::engine::port::{EntityPort, ReadPage, ReadRecord, Shown, Unreadable};
use crate::entity::{EntityInfo, EntityOf, Schema, Syncable};
use crate::error::{Error, Handler, HandlerError, panic_message};
use crate::handler::Pulled;
use crate::misfit::{self, Misfit};
use crate::record::{Base, Decision, Dispute, Payload, RecordKey, RecordRef, Rules, ServerCopy, raw_member};
use crate::remote::PageItem;
use crate::replica::{Keeping, Outdated};
use crate::storage::{IndexEntry, IndexValue};
use crate::strategy::Strategy;

/// The entity `T` in the schema `S`.
pub(super) struct TypedEntity<S, T> {
    schema: Arc<S>,
    /// The last value that the server is known to have had is kept, whatever the strategy needs.
    keeps_base: bool,
    /// An update leaves alone at the server what it does not name.
    merges: bool,
    /// The members of the server's own that the type is not shown.
    hidden: Vec<String>,
    entity: PhantomData<fn() -> T>,
}

impl<S, T: Syncable> TypedEntity<S, T> {
    pub(super) fn new(schema: Arc<S>, server: &Asking) -> Self {
        let keeps_base = server.keeps_bases || (server.merges && T::OPTIONAL.is_some());
        let hidden = |known: &[&str]| {
            let own = server.own_members.iter();
            own.filter(|own| !known.contains(&own.as_str())).cloned().collect()
        };
        Self {
            schema,
            keeps_base,
            merges: server.merges,
            hidden: T::KNOWN.map(hidden).unwrap_or_default(),
            entity: PhantomData,
        }
    }
}

/// Gives the entity's facts an address that lasts.
pub(super) trait Facts: Syncable {
    const INFO: &'static EntityInfo = &Self::ENTITY;
}

impl<T: Syncable> Facts for T {}

impl<S, T> EntityPort for TypedEntity<S, T>
where
    S: Schema,
    T: EntityOf<S, Strategy: Strategy<S, T>, Keeping: Keeping<S, T>>,
{
    fn info(&self) -> &'static EntityInfo {
        T::INFO
    }

    fn rules(&self) -> Rules {
        // Of a record that refers to others, it says which these were.
        let refers = !T::INFO.references.is_empty();
        let keeps_base = T::Strategy::NEEDS_BASE || T::Keeping::KEEPS || refers || self.keeps_base;
        Rules {
            keeps_base,
            updated_at_member: T::INFO.updated_at_member,
            unordered: T::INFO.unordered,
            merges: self.merges,
            optional: T::OPTIONAL.unwrap_or_default(),
            reread: Some(reread::<T>),
            references: refers.then_some(references::<T> as fn(&Payload) -> Vec<RecordRef>),
        }
    }

    fn shape(&self) -> Shape {
        Shape {
            version: T::VERSION,
            replica: T::Keeping::KEEPS,
            index: indexed::<T>().collect(),
            references: T::INFO.references.iter().map(|entity| (*entity).to_owned()).collect(),
            bases: self.rules().keeps_base,
            members: T::MEMBERS.iter().map(|member| (*member).to_owned()).collect(),
            id_member: T::INFO.id_member.to_owned(),
        }
    }

    fn keeps(&self) -> bool {
        T::Keeping::KEEPS
    }

    fn fields(&self) -> &'static [&'static str] {
        T::INDEX
    }

    fn indexes(&self) -> bool {
        T::Keeping::KEEPS && !T::INDEX.is_empty()
    }

    fn index(&self, key: &RecordKey, payload: &Payload) -> Result<Vec<IndexEntry>, HandlerError> {
        let record = decode::<T>(key, payload)?;
        catch_unwind(AssertUnwindSafe(|| record.index())).map_err(|panic| HandlerError::Panicked {
            handler: Handler::Index,
            entity: T::INFO.entity_name(),
            key: Some(key.clone()),
            message: panic_message(&*panic),
        })
    }

    fn index_value(&self, field: &str, json: &Payload) -> Option<IndexValue> {
        catch_unwind(|| T::index_value(field, json)).unwrap_or_default()
    }

    fn upgraded(&self, key: &RecordKey, payload: &Payload) -> Result<Option<Payload>, HandlerError> {
        if payload.version() == T::VERSION {
            return Ok(None);
        }
        let record = decode::<T>(key, payload)?;
        let upgraded = RecordKey::of(record.id()).map(|key| key.to_string()).unwrap_or_default();
        if upgraded != key.as_str() {
            let key = key.to_string();
            return Err(HandlerError::UpgradedToOther { entity: T::INFO.entity_name(), key, upgraded });
        }
        encode(key, &record).map(Some)
    }

    fn references(&self, payload: &Payload) -> Vec<RecordRef> {
        references::<T>(payload)
    }

    fn read(&self, body: &[u8]) -> Result<ReadRecord, Unreadable> {
        let (key, record) = read::<T>(body, &self.hidden)?;
        let payload = write_back(&key, &record)?;
        Ok(ReadRecord { key, payload })
    }

    fn id_json(&self, key: &RecordKey) -> Result<Bytes, HandlerError> {
        let id = id_of::<T>(key)?;
        let json = serde_json::to_vec(&id);
        json.map(Bytes::from).map_err(|source| HandlerError::Json { record: record_ref::<T>(key), source })
    }

    fn read_page(&self, items: Vec<PageItem>) -> ReadPage {
        let rules = self.rules();
        let read: Vec<_> = items.into_iter().map(|item| read_item::<T>(item, &self.hidden, &rules)).collect();
        let superseded = superseded(&read);
        let mut slots = Vec::with_capacity(read.len());
        let mut unreadable = Vec::new();
        let mut newest = None;
        for (item, superseded) in read.into_iter().zip(superseded) {
            if let Ok(Slot::Record { updated_at, .. }) = &item {
                newest = newest.max(*updated_at);
            }
            match item {
                _ if superseded => {}
                Ok(slot) => slots.push(slot),
                Err(failed) => unreadable.push(failed),
            }
        }
        ReadPage { page: Arc::new(Page::new(Arc::clone(&self.schema), slots)), unreadable, newest }
    }

    fn decide<'a>(
        &'a self,
        key: &'a RecordKey,
        dispute: &'a Dispute,
    ) -> BoxFuture<'a, Result<Decision, HandlerError>> {
        Box::pin(decide::decide::<S, T>(&self.schema, key, dispute))
    }

    fn tell<'a>(
        &'a self,
        key: &'a RecordKey,
        copy: &'a ServerCopy,
        shown: &'a Shown,
    ) -> BoxFuture<'a, Result<(), HandlerError>> {
        Box::pin(async move {
            // Also where nobody is told: whoever gives an edit up asks the server for what cannot be read here.
            let remote = copy.value().map(|payload| decode::<T>(key, payload)).transpose()?;
            if T::Keeping::KEEPS {
                return Ok(());
            }
            let pulled = Pulled::new(vec![change(key, remote, shown)?], false);
            hand_over::<S, T>(&self.schema, pulled, Some(key)).await
        })
    }
}

/// The indexed fields, each with its type where that is known.
fn indexed<T: Syncable>() -> impl Iterator<Item = String> {
    T::INDEX.iter().enumerate().map(|(place, field)| match T::INDEXED_AS.get(place) {
        Some(ty) => format!("{field}: {ty}"),
        None => (*field).to_owned(),
    })
}

/// Calls `OnPull`, where the application keeps the records, and survives its panics. `key` is the record that it is about, when that is
/// one.
pub(super) async fn hand_over<S: Sync, T: Syncable<Keeping: Keeping<S, T>>>(
    schema: &S,
    pulled: Pulled<T>,
    key: Option<&RecordKey>,
) -> Result<(), HandlerError> {
    decide::guard::<T, _>(Handler::OnPull, key, T::Keeping::hand_over(schema, pulled)).await
}

/// The record as this version of the program writes it.
fn reread<T: Syncable>(payload: &Payload) -> Option<Payload> {
    written(&current::<T>(payload).ok()?).ok()
}

/// The records that one refers to; none of one that cannot be read.
fn references<T: Syncable>(payload: &Payload) -> Vec<RecordRef> {
    let record = current::<T>(payload).ok();
    record.and_then(|record| record.references().ok()).unwrap_or_default()
}

/// Reads what is stored of a record, whichever version of the program stored it.
pub(super) fn decode<T: Syncable>(key: &RecordKey, payload: &Payload) -> Result<T, HandlerError> {
    let record = || record_ref::<T>(key);
    let (stored, known) = (payload.version(), T::VERSION);
    current::<T>(payload).map_err(|unread| match unread {
        Unread::Misfit(source) => HandlerError::Misfit { record: record(), source },
        Unread::Upgrade(source) => HandlerError::Upgrade { record: record(), version: stored, source },
        Unread::Panicked(message) => HandlerError::Panicked {
            handler: Handler::Upgrade,
            entity: T::INFO.entity_name(),
            key: Some(key.clone()),
            message,
        },
        Unread::Newer => HandlerError::Newer { record: record(), stored, known },
    })
}

/// Why what is stored of a record is none of this version of the program.
enum Unread {
    Misfit(Misfit),
    /// `upgrade` failed.
    Upgrade(BoxError),
    /// `upgrade` panicked.
    Panicked(String),
    /// A later version of the program stored it.
    Newer,
}

/// Reads what is stored of a record. The user's code is called for that: what it panics at is as good as what it cannot read.
fn current<T: Syncable>(payload: &Payload) -> Result<T, Unread> {
    match payload.version().cmp(&T::VERSION) {
        Ordering::Less => match catch_unwind(|| T::upgrade(Outdated::new(payload))) {
            Ok(upgraded) => upgraded.map_err(Unread::Upgrade),
            Err(panic) => Err(Unread::Panicked(panic_message(&*panic))),
        },
        Ordering::Equal => catch_unwind(|| payload.decode())
            .unwrap_or_else(|_| Err(Misfit::panicked()))
            .map_err(Unread::Misfit),
        Ordering::Greater => Err(Unread::Newer),
    }
}

/// Writes a record as it is stored and sent.
pub(super) fn encode<T: Syncable>(key: &RecordKey, record: &T) -> Result<Payload, HandlerError> {
    written(record).map_err(|source| HandlerError::Json { record: record_ref::<T>(key), source })
}

/// Writes a record, and takes a panic of the user's `Serialize` for a record that cannot be written.
fn written<T: Syncable>(record: &T) -> serde_json::Result<Payload> {
    let written = catch_unwind(AssertUnwindSafe(|| Payload::encode(record)))
        .unwrap_or_else(|_| Err(serde_json::Error::custom("writing it panicked")));
    Ok(written?.of_version(T::VERSION))
}

/// Reads the id that is stored of a record.
pub(super) fn id_of<T: Syncable>(key: &RecordKey) -> Result<T::Id, HandlerError> {
    key.to_id().map_err(|source| HandlerError::StoredId { record: record_ref::<T>(key), source })
}

/// The name of a record whose id's text is known.
pub(super) fn record_ref<T: Syncable>(key: &RecordKey) -> RecordRef {
    RecordRef::new(T::INFO.entity_name(), key.clone())
}

/// Names a record.
pub(super) fn name_of<T: Syncable>(id: &T::Id) -> Result<RecordRef, Error> {
    let entity = T::INFO.entity_name();
    match RecordKey::of(id) {
        Ok(key) => Ok(RecordRef::new(entity, key)),
        Err(source) => Err(Error::Id { entity, source }),
    }
}

/// Which items are about a record that a later item of the page is about, too.
///
/// A feed may tell each change of a record. Only the last one is what the server has: those before it may be older than
/// what is known of the record here, and would look like somebody else's writes.
fn superseded<T>(read: &[Result<Slot<T>, (String, Unreadable)>]) -> Vec<bool> {
    let mut later = HashSet::new();
    let mut superseded: Vec<_> = read
        .iter()
        .rev()
        .map(|item| {
            let key = match item {
                Ok(Slot::Record { key, .. } | Slot::Deleted { key }) => Some(key),
                Err((_, unreadable)) => unreadable.key.as_ref(),
            };
            key.is_some_and(|key| !later.insert(key))
        })
        .collect();
    superseded.reverse();
    superseded
}

fn read<T: Syncable>(body: &[u8], hidden: &[String]) -> Result<(RecordKey, T), Unreadable> {
    let record: T = as_sent::read(body, hidden)
        .map_err(|error| Unreadable { key: salvage::<T>(body), reason: error.to_string() })?;
    let key =
        RecordKey::of(record.id()).map_err(|error| Unreadable { key: None, reason: error.to_string() })?;
    Ok((key, record))
}

/// Writes what was read of the server.
fn write_back<T: Syncable>(key: &RecordKey, record: &T) -> Result<Payload, Unreadable> {
    let reason = |error| format!("what was read cannot be written as JSON again: {error}");
    written(record).map_err(|error| Unreadable { key: Some(key.clone()), reason: reason(error) })
}

/// Reads a record, and takes a panic of the user's `Deserialize` for a record that cannot be read.
fn read_calmly<T: Syncable>(body: &[u8], hidden: &[String]) -> Result<(RecordKey, T), Unreadable> {
    catch_unwind(|| read::<T>(body, hidden)).unwrap_or_else(|_| {
        Err(Unreadable { key: salvage::<T>(body), reason: Misfit::panicked().to_string() })
    })
}

/// Reads an item, and writes the record where its value is going to be kept: here, where one that cannot be written again spoils nothing
/// but itself. What is merely handed over is not written, which would make every pull of it slower.
fn read_item<T: Syncable>(
    item: PageItem,
    hidden: &[String],
    rules: &Rules,
) -> Result<Slot<T>, (String, Unreadable)> {
    let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
    match item {
        PageItem::Record { version, body } => {
            let (key, record) = match read_calmly::<T>(&body, hidden) {
                Ok(read) => read,
                Err(unreadable) => return Err((text(&body), unreadable)),
            };
            let told = catch_unwind(AssertUnwindSafe(|| (record.index(), record.last_updated())));
            let Ok((index, updated_at)) = told else {
                // What was said may quote the record, and this is logged.
                let reason = "its indexed fields, or its `updated_at`, panicked".to_owned();
                return Err((text(&body), Unreadable { key: Some(key), reason }));
            };
            let text = if Base::needs_value(version.as_ref(), rules) {
                match write_back(&key, &record) {
                    Ok(payload) => Text::Written(payload),
                    Err(unreadable) => return Err((text(&body), unreadable)),
                }
            } else {
                Text::AsSent(body)
            };
            Ok(Slot::Record { key, version, record, text, index, updated_at })
        }
        PageItem::Tombstone { id } => match read_id::<T>(&id) {
            Ok(slot) => Ok(slot),
            Err(reason) => Err((text(&id), Unreadable { key: None, reason })),
        },
        PageItem::Unreadable { body, reason } => Err((text(&body), Unreadable { key: None, reason })),
    }
}

fn read_id<T: Syncable>(body: &[u8]) -> Result<Slot<T>, String> {
    let id: T::Id = misfit::read(body).map_err(|error| format!("the id of a deleted record: {error}"))?;
    let key = RecordKey::of(&id).map_err(|error| format!("the id of a deleted record: {error}"))?;
    Ok(Slot::Deleted { key })
}

/// Reads at least the id of a record that cannot be read.
fn salvage<T: Syncable>(body: &[u8]) -> Option<RecordKey> {
    let id: T::Id = serde_json::from_str(raw_member(body, T::INFO.id_member)?).ok()?;
    RecordKey::of(&id).ok()
}
