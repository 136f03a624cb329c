//! A record's JSON text, kept as it is.

use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Rules;

/// The JSON text of one record, checked to be JSON and otherwise untouched. Cloning shares the text.
#[derive(Clone)]
pub struct Payload(Arc<RawValue>);

impl Payload {
    /// The JSON of a value.
    ///
    /// # Errors
    /// When the type's `Serialize` fails, for instance on a map whose keys are no strings.
    pub fn encode<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Self> {
        serde_json::value::to_raw_value(value).map(|raw| Self(raw.into()))
    }

    /// Takes JSON text over.
    ///
    /// # Errors
    /// When the text is not one JSON value.
    pub fn from_json(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str::<Box<RawValue>>(text).map(|raw| Self(raw.into()))
    }

    /// Reads the text as a type.
    ///
    /// # Errors
    /// When the text does not have the type's shape.
    pub fn decode<T: DeserializeOwned>(&self) -> serde_json::Result<T> {
        serde_json::from_str(self.as_str())
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Whether two records say the same: equal as JSON, whatever the order of their members, and leaving out
    /// the member that carries `updated_at`, which servers like to set themselves.
    #[must_use]
    pub fn same_content(&self, other: &Self, rules: &Rules) -> bool {
        if self.as_str() == other.as_str() {
            return true;
        }
        let comparable = |payload: &Self| {
            let mut value: Value = payload.decode().ok()?;
            if let (Value::Object(members), Some(name)) = (&mut value, rules.updated_at_member) {
                members.remove(name);
            }
            Some(value)
        };
        comparable(self).is_some_and(|mine| Some(mine) == comparable(other))
    }
}

impl fmt::Debug for Payload {
    /// Shows the size only: payloads are the user's data and do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.as_str().len())
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Payload {}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(deserializer).map(|raw| Self(raw.into()))
    }
}
