//! A record's JSON text, kept as it is, and which version of the entity's struct wrote it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::Rules;
use super::canonical::Canonical;
use super::content::Content;
use crate::misfit::{self, Misfit};

/// The JSON text of one record, checked to be JSON and otherwise untouched. Cloning shares the text.
///
/// It is stored as it is, unless a later version of the entity's struct than the first wrote it: then as
/// `{"sync:version":2,"record":…}`.
#[derive(Clone)]
pub struct Payload {
    text: Arc<RawValue>,
    version: u32,
}

/// The version of a struct that says nothing of versions.
const FIRST: u32 = 1;

/// How a payload begins that is not stored as it is.
const MARK: &str = "{\"sync:version\":";

/// A payload with its version, as it is stored.
#[derive(Serialize, Deserialize)]
struct Marked<'a> {
    #[serde(rename = "sync:version")]
    version: u32,
    #[serde(borrow)]
    record: &'a RawValue,
}

impl Payload {
    /// The JSON of a value: the same one each time, also of one that holds a `HashSet` or a `HashMap`, which are written in the order of
    /// the JSON of what they hold; but for the members of a map under serde's `flatten`, which come one by one.
    ///
    /// # Errors
    /// When the type's `Serialize` fails, for instance on a map whose keys are no strings; and for a number that JSON does not have: NaN
    /// or an infinity.
    pub fn encode<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Self> {
        serde_json::value::to_raw_value(&Canonical::new(value)).map(Self::first)
    }

    fn first(text: Box<RawValue>) -> Self {
        Self { text: text.into(), version: FIRST }
    }

    /// Says which version of the entity's struct this is a record of.
    #[must_use]
    pub fn of_version(self, version: u32) -> Self {
        Self { version, ..self }
    }

    /// The version of the entity's struct that wrote it.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// The text to store, which says the version as well.
    ///
    /// # Errors
    /// None that is known: text that is JSON can be written into JSON.
    pub fn to_stored(&self) -> serde_json::Result<Cow<'_, str>> {
        let text = self.as_str();
        if self.version == FIRST && !text.starts_with(MARK) {
            return Ok(Cow::Borrowed(text));
        }
        serde_json::to_string(&Marked { version: self.version, record: &self.text }).map(Cow::Owned)
    }

    /// Reads what [`to_stored`](Self::to_stored) wrote.
    ///
    /// # Errors
    /// When the text is not one JSON value.
    pub fn from_stored(text: &str) -> serde_json::Result<Self> {
        if !text.starts_with(MARK) {
            return Self::from_json(text);
        }
        let Marked { version, record } = serde_json::from_str(text)?;
        Ok(Self { text: record.to_owned().into(), version })
    }

    /// Takes JSON text over.
    ///
    /// # Errors
    /// When the text is not one JSON value.
    pub fn from_json(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str::<Box<RawValue>>(text).map(Self::first)
    }

    /// Reads the text as a type.
    ///
    /// # Errors
    /// When the text does not have the type's shape.
    pub fn decode<T: DeserializeOwned>(&self) -> Result<T, Misfit> {
        misfit::read(self.as_str().as_bytes())
    }

    /// The JSON text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.text.get()
    }

    /// Whether two records say the same: equal as JSON, whatever the order of their members and of what a set holds, and leaving out
    /// the member that carries `updated_at`, which servers like to set themselves, and members that are `null`, which is as good as absent.
    /// What differs is compared once more as this version of the program writes it, which has every set in one order.
    #[must_use]
    pub fn same_content(&self, other: &Self, rules: &Rules) -> bool {
        let reread = |reread: fn(&Self) -> Option<Self>| Some(reread(self)?.says(&reread(other)?, rules));
        self.says(other, rules) || rules.reread.and_then(reread).unwrap_or(false)
    }

    /// This record with what an edit changed, which made `after` of `before`: each member, at whatever depth, that differs between the two
    /// is as in `after`, and the others stay. `None` when one of the three is no object.
    pub(crate) fn with_changes(&self, before: &Self, after: &Self, rules: &Rules) -> Option<Self> {
        let text = with_changes(&self.text, &before.text, &after.text, rules.unordered)?;
        Some(Self { text: text.into(), version: self.version })
    }

    /// Whether the program's own type writes members, at whatever depth, that this record has not: its `upgrade`, or serde's default, makes
    /// them up.
    pub(crate) fn is_made_up(&self, rules: &Rules) -> bool {
        let Some(written) = rules.written(self) else { return false };
        match (Content::of(&self.text), Content::of(&written.text)) {
            (Some(stored), Some(written)) => !stored.has_the_members_of(&written),
            _ => false,
        }
    }

    fn says(&self, other: &Self, rules: &Rules) -> bool {
        if self.as_str() == other.as_str() {
            return true;
        }
        let (mut mine, mut theirs) = match (Content::of(&self.text), Content::of(&other.text)) {
            (Some(Content::Members(mine)), Some(Content::Members(theirs))) => (mine, theirs),
            (Some(mine), Some(theirs)) => return mine == theirs,
            _ => return false,
        };
        for members in [&mut mine, &mut theirs] {
            members.retain(|name, value| {
                Some(&**name) != rules.updated_at_member && *value != Content::Word("null")
            });
        }
        mine.len() == theirs.len()
            && mine.iter().zip(&theirs).all(|((name, mine), (other, theirs))| {
                let is_set = rules.unordered.contains(&&**name);
                name == other && if is_set { mine.holds_the_same(theirs) } else { mine == theirs }
            })
    }
}

