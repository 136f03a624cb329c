//! A page of changes: cut into items without copying and without building JSON values.

use std::fmt;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::dialect::{CursorSource, Dialect, MemberPath, Paging, PullDialect, Template};
use super::members::{
    Life, NameOf, RecordMembers, descend, index, kind, pick, scalar, slice_of, unclear_life, with_article,
};
use super::paging::PageEnd;
use super::version;
use crate::BoxError;
use crate::entity::EntityInfo;
use crate::remote::{PageItem, PullRequest};

/// A page may have as many items as were asked for, and more as long as they could have this size on average: what is
/// kept beside an item's text must not grow out of proportion to the body's limit.
const SMALLEST_ITEM: usize = 64;

/// A longer cursor does not fit into a URL that servers take.
pub(crate) const LONGEST_CURSOR: usize = 4096;

/// Why a body is no page.
#[derive(Debug)]
pub(super) struct NoPage {
    /// What was expected and what came.
    pub(super) reason: String,
    /// What the parser said.
    pub(super) source: Option<BoxError>,
}

/// What a body holds of a page.
pub(super) struct Read {
    pub(super) items: Vec<PageItem>,
    /// What its members tell of its place; headers tell the rest.
    pub(super) end: PageEnd,
}

impl Read {
    /// The page past the end of a list.
    pub(super) fn nothing(request: &PullRequest) -> Self {
        Self { items: Vec::new(), end: PageEnd { limit: limit_of(request), ..PageEnd::default() } }
    }
}

/// How many items are asked for.
fn limit_of(request: &PullRequest) -> usize {
    usize::try_from(request.limit).unwrap_or(usize::MAX).max(1)
}

/// Reads a page. `max_bytes` is the limit that the body was read with.
pub(super) fn decode(
    body: &Bytes,
    request: &PullRequest,
    dialect: &Dialect,
    max_bytes: usize,
) -> Result<Read, NoPage> {
    let pull = &dialect.pull;
    let limit = limit_of(request);
    let is_in_a_list = pull.items.steps().first().is_some_and(|step| index(step).is_some());
    match (body.trim_ascii_start().first(), pull.items.is_whole()) {
        (Some(b'{'), false) | (Some(b'['), true) => {}
        (Some(b'['), false) if is_in_a_list => {}
        (Some(b'['), false) => return Err(wrong(pull, "it is a bare list")),
        (Some(_), false) => return Err(wrong(pull, "it is no JSON object")),
        (Some(_), true) => return Err(wrong(pull, "it is no JSON list")),
        (None, _) => return Err(wrong(pull, "the body is empty")),
    }
    let reading =
        Reading { body, entity: request.entity, dialect, most: limit.max(max_bytes / SMALLEST_ITEM) };
    let mut parser = serde_json::Deserializer::from_slice(body);
    let mut envelope = Envelope::default();
    let level = Level { reading, wanted: Wanted::all(pull), envelope: &mut envelope };
    level.deserialize(&mut parser).and_then(|()| parser.end()).map_err(|error| NoPage {
        reason: format!("expected {}; {error}", shape(pull)),
        source: Some(error.into()),
    })?;
    let Some(Items { items, texts }) = envelope.items else {
        return Err(wrong(pull, &format!("there is no member `{}`", pull.items)));
    };
    let mut end = PageEnd { items: items.len(), limit, ..PageEnd::default() };
    if let Paging::Cursor { more } = &pull.paging {
        end.more = boolean(envelope.more, more, pull)?;
    }
    let mut last = items.len().saturating_sub(1);
    match &pull.cursor {
        CursorSource::Member(path) => end.cursor = text(envelope.cursor, path, pull)?,
        CursorSource::LastItem(member) => {
            // What is no record and no deletion is kept aside, and the list goes on all the same.
            for (place, (item, text)) in items.iter().zip(&texts).enumerate().rev() {
                (last, end.cursor) = (place, key_of(text, member, request.entity));
                if end.cursor.is_some() || !matches!(item, PageItem::Unreadable { .. }) {
                    break;
                }
            }
        }
        CursorSource::Header(_) | CursorSource::Nothing => {}
    }
    if let Paging::Member(path) | Paging::Token { member: path, .. } = &pull.paging {
        end.next = text(envelope.next, path, pull)?.filter(|next| !next.is_empty());
    }
    if let (CursorSource::Member(_), None) = (&pull.cursor, &end.cursor) {
        end.times = texts.iter().filter_map(|text| changed_at(text, request.entity)).collect();
    }
    let told = if pull.may_shift() { &items[..] } else { items.get(last..=last).unwrap_or_default() };
    end.ids = told.iter().map(|item| id_of(item, request.entity, dialect)).collect();
    Ok(Read { items, end })
}

