//! Stored records of an earlier version of the program.

use serde::de::DeserializeOwned;

use crate::BoxError;
use crate::record::Payload;

/// A record that an earlier version of the program stored: what `#[sync(version = …, upgrade = …)]` is given.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// use sync::{BoxError, Outdated, Syncable};
///
/// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
/// #[sync(endpoint = "/people", conflict = ServerWins, version = 2, upgrade = upgrade)]
/// struct Person { id: String, given: String, family: String }
///
/// /// As it was in version 1.
/// #[derive(Deserialize)]
/// struct Named { id: String, name: String }
///
/// fn upgrade(stored: Outdated<'_>) -> Result<Person, BoxError> {
///     let Named { id, name } = stored.read()?; // there is only version 1 before this
///     let (given, family) = name.split_once(' ').unwrap_or((&name, ""));
///     Ok(Person { id, given: given.into(), family: family.into() })
/// }
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Outdated<'a> {
    payload: &'a Payload,
}

impl<'a> Outdated<'a> {
    pub(crate) fn new(payload: &'a Payload) -> Self {
        Self { payload }
    }

    /// The version that stored it: less than the entity's. What was stored before there was a version has 1.
    #[must_use]
    pub fn version(self) -> u32 {
        self.payload.version()
    }

    /// Reads it as the type that it was then.
    ///
    /// # Errors
    /// When it has not the type's shape.
    pub fn read<T: DeserializeOwned>(self) -> Result<T, BoxError> {
        Ok(self.payload.decode()?)
    }

    /// Its JSON.
    #[must_use]
    pub fn as_json(self) -> &'a str {
        self.payload.as_str()
    }
}
