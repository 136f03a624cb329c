//! What the derives implement: entities, and the schema that lists them.

use std::fmt;

use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::BoxError;
use crate::record::{EntityName, IdError, Payload, RecordRef};
use crate::replica::Outdated;
use crate::storage::{IndexEntry, IndexValue};

/// A record type that can be synced: one kind of record, one endpoint, one queue.
///
/// Derive it:
///
/// ```
/// use chrono::{DateTime, Utc};
/// use serde::{Deserialize, Serialize};
/// use sync::Syncable;
/// use uuid::Uuid;
///
/// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
/// #[sync(endpoint = "/notes", conflict = LastWriteWins)]
/// pub struct Note {
///     pub id: Uuid,
///     pub title: String,
///     pub updated_at: DateTime<Utc>,
/// }
///
/// assert_eq!(Note::ENTITY.endpoint, "/notes");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an entity",
    label = "this type does not derive `Syncable`",
    note = "write `#[derive(Serialize, Deserialize, Clone, Syncable)]` and `#[sync(endpoint = \"/…\", conflict = …)]` on `{Self}`"
)]
pub trait Syncable: Serialize + DeserializeOwned + Clone + Send + Sync + 'static {
    /// The type of its ids.
    type Id: EntityId;

    /// How conflicts of its records are decided: one of [`strategy`](crate::strategy), or a type of your own.
    type Strategy: Send + Sync + 'static;

    /// What becomes of its records: [`HandedOver`](crate::replica::HandedOver) to the application, or kept as a
    /// [`Replica`](crate::replica::Replica).
    type Keeping: Send + Sync + 'static;

    /// The entities that its records refer to, as a list `(A, (B, ()))`. The schema has to list them as well.
    type References;

    /// Its stable storage name: that of [`ENTITY`](Self::ENTITY), by itself, so that entities can refer to each other.
    const NAME: &'static str = Self::ENTITY.name;

    /// Its name, its endpoint and the names of its JSON members.
    const ENTITY: EntityInfo;

    /// The version of the struct. Increase it whenever records that were stored earlier would no longer deserialize as this type.
    ///
    /// A member that is new and has a serde default needs no other version.
    ///
    /// A replica is pulled anew then, and when a member is new ([`MEMBERS`](Self::MEMBERS)), since [`upgrade`](Self::upgrade) or the default may make
    /// up what the server has had all along; updates of what the server has wait for that. That a member is new inside of another one is
    /// noticed when an update is about to be sent. Where the records are handed over, nothing waits, and
    /// [`Engine::resync`](crate::Engine::resync) pulls anew.
    const VERSION: u32 = 1;

    /// The JSON members that a record is written with, but for what serde's `flatten` brings: of one that is new, which the server may have had
    /// all along, is known when the engine is built.
    const MEMBERS: &'static [&'static str] = &[];

    /// Those of them that a record may be written without: serde's `skip_serializing_if`. `None` where all records are written with the same
    /// members, `flatten` included.
    ///
    /// A server that leaves alone what an update does not name has to be told what a record has no longer
    /// ([`WriteRequest::cleared`](crate::remote::WriteRequest::cleared)), so what it was last known to have is kept then.
    const OPTIONAL: Option<&'static [&'static str]> = None;

    /// The members that it reads by name, where it does not pass over others: serde's `deny_unknown_fields` refuses them, and a map under
    /// `flatten` collects them. Then it is not shown those that are [the server's own](crate::Remote::own_members), unless they are among these:
    /// what a struct under `flatten` beside such a map reads is not.
    const KNOWN: Option<&'static [&'static str]> = None;

    /// The names of the indexed fields, those marked `#[sync(index)]`, as the JSON members are named.
    const INDEX: &'static [&'static str] = &[];

    /// The types of the indexed fields as they are written, in the order of [`INDEX`](Self::INDEX). Where one has changed, the index is
    /// made anew: the same JSON may have another order as another type.
    const INDEXED_AS: &'static [&'static str] = &[];

    /// The record's id.
    fn id(&self) -> &Self::Id;

    /// The values of the indexed fields, in the order of [`INDEX`](Self::INDEX).
    fn index(&self) -> Vec<IndexEntry> {
        Vec::new()
    }

    /// A value of an indexed field, read of the JSON in which the field's own type writes it; `None` when that type has no `Deserialize`, or
    /// cannot read it. Stored scopes are read anew with it: the same JSON may have another place in the order of another type.
    #[must_use]
    #[expect(unused_variables, reason = "they are named for those who implement it")]
    fn index_value(field: &str, json: &Payload) -> Option<IndexValue> {
        None
    }

    /// Makes a record of what an earlier [`VERSION`](Self::VERSION) stored.
    ///
    /// What it makes up for a new member is to be the same for each state of a record, and no time or chance: what differs between two
    /// states counts as an edit of the user's.
    ///
    /// # Errors
    /// When it cannot be made one. It stays as it is, holds back nothing but itself, and is reported.
    fn upgrade(stored: Outdated<'_>) -> Result<Self, BoxError> {
        stored.read()
    }

    /// When the record was last changed, as its own `updated_at` says; `None` for an entity without one.
    fn last_updated(&self) -> Option<DateTime<Utc>> {
        None
    }

    /// The records that have to exist on the server before this one: the fields marked `#[sync(references = …)]`.
    ///
    /// # Errors
    /// When an id of another record cannot name one, for instance because it is empty.
    fn references(&self) -> Result<Vec<RecordRef>, ReferenceError> {
        Ok(Vec::new())
    }
}

/// A field that refers to another record by an id that cannot name one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("its field `{field}` refers to {entity} by an id that cannot name a record: {source}")]
pub struct ReferenceError {
    /// The field of the struct.
    pub field: &'static str,
    /// The entity that it refers to.
    pub entity: EntityName,
    /// What is wrong with the id.
    #[source]
    pub source: IdError,
}

