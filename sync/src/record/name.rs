//! What records and operations are called.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The stable storage name of an entity, such as `Note`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EntityName(Cow<'static, str>);

impl EntityName {
    /// A name that is known when the program is compiled.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// A name that was read from a storage.
    #[must_use]
    pub fn from_stored(name: String) -> Self {
        Self(Cow::Owned(name))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EntityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of a record as text: what stands in the storage and, percent-encoded, in the URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct RecordKey(Arc<str>);

/// An id that cannot name a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// The id is empty, so its URL would be the endpoint itself.
    #[error("the id is empty")]
    Empty,
    /// The id is `.` or `..`, which every URL parser takes for a path step, percent-encoded or not (WHATWG URL,
    /// section 4.4), so that the request would reach another address.
    #[error("the id `{0}` cannot be part of a URL's path, because `.` and `..` mean a folder there")]
    PathStep(String),
    /// The id is no scalar, or a string could not be read back as the id's type.
    #[error(
        "the id does not fit its type, which has to be a string, a UUID, an integer of up to 64 bits, or a newtype of one: {0}"
    )]
    NotScalar(String),
}

impl RecordKey {
    /// Takes over an id's text.
    ///
    /// # Errors
    /// [`IdError::Empty`] and [`IdError::PathStep`].
    pub fn new(text: impl Into<Arc<str>>) -> Result<Self, IdError> {
        let text: Arc<str> = text.into();
        match &*text {
            "" => Err(IdError::Empty),
            "." | ".." => Err(IdError::PathStep(text.to_string())),
            _ => Ok(Self(text)),
        }
    }

    /// The text of a typed id.
    ///
    /// # Errors
    /// When the id is empty, a path step, or no scalar.
    pub fn of<I: Serialize>(id: &I) -> Result<Self, IdError> {
        Self::new(serde_plain::to_string(id).map_err(|error| IdError::NotScalar(error.to_string()))?)
    }

    /// Reads the typed id back.
    ///
    /// # Errors
    /// [`IdError::NotScalar`] when the text is none of the type's ids.
    pub fn to_id<I: DeserializeOwned>(&self) -> Result<I, IdError> {
        serde_plain::from_str(&self.0).map_err(|error| IdError::NotScalar(error.to_string()))
    }

    /// The id's text, not encoded in any way.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RecordKey {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// Which record: an entity and an id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RecordRef {
    /// The entity.
    pub entity: EntityName,
    /// The record's id.
    pub key: RecordKey,
}

impl RecordRef {
    /// Names a record.
    #[must_use]
    pub fn new(entity: EntityName, key: RecordKey) -> Self {
        Self { entity, key }
    }
}

impl fmt::Display for RecordRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.entity, self.key)
    }
}

/// The id of an operation: a UUIDv7, and the `Idempotency-Key` of each attempt to send it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OperationId(Uuid);

impl OperationId {
    /// Takes a UUID over.
    #[must_use]
    pub const fn from_uuid(id: Uuid) -> Self {
        Self(id)
    }

    /// The UUID.
    #[must_use]
    pub const fn as_uuid(&self) -> &Uuid {
        &self.0
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for OperationId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A record's version as its server names it: the opaque part of a strong `ETag` (RFC 9110, section 8.8.3),
/// without the quotes. Versions are only ever compared for equality.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(Arc<str>);

impl Version {
    /// Takes a version over.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The version as text, without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The account whose credentials the queue belongs to. Records, queue and cursors of one principal are never
/// seen, and never sent, under another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Principal(Arc<str>);

impl Principal {
    /// Names an account. Take something that never changes, such as the server's user id; no secret.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The account's name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for Principal {
    /// The only account of a program that knows of no accounts: the empty name.
    fn default() -> Self {
        Self::new("")
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