/// Refuses what would fill the storage and not fit into a URL.
pub(super) fn bounded(page: Read) -> Result<Read, NoPage> {
    for (what, text) in [("the cursor", &page.end.cursor), ("the address of the next page", &page.end.next)] {
        if text.as_ref().is_some_and(|text| text.len() > LONGEST_CURSOR) {
            return Err(NoPage {
                reason: format!("{what} has more than {LONGEST_CURSOR} bytes"),
                source: None,
            });
        }
    }
    Ok(page)
}

/// What the last item says of its place in the list's order.
fn key_of(last: &RawValue, member: &Template, entity: &EntityInfo) -> Option<String> {
    let member = member.fill(|place| match place {
        "updated_at" => entity.updated_at_member.map(Into::into),
        "id_member" => Some(entity.id_member.into()),
        _ => None,
    });
    let [value] = pick(last.get().as_bytes(), [&*member]).ok()?;
    scalar(value?)
}

/// When an item was changed, where it is told as a text: that of a record, or of a deletion.
fn changed_at(item: &RawValue, entity: &EntityInfo) -> Option<DateTime<Utc>> {
    let [time] = pick(item.get().as_bytes(), [entity.updated_at_member?]).ok()?;
    serde_json::from_str(time?.get()).ok()
}

fn id_of(item: &PageItem, entity: &EntityInfo, dialect: &Dialect) -> Option<String> {
    let id = |json: &[u8]| scalar(RecordMembers::of(json, entity, &dialect.record).ok()?.id.ok()?);
    match item {
        PageItem::Record { body, .. } | PageItem::Unreadable { body, .. } => id(body),
        PageItem::Tombstone { id } => scalar(serde_json::from_slice(id).ok()?),
    }
}

fn boolean(member: Option<&RawValue>, path: &MemberPath, pull: &PullDialect) -> Result<Option<bool>, NoPage> {
    match member {
        None => Ok(None),
        Some(value) if kind(value) == "null" => Ok(None),
        Some(value) if kind(value) == "boolean" => Ok(Some(value.get() == "true")),
        Some(value) => {
            let found = with_article(kind(value));
            Err(wrong(pull, &format!("`{path}` is {found}, expected a boolean")))
        }
    }
}

/// A cursor, an address or a token.
fn text(member: Option<&RawValue>, path: &MemberPath, pull: &PullDialect) -> Result<Option<String>, NoPage> {
    let Some(value) = member.filter(|value| kind(value) != "null") else {
        return Ok(None);
    };
    let Some(text) = scalar(value) else {
        if kind(value) == "string" {
            return Err(wrong(pull, &format!("`{path}` is no text")));
        }
        let found = with_article(kind(value));
        return Err(wrong(pull, &format!("`{path}` is {found}, expected a string or an integer")));
    };
    if text.len() > LONGEST_CURSOR {
        return Err(wrong(pull, &format!("`{path}` has more than {LONGEST_CURSOR} bytes")));
    }
    Ok(Some(text))
}

fn wrong(pull: &PullDialect, found: &str) -> NoPage {
    NoPage { reason: format!("expected {}; {found}", shape(pull)), source: None }
}

/// What the dialect says of a page, for people.
fn shape(pull: &PullDialect) -> String {
    let mut members = vec![format!("\"{}\": […]", pull.items)];
    if let CursorSource::Member(path) = &pull.cursor {
        members.push(format!("\"{path}\": \"…\""));
    }
    match &pull.paging {
        Paging::Cursor { more } if !more.is_whole() => members.push(format!("\"{more}\": true or false")),
        Paging::Member(path) | Paging::Token { member: path, .. } => {
            members.push(format!("\"{path}\": \"…\""));
        }
        _ => {}
    }
    if pull.items.is_whole() {
        "a page `[…]`".to_owned()
    } else {
        format!("a page `{{{}}}`", members.join(", "))
    }
}

/// What is taken from an answer.
#[derive(Default)]
struct Envelope<'de> {
    items: Option<Items<'de>>,
    cursor: Option<&'de RawValue>,
    more: Option<&'de RawValue>,
    next: Option<&'de RawValue>,
}

struct Items<'de> {
    items: Vec<PageItem>,
    /// Each of them as it is written.
    texts: Vec<&'de RawValue>,
}

/// What does not change while a page is read.
#[derive(Clone, Copy)]
struct Reading<'s> {
    body: &'s Bytes,
    entity: &'static EntityInfo,
    dialect: &'s Dialect,
    most: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Items,
    Cursor,
    More,
    Next,
}

/// A part of the answer, and the way that is left to it.
#[derive(Clone, Copy)]
struct Wanted<'s> {
    part: Part,
    way: &'s [String],
}