/// An object with what was changed, which made `after` of `before`.
fn with_changes(
    object: &RawValue,
    before: &RawValue,
    after: &RawValue,
    unordered: &[&str],
) -> Option<Box<RawValue>> {
    let members = |object: &RawValue| -> Option<BTreeMap<String, Box<RawValue>>> {
        serde_json::from_str(object.get()).ok()
    };
    let (mut merged, before, after) = (members(object)?, members(before)?, members(after)?);
    let is_same = |name: &str, mine: &RawValue, other: &RawValue| {
        let (Some(mine), Some(other)) = (Content::of(mine), Content::of(other)) else { return false };
        if unordered.contains(&name) { mine.holds_the_same(&other) } else { mine == other }
    };
    for (name, value) in &after {
        let known = before.get(name);
        if known.is_some_and(|known| is_same(name, known, value)) {
            continue;
        }
        let inside =
            merged.get(name).zip(known).and_then(|(mine, known)| with_changes(mine, known, value, &[]));
        merged.insert(name.clone(), inside.unwrap_or_else(|| value.clone()));
    }
    merged.retain(|name, _| after.contains_key(name) || !before.contains_key(name));
    serde_json::value::to_raw_value(&merged).ok()
}

impl fmt::Debug for Payload {
    /// Shows the size only: payloads are the user's data and do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.as_str().len())
    }
}

/// Equal in text and version: the same text of another version may be another record, or none that can be read.
impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        (self.as_str(), self.version) == (other.as_str(), other.version)
    }
}

impl Eq for Payload {}

impl Hash for Payload {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.as_str(), self.version).hash(state);
    }
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stored = self.to_stored().map_err(serde::ser::Error::custom)?;
        match stored {
            Cow::Borrowed(_) => self.text.serialize(serializer),
            Cow::Owned(text) => {
                RawValue::from_string(text).map_err(serde::ser::Error::custom)?.serialize(serializer)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        if text.get().starts_with(MARK) {
            return Self::from_stored(text.get()).map_err(serde::de::Error::custom);
        }
        Ok(Self::first(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(payload: &Payload) -> Payload {
        let stored = payload.to_stored().expect("it can be stored");
        let inside = serde_json::to_string(&[payload]).expect("it can be part of JSON");
        assert_eq!(inside, format!("[{stored}]"));
        let [read]: [Payload; 1] = serde_json::from_str(&inside).expect("it can be read inside of JSON");
        let again = Payload::from_stored(&stored).expect("it can be read");
        assert_eq!(read, again);
        again
    }

    #[test]
    fn the_first_version_is_stored_as_it_is() {
        let payload = Payload::from_json("{\"b\": 1.50}").expect("it is JSON");
        assert_eq!(payload.to_stored().expect("it can be stored"), "{\"b\": 1.50}");
        assert_eq!((round(&payload).as_str(), round(&payload).version()), ("{\"b\": 1.50}", 1));
    }

    #[test]
    fn a_later_version_is_stored_with_its_number() {
        let payload = Payload::from_json("{\"b\": 1.50}").expect("it is JSON").of_version(3);
        assert_eq!(
            payload.to_stored().expect("it can be stored"),
            "{\"sync:version\":3,\"record\":{\"b\": 1.50}}"
        );
        assert_eq!((round(&payload).as_str(), round(&payload).version()), ("{\"b\": 1.50}", 3));
    }

    #[test]
    fn the_same_text_of_another_version_is_another_payload() {
        let payload = Payload::from_json("{\"b\": 1.50}").expect("it is JSON");
        assert_ne!(payload.clone().of_version(2), payload);
        assert!(payload.clone().of_version(2).same_content(&payload, &Rules::default()), "it says the same");
    }

    #[test]
    fn a_record_that_looks_like_a_stored_one_is_told_apart() {
        let text = "{\"sync:version\":7,\"record\":null}";
        let payload = Payload::from_json(text).expect("it is JSON");
        assert_eq!((round(&payload).as_str(), round(&payload).version()), (text, 1));
    }
}