/// An entity with an `updated_at`: what [`LastWriteWins`](crate::strategy::LastWriteWins) needs. The derive implements
/// it when there is such a field.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no `updated_at`, which `LastWriteWins` compares",
    label = "this entity has no `updated_at`",
    note = "add `updated_at: DateTime<Utc>` to `{Self}`, or mark the field that has this meaning with `#[sync(updated_at)]`"
)]
pub trait Timestamped: Syncable {
    /// When the record was last changed.
    fn updated_at(&self) -> DateTime<Utc>;
}

/// What is fixed about an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntityInfo {
    /// The stable storage name: the struct's, or that of `#[sync(name = "…")]`.
    pub name: &'static str,
    /// The path of its collection below the base URL, such as `/notes`.
    pub endpoint: &'static str,
    /// The JSON member that carries the id, after serde's renames.
    pub id_member: &'static str,
    /// The JSON member that carries `updated_at`, after serde's renames.
    pub updated_at_member: Option<&'static str>,
    /// The names of the entities that its records refer to.
    pub references: &'static [&'static str],
    /// The JSON members of which the elements are in no order, since the field is a `HashSet`, after serde's renames.
    pub unordered: &'static [&'static str],
}

impl EntityInfo {
    /// The name as the storage keeps it.
    #[must_use]
    pub const fn entity_name(&self) -> EntityName {
        EntityName::new(self.name)
    }
}

/// A type whose values can be ids: a string, a UUID, an integer of up to 64 bits, or a newtype of one, as serde writes it.
///
/// There is nothing to implement. That the id is one scalar is checked when a record is pushed
/// ([`IdError`]).
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the id of an entity",
    label = "an id is a `String`, a `Uuid`, an integer, or a newtype of one",
    note = "derive `Serialize`, `Deserialize`, `Clone`, `Debug` and `PartialEq` on `{Self}`"
)]
pub trait EntityId:
    Serialize + DeserializeOwned + Clone + fmt::Debug + PartialEq + Send + Sync + 'static
{
}

impl<I: Serialize + DeserializeOwned + Clone + fmt::Debug + PartialEq + Send + Sync + 'static> EntityId
    for I
{
}

/// A type that tells when a record was changed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an `updated_at`",
    label = "not a point in time that `sync` understands",
    note = "use `chrono::DateTime<Utc>`, implement `sync::Timestamp` for your own type, or rename the field"
)]
pub trait Timestamp {
    /// The time in UTC.
    fn to_utc(&self) -> DateTime<Utc>;
}

impl<Z: TimeZone> Timestamp for DateTime<Z> {
    fn to_utc(&self) -> DateTime<Utc> {
        self.with_timezone(&Utc)
    }
}

impl Timestamp for std::time::SystemTime {
    fn to_utc(&self) -> DateTime<Utc> {
        // Beyond what chrono can tell, the last moment that it can.
        let moment = |seconds: u64| i64::try_from(seconds).ok();
        match self.duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => moment(since.as_secs())
                .and_then(|seconds| DateTime::from_timestamp(seconds, since.subsec_nanos()))
                .unwrap_or(DateTime::<Utc>::MAX_UTC),
            Err(before) => moment(before.duration().as_secs())
                .and_then(|seconds| DateTime::from_timestamp(-seconds, 0))
                .and_then(|second| {
                    second.checked_sub_signed(TimeDelta::nanoseconds(before.duration().subsec_nanos().into()))
                })
                .unwrap_or(DateTime::<Utc>::MIN_UTC),
        }
    }
}

// For a method of `Engine<S>` that is missing because `S` is no schema, rustc shows the head of the trait and not its notes: so the advice
// stands in there as well, and what becomes of a struct that cannot be shared, of which it shows the bound alone.
/// The user's struct that lists the entities and carries the handlers.
///
/// Derive it, and implement [`OnPull`](crate::OnPull) for each entity:
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// use sync::{BoxError, OnPull, Pulled, Schema, Syncable};
///
/// #[derive(Clone, Serialize, Deserialize, Syncable)]
/// #[sync(endpoint = "/notes", conflict = ServerWins)]
/// struct Note { id: String }
///
/// #[derive(Schema)]
/// #[sync(entities(Note))]
/// struct App;
///
/// impl OnPull<Note> for App {
///     async fn on_pull(&self, pulled: Pulled<Note>) -> Result<(), BoxError> {
///         for change in pulled.changes { /* store it */ }
///         Ok(())
///     }
/// }
/// ```
///
/// The handlers are called from any thread, so what the struct holds is shared between threads: what they change goes into a
/// `Mutex`, or is sent through a channel to whoever has it. A `rusqlite::Connection` can be sent, but not shared (it is not `Sync`):
/// it goes into a `Mutex`, too.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a schema",
    label = "this type does not derive `Schema`",
    note = "write `#[derive(Schema)]` and `#[sync(entities(…))]` on `{Self}`"
)]
pub trait Schema:
    // Write `#[derive(Schema)]` and `#[sync(entities(…))]` on the struct that is meant to be one.
    Sized + Send + Sync + 'static // What cannot be shared goes into a `Mutex`, or to a thread of its own behind a channel.
{
    /// The entities, in the order in which they are pulled.
    fn register(registry: &mut crate::codegen_support::Registry<Self>);
}

/// An entity that the schema `S` lists. The derive of [`Schema`] implements it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not in the schema `{S}`",
    label = "not an entity of `{S}`",
    note = "add it to the list: `#[sync(entities(…, {Self}))]` on `{S}`"
)]
pub trait EntityOf<S>: Syncable {}
