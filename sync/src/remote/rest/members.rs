//! Looking at a few members of a JSON object, or at the items of a list, without building the rest.
//!
//! Everything else is skipped by `serde_json`'s scanner, which does not recurse: JSON that is nested a million levels deep
//! costs no stack.

use std::fmt;

use bytes::Bytes;
use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::dialect::{RecordDialect, Tombstone};
use crate::entity::EntityInfo;
use crate::record::raw_members;

/// Picks members of an object by name, each as the text that it is.
pub(super) fn pick<'de, const N: usize>(
    json: &'de [u8],
    names: [&str; N],
) -> serde_json::Result<[Option<&'de RawValue>; N]> {
    let mut parser = serde_json::Deserializer::from_slice(json);
    let found = parser.deserialize_map(Picker { names })?;
    parser.end()?;
    Ok(found)
}

struct Picker<'n, const N: usize> {
    names: [&'n str; N],
}

impl<'de, const N: usize> Visitor<'de> for Picker<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; N];
        while let Some(place) = map.next_key_seed(NameOf(&self.names))? {
            match place {
                Some(place) => found[place] = Some(map.next_value()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

/// Reads a member's name as its place among names, without keeping it.
pub(super) struct NameOf<'n>(pub(super) &'n [&'n str]);

impl<'de> DeserializeSeed<'de> for NameOf<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for NameOf<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member's name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.iter().position(|wanted| *wanted == name))
    }
}

/// Goes through the items of a list, with their places, and keeps none: what is kept beside an item's text may be many times as large.
fn each_item<'de>(json: &'de [u8], look: impl FnMut(usize, &'de RawValue)) -> serde_json::Result<()> {
    let mut parser = serde_json::Deserializer::from_slice(json);
    parser.deserialize_seq(EachItem(look))?;
    parser.end()
}

struct EachItem<F>(F);

impl<'de, F: FnMut(usize, &'de RawValue)> Visitor<'de> for EachItem<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        let mut place = 0;
        while let Some(item) = list.next_element()? {
            (self.0)(place, item);
            place += 1;
        }
        Ok(())
    }
}

/// The items of a list that has so many at most; `None` for anything else.
pub(super) fn items(json: &[u8], most: usize) -> Option<Vec<&RawValue>> {
    let (mut items, mut is_longer) = (Vec::new(), false);
    each_item(json, |place, item| if place < most { items.push(item) } else { is_longer = true }).ok()?;
    (!is_longer).then_some(items)
}

/// What the protocol has to know of a record or a tombstone.
pub(super) struct RecordMembers<'a> {
    /// The id, a string or a number; or why there is none.
    pub(super) id: Result<&'a RawValue, String>,
    /// What stands under the dialect's name for it.
    pub(super) deleted: Option<&'a RawValue>,
    /// What stands under the dialect's name for it.
    pub(super) version: Option<&'a RawValue>,
}

/// Whether a record exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Exists,
    Deleted,
    /// Its mark is none that the dialect knows. Taken for a record, it might come back to life.
    Unclear,
}

/// Why an item is taken for neither a record nor a tombstone.
pub(super) fn unclear_life(dialect: &RecordDialect) -> String {
    let mark = dialect.tombstone.member().unwrap_or_default();
    format!("its `{mark}` is neither true nor false")
}

impl RecordMembers<'_> {
    /// Reads the mark of a tombstone.
    pub(super) fn life(&self, dialect: &RecordDialect) -> Life {
        match (&dialect.tombstone, self.deleted.map(RawValue::get)) {
            (Tombstone::Nothing, _) | (_, None | Some("null")) | (Tombstone::True(_), Some("false")) => {
                Life::Exists
            }
            (Tombstone::True(_), Some("true")) | (Tombstone::Present(_), Some(_)) => Life::Deleted,
            (Tombstone::True(_), Some(_)) => Life::Unclear,
        }
    }
}

