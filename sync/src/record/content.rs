//! What a record says, to be compared: as JSON, whatever the order of members, with numbers as they are written.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::raw::{RawText, raw_members};

/// Deeper than serde's JSON goes.
const DEPTH: u32 = 128;

/// A JSON value. (`serde_json::Value` holds integers of more than 64 bits as floats, of which two that differ are the same.)
#[derive(PartialEq)]
pub(super) enum Content<'a> {
    /// `null`, `true`, `false`.
    Word(&'a str),
    Number(Number<'a>),
    Text(Cow<'a, str>),
    List(Vec<Content<'a>>),
    Members(Members<'a>),
}

pub(super) type Members<'a> = BTreeMap<Cow<'a, str>, Content<'a>>;

/// A number, as it is written.
pub(super) struct Number<'a>(&'a str);

impl PartialEq for Number<'_> {
    fn eq(&self, other: &Self) -> bool {
        let is_whole = |text: &str| !text.contains(['.', 'e', 'E']);
        let float = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
        self.0 == other.0
            || (!is_whole(self.0)
                && !is_whole(other.0)
                && float(self.0).is_some_and(|mine| Some(mine) == float(other.0)))
    }
}

impl<'a> Content<'a> {
    /// `None` for what is nested too deep, and for a number that nothing can hold: nothing is known of what it says.
    pub(super) fn of(json: &'a RawValue) -> Option<Self> {
        Self::below(json, 0)
    }

    fn below(json: &'a RawValue, depth: u32) -> Option<Self> {
        let text = json.get();
        if depth == DEPTH {
            return None;
        }
        Some(match text.as_bytes().first()? {
            b'{' => {
                let read = |(RawText(name), value)| Some((name, Self::below(value, depth + 1)?));
                Self::Members(raw_members(text.as_bytes())?.into_iter().map(read).collect::<Option<_>>()?)
            }
            b'[' => {
                let elements: Vec<&'a RawValue> = serde_json::from_str(text).ok()?;
                let read = |element| Self::below(element, depth + 1);
                Self::List(elements.into_iter().map(read).collect::<Option<_>>()?)
            }
            b'"' => Self::Text(serde_json::from_str::<RawText<'a>>(text).ok()?.0),
            b'n' | b't' | b'f' => Self::Word(text),
            _ => {
                text.parse::<f64>().ok().filter(|number| number.is_finite())?;
                Self::Number(Number(text))
            }
        })
    }

    /// Whether each member of the other one, at whatever depth, has its like here.
    pub(super) fn has_the_members_of(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Members(mine), Self::Members(theirs)) => theirs
                .iter()
                .all(|(name, theirs)| mine.get(name).is_some_and(|mine| mine.has_the_members_of(theirs))),
            (Self::List(mine), Self::List(theirs)) => {
                mine.iter().zip(theirs).all(|(mine, theirs)| mine.has_the_members_of(theirs))
            }
            _ => true,
        }
    }

    /// Whether two lists hold the same, in whatever order each; of what is no list, whether it is the same.
    pub(super) fn holds_the_same(&self, other: &Self) -> bool {
        let (Self::List(mine), Self::List(theirs)) = (self, other) else { return self == other };
        let mut left: Vec<_> = theirs.iter().collect();
        mine.len() == theirs.len()
            && mine.iter().all(|element| {
                let place = left.iter().position(|other| *other == element);
                place.map(|place| left.swap_remove(place)).is_some()
            })
    }
}
