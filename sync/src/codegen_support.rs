//! What the derived code calls. Not part of the public interface: it changes whenever the derives do.

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

pub use crate::entity::{EntityInfo, EntityOf, Schema, Syncable, Timestamp, Timestamped};
pub use crate::handler::{OnConflict, OnPull};
pub use crate::record::{IdError, RecordRef};
pub use crate::rim::Registry;
pub use crate::strategy::{self, Mergeable, Strategy};

use crate::entity::EntityId;
use crate::record::{EntityName, RecordKey};

/// Adds the record that a field marked `#[sync(references = …)]` names.
///
/// # Errors
/// When the id cannot name a record.
pub fn refer<I: EntityId>(
    entity: &'static str,
    id: &I,
    references: &mut Vec<RecordRef>,
) -> Result<(), IdError> {
    references.push(RecordRef::new(EntityName::new(entity), RecordKey::of(id)?));
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