impl<'a> RecordMembers<'a> {
    /// Reads an object.
    pub(super) fn of(
        json: &'a [u8],
        entity: &EntityInfo,
        dialect: &RecordDialect,
    ) -> serde_json::Result<Self> {
        // An empty name is no member's that anybody would choose, and the first place wins among equal names.
        let [tombstone, version] = [dialect.tombstone.member(), dialect.version.member()];
        let names = [
            entity.id_member,
            &dialect.id_member,
            tombstone.unwrap_or_default(),
            version.unwrap_or_default(),
        ];
        let [own, fallback, told_deleted, told_version] = pick(json, names)?;
        let id = id_of(own.or(fallback), entity, dialect);
        Ok(Self {
            id,
            deleted: told_deleted.filter(|_| tombstone.is_some()),
            version: told_version.filter(|_| version.is_some()),
        })
    }
}

fn id_of<'a>(
    id: Option<&'a RawValue>,
    entity: &EntityInfo,
    dialect: &RecordDialect,
) -> Result<&'a RawValue, String> {
    let Some(id) = id else {
        let (own, other) = (entity.id_member, &dialect.id_member);
        return Err(if own == other {
            format!("it has no id: no member `{own}`")
        } else {
            format!("it has no id: no member `{own}` or `{other}`")
        });
    };
    match kind(id) {
        "string" if id.get() == "\"\"" => Err("its id is empty".to_owned()),
        "string" | "number" => Ok(id),
        kind => Err(format!("its id is {}, expected a string or an integer", with_article(kind))),
    }
}

/// What stands at the end of a path; `None` when there is nothing.
pub(super) fn descend<'j>(json: &'j RawValue, path: &[String]) -> Option<&'j RawValue> {
    let Some((first, rest)) = path.split_first() else { return Some(json) };
    let inner = if kind(json) == "array" {
        let index = index(first)?;
        let mut found = None;
        let look = |place, item| {
            if place == index {
                found = Some(item);
            }
        };
        each_item(json.get().as_bytes(), look).ok()?;
        found?
    } else {
        let [member] = pick(json.get().as_bytes(), [first]).ok()?;
        member?
    };
    descend(inner, rest)
}

/// The place in a list that a step of a path means, if it can mean one.
pub(super) fn index(step: &str) -> Option<usize> {
    step.parse().ok()
}

/// A string, or an integer as it is written; anything else is no name, number or version.
pub(super) fn scalar(json: &RawValue) -> Option<String> {
    let text = json.get();
    if text.starts_with('"') {
        return serde_json::from_str(text).ok();
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    integer.then(|| text.to_owned())
}

/// The part of a body that a value stands in, sharing its memory.
pub(super) fn slice_of(body: &Bytes, value: &RawValue) -> Bytes {
    body.slice_ref(value.get().as_bytes())
}

/// What kind of JSON value it is.
pub(super) fn kind(value: &RawValue) -> &'static str {
    match value.get().as_bytes().first() {
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b'"') => "string",
        Some(b't' | b'f') => "boolean",
        Some(b'n') => "null",
        _ => "number",
    }
}

/// What a value is, for people: an envelope by its members' names, none of the values. The names in a larger object may be what somebody
/// wrote: a map in the record.
pub(super) fn outline(value: &RawValue) -> String {
    const ENVELOPE: usize = 3;
    const LONGEST_NAME: usize = 32;
    let Some(members) = raw_members(value.get().as_bytes()) else { return with_article(kind(value)) };
    let short = |name: &str| format!("{:?}: …", name.chars().take(LONGEST_NAME).collect::<String>());
    if members.len() > ENVELOPE {
        return format!("an object with {} members", members.len());
    }
    let names: Vec<_> = members.keys().map(|name| short(name.as_str())).collect();
    format!("`{{{}}}`", names.join(", "))
}

/// A kind in a sentence.
pub(super) fn with_article(kind: &str) -> String {
    match kind {
        "null" => kind.to_owned(),
        "object" | "array" => format!("an {kind}"),
        _ => format!("a {kind}"),
    }
}
