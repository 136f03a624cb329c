//! What the derived code calls. Not part of the public interface: it changes whenever the derives do.

pub use std::option::Option::{self, None, Some};
pub use std::result::Result;
pub use std::string::String;
pub use std::vec::Vec;

pub use chrono::{DateTime, Utc};

pub use crate::entity::{EntityInfo, EntityOf, Schema, Syncable, Timestamp, Timestamped};
pub use crate::handler::{OnConflict, OnPull};
pub use crate::record::{IdError, RecordRef};
pub use crate::rim::Registry;
pub use crate::strategy::{self, Mergeable, Strategy};

use crate::record::RecordKey;

/// What a type parameter of an entity has to be.
pub trait Part: serde::Serialize + serde::de::DeserializeOwned + Clone + Send + Sync + 'static {}

impl<P: serde::Serialize + serde::de::DeserializeOwned + Clone + Send + Sync + 'static> Part for P {}

/// Adds the record that a field marked `#[sync(references = …)]` names.
///
/// # Errors
/// When the id cannot name a record.
pub fn refer<T: Syncable>(id: &T::Id, references: &mut Vec<RecordRef>) -> Result<(), IdError> {
    references.push(RecordRef::new(T::ENTITY.entity_name(), RecordKey::of(id)?));
    Ok(())
}

/// Reads the field with the meaning of `updated_at`.
pub fn to_utc<F: Timestamp>(field: &F) -> DateTime<Utc> {
    field.to_utc()
}

/// Merges one field three-way: the side that changed it stands, and the server's where both did.
pub fn merge_field<F: PartialEq + Clone>(base: Option<&F>, local: &F, remote: &F) -> F {
    if base == Some(remote) { local.clone() } else { remote.clone() }
}

/// The entities that a record type refers to, as a list `(A, (B, ()))`: each has to be in the schema as well.
pub trait ReferencesIn<S> {}

impl<S> ReferencesIn<S> for () {}

impl<S, First: EntityOf<S>, Rest: ReferencesIn<S>> ReferencesIn<S> for (First, Rest) {}