impl<'s> Wanted<'s> {
    fn all(pull: &'s PullDialect) -> Vec<Self> {
        let mut all = vec![Self { part: Part::Items, way: pull.items.steps() }];
        if let CursorSource::Member(path) = &pull.cursor {
            all.push(Self { part: Part::Cursor, way: path.steps() });
        }
        match &pull.paging {
            Paging::Cursor { more } if !more.is_whole() => {
                all.push(Self { part: Part::More, way: more.steps() });
            }
            Paging::Member(path) | Paging::Token { member: path, .. } => {
                all.push(Self { part: Part::Next, way: path.steps() });
            }
            _ => {}
        }
        all
    }
}

/// One level of the answer, with the parts that are in it.
struct Level<'s, 'e, 'de> {
    reading: Reading<'s>,
    wanted: Vec<Wanted<'s>>,
    envelope: &'e mut Envelope<'de>,
}

impl<'de> DeserializeSeed<'de> for Level<'_, '_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match &*self.wanted {
            [] => IgnoredAny::deserialize(deserializer).map(drop),
            [Wanted { part: Part::Items, way: [] }] => {
                self.envelope.items = Some(ItemsSeed(self.reading).deserialize(deserializer)?);
                Ok(())
            }
            [Wanted { part, way: [] }] => {
                let value = Some(<&RawValue>::deserialize(deserializer)?);
                match part {
                    Part::Cursor => self.envelope.cursor = value,
                    Part::More => self.envelope.more = value,
                    Part::Items | Part::Next => self.envelope.next = value,
                }
                Ok(())
            }
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'s, 'de> Visitor<'de> for Level<'s, '_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    // What the parser would say of these quotes them: the user's data does not belong into messages.
    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        Err(E::invalid_type(Unexpected::Other("a string"), &self))
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        Err(E::invalid_type(Unexpected::Other("a boolean"), &self))
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        Err(E::invalid_type(Unexpected::Other("a number"), &self))
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        Err(E::invalid_type(Unexpected::Other("a number"), &self))
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        Err(E::invalid_type(Unexpected::Other("a number"), &self))
    }

    /// What stands in place of an object tells nothing, as if its members were absent.
    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    /// Nor does a list, which is how PHP writes an object without members, but for those parts that are inside of it.
    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        for place in 0.. {
            if list.next_element_seed(self.inner(|step| index(step) == Some(place)))?.is_none() {
                break;
            }
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let names: Vec<&'s str> =
            self.wanted.iter().filter_map(|wanted| wanted.way.first().map(String::as_str)).collect();
        while let Some(place) = map.next_key_seed(NameOf(&names))? {
            let name = place.map(|place| names[place]);
            map.next_value_seed(self.inner(|step| name == Some(step)))?;
        }
        Ok(())
    }
}

impl<'s, 'de> Level<'s, '_, 'de> {
    /// What is one step further. Several parts may be there.
    fn inner(&mut self, is_there: impl Fn(&str) -> bool) -> Level<'s, '_, 'de> {
        let ahead = self.wanted.iter().filter_map(|wanted| {
            let (step, way) = wanted.way.split_first()?;
            is_there(step).then_some(Wanted { way, ..*wanted })
        });
        Level { reading: self.reading, wanted: ahead.collect(), envelope: &mut *self.envelope }
    }
}

struct ItemsSeed<'s>(Reading<'s>);

impl<'de> DeserializeSeed<'de> for ItemsSeed<'_> {
    type Value = Items<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        // Not `deserialize_seq`, whose error for a string quotes it.
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ItemsSeed<'_> {
    type Value = Items<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list under `{}`", self.0.dialect.pull.items)
    }

    /// Says what is wrong without quoting the text: the user's data does not belong into messages.
    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(E::custom(format!("`{}` is a string, expected a list", self.0.dialect.pull.items)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let Reading { body, entity, dialect, most } = self.0;
        let (mut items, mut texts) = (Vec::new(), Vec::new());
        while let Some(value) = list.next_element::<&RawValue>()? {
            if items.len() == most {
                return Err(A::Error::custom(format!(
                    "the list has more than {most} items; let the server send pages, or raise `max_response_bytes`"
                )));
            }
            let value = inside(value, dialect);
            texts.push(value);
            items.push(item(body, value, entity, dialect));
        }
        Ok(Items { items, texts })
    }
}

/// The record in an item. Where there is none, a tombstone perhaps, the item itself is looked at.
fn inside<'de>(value: &'de RawValue, dialect: &Dialect) -> &'de RawValue {
    let record = descend(value, dialect.pull.item.steps());
    record.filter(|record| kind(record) == "object").unwrap_or(value)
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
    match members.life(&dialect.record) {
        Life::Deleted => PageItem::Tombstone { id: slice_of(body, id) },
        Life::Exists => PageItem::Record { version: version::from_member(members.version), body: json },
        Life::Unclear => unreadable(unclear_life(&dialect.record)),
    }
}
