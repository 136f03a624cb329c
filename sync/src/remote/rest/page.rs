//! A page of changes: cut into items without copying and without building JSON values.

use std::fmt;

use bytes::Bytes;
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::dialect::{Dialect, PullDialect};
use super::members::{NameOf, RecordMembers, kind, slice_of, with_article};
use super::version;
use crate::BoxError;
use crate::entity::EntityInfo;
use crate::remote::{Page, PageItem, Position, PullRequest};
use crate::storage::Cursor;

/// A page may have as many items as were asked for, and more as long as they could have this size on average: what is
/// kept beside an item's text must not grow out of proportion to the body's limit.
const SMALLEST_ITEM: usize = 64;

/// A longer cursor does not fit into a URL that servers take.
const LONGEST_CURSOR: usize = 4096;

/// Why a body is no page.
#[derive(Debug)]
pub(super) struct NoPage {
    /// What was expected and what came.
    pub(super) reason: String,
    /// What the parser said.
    pub(super) source: Option<BoxError>,
}

/// Reads a page. `max_bytes` is the limit that the body was read with.
pub(super) fn decode(
    body: &Bytes,
    request: &PullRequest,
    dialect: &Dialect,
    max_bytes: usize,
) -> Result<Page, NoPage> {
    let limit = usize::try_from(request.limit).unwrap_or(usize::MAX).max(1);
    let most = limit.max(max_bytes / SMALLEST_ITEM);
    match body.trim_ascii_start().first() {
        Some(b'{') => {}
        Some(b'[') => return Err(wrong(&dialect.pull, "it is a bare list")),
        Some(_) => return Err(wrong(&dialect.pull, "it is no JSON object")),
        None => return Err(wrong(&dialect.pull, "the body is empty")),
    }
    let mut parser = serde_json::Deserializer::from_slice(body);
    let envelope = EnvelopeSeed { body, entity: request.entity, dialect, most };
    let envelope = envelope.deserialize(&mut parser).and_then(|envelope| parser.end().map(|()| envelope));
    let envelope = envelope.map_err(|error| NoPage {
        reason: format!("expected {}; {error}", shape(&dialect.pull)),
        source: Some(error.into()),
    })?;
    let names = &dialect.pull;
    let Some(items) = envelope.items else {
        return Err(wrong(names, &format!("there is no member `{}`", names.items_member)));
    };
    let has_more = match envelope.has_more {
        None => None,
        Some(value) if kind(value) == "null" => None,
        Some(value) if kind(value) == "boolean" => Some(value.get() == "true"),
        Some(value) => {
            let found = with_article(kind(value));
            return Err(wrong(names, &format!("`{}` is {found}, expected a boolean", names.has_more_member)));
        }
    };
    // A server that does not say whether there is more has more when the page is as long as it was asked to be.
    let has_more = has_more.unwrap_or(items.len() >= limit);
    let position = match cursor(envelope.cursor, names)? {
        Some(cursor) => Position::Cursor { cursor, has_more },
        None => Position::NewestItem { full: has_more },
    };
    Ok(Page { items, position })
}

fn cursor(member: Option<&RawValue>, names: &PullDialect) -> Result<Option<Cursor>, NoPage> {
    let Some(value) = member.filter(|value| kind(value) != "null") else {
        return Ok(None);
    };
    let name = &names.cursor_member;
    if kind(value) != "string" {
        return Err(wrong(names, &format!("`{name}` is {}, expected a string", with_article(kind(value)))));
    }
    let text: String = serde_json::from_str(value.get()).map_err(|error| {
        let no_page = wrong(names, &format!("`{name}` is no text"));
        NoPage { source: Some(error.into()), ..no_page }
    })?;
    if text.len() > LONGEST_CURSOR {
        return Err(wrong(names, &format!("`{name}` has more than {LONGEST_CURSOR} bytes")));
    }
    Ok(Some(Cursor::new(text)))
}

fn wrong(names: &PullDialect, found: &str) -> NoPage {
    NoPage { reason: format!("expected {}; {found}", shape(names)), source: None }
}

fn shape(names: &PullDialect) -> String {
    let PullDialect { items_member, cursor_member, has_more_member, .. } = names;
    format!(
        "a page `{{\"{items_member}\": […], \"{cursor_member}\": \"…\", \"{has_more_member}\": true or false}}`"
    )
}

struct Envelope<'de> {
    items: Option<Vec<PageItem>>,
    cursor: Option<&'de RawValue>,
    has_more: Option<&'de RawValue>,
}

#[derive(Clone, Copy)]
struct EnvelopeSeed<'s> {
    body: &'s Bytes,
    entity: &'static EntityInfo,
    dialect: &'s Dialect,
    most: usize,
}

impl<'de> DeserializeSeed<'de> for EnvelopeSeed<'_> {
    type Value = Envelope<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for EnvelopeSeed<'_> {
    type Value = Envelope<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let pull = &self.dialect.pull;
        let names: [&str; 3] = [&pull.items_member, &pull.cursor_member, &pull.has_more_member];
        let mut envelope = Envelope { items: None, cursor: None, has_more: None };
        while let Some(place) = map.next_key_seed(NameOf(&names))? {
            match place {
                Some(0) => envelope.items = Some(map.next_value_seed(ItemsSeed(self))?),
                Some(1) => envelope.cursor = Some(map.next_value()?),
                Some(_) => envelope.has_more = Some(map.next_value()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(envelope)
    }
}

struct ItemsSeed<'s>(EnvelopeSeed<'s>);

impl<'de> DeserializeSeed<'de> for ItemsSeed<'_> {
    type Value = Vec<PageItem>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        // Not `deserialize_seq`, whose error for a string quotes it.
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ItemsSeed<'_> {
    type Value = Vec<PageItem>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list under `{}`", self.0.dialect.pull.items_member)
    }

    /// Says what is wrong without quoting the text: the user's data does not belong into messages.
    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(E::custom(format!("`{}` is a string, expected a list", self.0.dialect.pull.items_member)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let EnvelopeSeed { body, entity, dialect, most } = self.0;
        let mut items = Vec::new();
        while let Some(value) = list.next_element::<&RawValue>()? {
            if items.len() == most {
                return Err(A::Error::custom(format!(
                    "the list has more than {most} items; let the server send pages, or raise `max_response_bytes`"
                )));
            }
            items.push(item(body, value, entity, dialect));
        }
        Ok(items)
    }
}

/// What an item of a page is.
fn item(body: &Bytes, value: &RawValue, entity: &EntityInfo, dialect: &Dialect) -> PageItem {
    let json = slice_of(body, value);
    let unreadable = |reason: String| PageItem::Unreadable { body: slice_of(body, value), reason };
    if kind(value) != "object" {
        return unreadable(format!("it is {}, expected an object", with_article(kind(value))));
    }
    let members = match RecordMembers::of(value.get().as_bytes(), entity, &dialect.record) {
        Ok(members) => members,
        Err(error) => return unreadable(error.to_string()),
    };
    let id = match members.id {
        Ok(id) => id,
        Err(reason) => return unreadable(reason),
    };
    match members.deleted.map(RawValue::get) {
        Some("true") => PageItem::Tombstone { id: slice_of(body, id) },
        None | Some("false" | "null") => {
            PageItem::Record { version: version::from_member(members.version), body: json }
        }
        // Taken for a record, it might come back to life.
        Some(_) => unreadable(format!("its `{}` is neither true nor false", dialect.record.deleted_member)),
    }
}
