//! The members of an object as they are written.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A text that is borrowed where it has no escapes.
#[derive(PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct RawText<'a>(#[serde(borrow)] pub(super) Cow<'a, str>);

impl RawText<'_> {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Of the same order as the text: a name is found by it.
impl Borrow<str> for RawText<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// By their names; what they hold need not be readable.
pub(crate) type RawMembers<'a> = BTreeMap<RawText<'a>, &'a RawValue>;

/// The members of an object; `None` of what is none.
pub(crate) fn raw_members(object: &[u8]) -> Option<RawMembers<'_>> {
    serde_json::from_slice(object).ok()
}

/// One of them.
pub(crate) fn raw_member<'a>(object: &'a [u8], member: &str) -> Option<&'a str> {
    raw_members(object)?.get(member).map(|value| value.get())
}
