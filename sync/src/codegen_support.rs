//! What the derived code calls. Not part of the public interface: it changes whenever the derives do.

use std::marker::PhantomData;

pub use std::clone::Clone;
pub use std::cmp::PartialEq;
pub use std::iter::IntoIterator;
pub use std::marker::{Send, Sync};
pub use std::option::Option::{self, None, Some};
pub use std::result::Result::{self, Ok};
pub use std::string::String;
pub use std::vec::Vec;

pub use chrono::{DateTime, Utc};
pub use serde::Serialize;
pub use serde::de::DeserializeOwned;

pub use crate::BoxError;
pub use crate::entity::{EntityInfo, EntityOf, ReferenceError, Schema, Syncable, Timestamp, Timestamped};
pub use crate::handler::{OnConflict, OnPull};
pub use crate::merge::{self, Field, Group, Mergeable, Merging, OnDelete, Side, Sides};
pub use crate::record::{Payload, RecordRef};
pub use crate::replica::{Column, HandedOver, Indexable, Outdated, Replica, Replicated};
pub use crate::rim::Registry;
pub use crate::storage::{IndexEntry, IndexValue};
pub use crate::strategy::{self, Strategy};

use crate::entity::EntityId;
use crate::merge::{Outcome, Policy, Step};
use crate::record::{EntityName, IdError, RecordKey};

/// What a field has to hold so that it refers to an entity whose ids are `Id`s: just that.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` cannot refer to a record whose id is a `{Id}`",
    label = "the id of the entity that this field refers to is a `{Id}`",
    note = "write `{Id}` here, in an `Option`, `Vec`, `BTreeSet` or `HashSet` if you like, or name another entity in `references = …`"
)]
pub trait Refers<Id> {
    /// The id's text.
    ///
    /// # Errors
    /// When it cannot name a record.
    fn key(&self) -> Result<RecordKey, IdError>;
}

impl<Id: EntityId> Refers<Id> for Id {
    fn key(&self) -> Result<RecordKey, IdError> {
        RecordKey::of(self)
    }
}

/// Adds the record that a field marked `#[sync(references = …)]` names.
///
/// # Errors
/// When the id cannot name a record.
pub fn refer<Id, F: Refers<Id>>(
    field: &'static str,
    entity: &'static str,
    id: &F,
    references: &mut Vec<RecordRef>,
) -> Result<(), ReferenceError> {
    let entity = EntityName::new(entity);
    match id.key() {
        Ok(key) => references.push(RecordRef::new(entity, key)),
        Err(source) => return Err(ReferenceError { field, entity, source }),
    }
    Ok(())
}

/// Reads the field with the meaning of `updated_at`.
pub fn to_utc<F: Timestamp>(field: &F) -> DateTime<Utc> {
    field.to_utc()
}

/// Enters the value of an indexed field.
pub fn entry<F: Indexable>(field: &'static str, value: &F) -> IndexEntry {
    IndexEntry { field, value: value.index_value() }
}

/// A field's type, of which a value may be read for the index: `(&&Read::<F>::of()).index_value(json)` finds [`Readable`] where the type
/// has a `Deserialize`, and [`Unreadable`] where the struct reads the field in a way of its own.
#[derive(Debug)]
pub struct Read<F>(PhantomData<fn() -> F>);

impl<F> Read<F> {
    /// The type.
    #[must_use]
    pub const fn of() -> Self {
        Self(PhantomData)
    }
}

/// A type that can read its own JSON.
pub trait Readable {
    /// The value, unless the JSON is of none.
    fn index_value(&self, json: &Payload) -> Option<IndexValue>;
}

impl<F: Indexable + DeserializeOwned> Readable for &Read<F> {
    fn index_value(&self, json: &Payload) -> Option<IndexValue> {
        json.decode::<F>().ok().map(|value| value.index_value())
    }
}

/// A type that cannot.
pub trait Unreadable {
    /// Nothing.
    fn index_value(&self, _: &Payload) -> Option<IndexValue> {
        None
    }
}

impl<F> Unreadable for Read<F> {}

/// Merges one field three-way, by its policy.
pub fn merge_field<P: Policy<F>, F: PartialEq + Clone + Send + Sync + 'static>(
    name: &'static str,
    sides: Sides<'_, F>,
    merging: &mut Merging,
) -> F {
    merging.part::<P, F>(Step::Field(name), sides)
}

/// Merges one field three-way, by a function of the user's.
pub fn merge_field_with<F: PartialEq + Clone + Send + Sync + 'static>(
    name: &'static str,
    sides: Sides<'_, F>,
    merging: &mut Merging,
    decide: fn(&F, &F, &F) -> F,
) -> F {
    merging.part_with(Step::Field(name), sides, |sides, _| match sides.base {
        Some(base) => Outcome::Both(decide(base, sides.local, sides.remote)),
        None => Outcome::Remote,
    })
}

/// Says of an entity which side is the later.
#[must_use]
pub fn dated_record<T: Timestamped>(sides: Sides<'_, T>) -> Sides<'_, T> {
    sides.dated(&sides.local.updated_at(), &sides.remote.updated_at())
}

/// Says of a part of one which side is the later, by the field with the meaning of `updated_at`.
pub fn dated<T, F: Timestamp>(sides: Sides<'_, T>, updated_at: impl Fn(&T) -> &F) -> Sides<'_, T> {
    sides.dated(updated_at(sides.local), updated_at(sides.remote))
}

/// The entities that a record type refers to, as a list `(A, (B, ()))`: each has to be in the schema as well.
pub trait ReferencesIn<S> {}

impl<S> ReferencesIn<S> for () {}

impl<S, First: EntityOf<S>, Rest: ReferencesIn<S>> ReferencesIn<S> for (First, Rest) {}
