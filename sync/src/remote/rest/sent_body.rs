//! What an operation sends.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use super::dialect::{Method, RecordDialect, SentBody, VersionCheck, WriteDialect};
use super::members::{kind, pick};
use crate::remote::WriteRequest;

/// The body of an operation; `None` when it has none.
pub(super) fn of(
    request: &WriteRequest,
    way: &WriteDialect,
    record: &RecordDialect,
) -> serde_json::Result<Option<Bytes>> {
    let text = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    let payload = match (&way.body, request.write.payload()) {
        (SentBody::Nothing, _) | (SentBody::Record | SentBody::MergePatch, None) => return Ok(None),
        (SentBody::Json(json), _) => return Ok(Some(text(json))),
        (SentBody::Record | SentBody::MergePatch, Some(payload)) => payload,
    };
    let patch = match (&way.body, &request.base) {
        (SentBody::MergePatch, Some(base)) => Some(patch(base.as_str(), payload.as_str())?),
        _ => None,
    };
    let json = patch.as_deref().unwrap_or(payload.as_str());
    let version = version_inside(request, way)?;
    let cleared: Vec<_> =
        if patch.is_none() && merges(way) { cleared(request, way, record).collect() } else { Vec::new() };
    if record.unsent.is_empty() && version.is_none() && cleared.is_empty() && record.sent_in.is_whole() {
        return Ok(Some(text(json)));
    }
    let mut body = with_members(json, record, cleared.into_iter().chain(version))?;
    for step in record.sent_in.steps().iter().rev() {
        body = format!("{{{}:{body}}}", serde_json::to_string(step)?);
    }
    Ok(Some(body.into()))
}

/// Whether what such an operation does not name stays as it is (RFC 5789 leaves that to the body, and servers that take a record merge it).
pub(super) fn merges(way: &WriteDialect) -> bool {
    match way.body {
        SentBody::Record => way.method == Method::Patch,
        SentBody::MergePatch => true,
        SentBody::Nothing | SentBody::Json(_) => false,
    }
}

/// What the record has no longer, which `null` takes away (RFC 7396, section 1).
fn cleared<'a>(
    request: &'a WriteRequest,
    way: &'a WriteDialect,
    record: &'a RecordDialect,
) -> impl Iterator<Item = (&'a str, Box<RawValue>)> {
    let version = match &way.check {
        VersionCheck::Member(member) | VersionCheck::NumberMember(member) => Some(member),
        _ => None,
    };
    let sent = move |name: &&String| !record.unsent.contains(name) && version != Some(*name);
    request.cleared.iter().filter(sent).map(|name| (name.as_str(), RawValue::NULL.to_owned()))
}

/// A whole record as it stands in a list, which takes the place of what is there; `None` for a deletion.
pub(super) fn in_a_list(
    request: &WriteRequest,
    way: &WriteDialect,
    record: &RecordDialect,
    id_member: Option<&str>,
) -> serde_json::Result<Option<String>> {
    let Some(payload) = request.write.payload() else { return Ok(None) };
    let id = id_member.map(|member| Ok((member, to_raw_value(request.key.as_str())?)));
    let version = version_inside(request, way)?;
    with_members(payload.as_str(), record, version.into_iter().chain(id.transpose()?)).map(Some)
}

/// The version, where the dialect wants it to be a member.
///
/// Versions are kept as text, which does not tell whether the server had written `7` or `"7"`; the program's own type does, since it reads
/// what the server writes.
fn version_inside<'a>(
    request: &WriteRequest,
    way: &'a WriteDialect,
) -> serde_json::Result<Option<(&'a str, Box<RawValue>)>> {
    let Some(version) = &request.if_match else { return Ok(None) };
    let (member, is_number) = match &way.check {
        VersionCheck::Member(member) => (member, shows_a_number(request, member)),
        VersionCheck::NumberMember(member) => (member, true),
        _ => return Ok(None),
    };
    let number = if is_number { number(version.as_str()) } else { None };
    Ok(Some((member, number.map_or_else(|| to_raw_value(version.as_str()), Ok)?)))
}

/// Whether the record, or what the server was known to have of it, has a number as this member.
fn shows_a_number(request: &WriteRequest, member: &str) -> bool {
    let payloads = request.write.payload().into_iter().chain(&request.base);
    payloads
        .filter_map(|payload| pick(payload.as_str().as_bytes(), [member]).ok())
        .any(|[value]| value.is_some_and(|value| kind(value) == "number"))
}

/// A text that is a number as JSON.
fn number(text: &str) -> Option<Box<RawValue>> {
    let value = RawValue::from_string(text.to_owned()).ok()?;
    (kind(&value) == "number").then_some(value)
}

/// The record without the members that are not sent, and with others in their place.
fn with_members<'a>(
    json: &str,
    record: &RecordDialect,
    added: impl IntoIterator<Item = (&'a str, Box<RawValue>)>,
) -> serde_json::Result<String> {
    let added: Vec<_> = added.into_iter().collect();
    let mut members: Members<'_> = serde_json::from_str(json)?;
    let kept = |name: &str| {
        !record.unsent.iter().any(|unsent| unsent == name) && added.iter().all(|(own, _)| *own != name)
    };
    members.0.retain(|(name, _)| kept(name));
    serde_json::to_string(&Sent { members: &members, added: &added })
}

/// The smallest merge patch that turns one record into another (RFC 7396, section 1): what did not change is left out, so the
/// id, which is in the address, is too. Values are compared and sent as they are written, so that no number loses a digit.
///
/// A member that becomes `null` cannot be told from one that goes; to those who read it as an `Option` both are the same.
fn patch(before: &str, after: &str) -> serde_json::Result<String> {
    let (Ok(old), Ok(new)) =
        (serde_json::from_str::<Members<'_>>(before), serde_json::from_str::<Members<'_>>(after))
    else {
        return Ok(after.to_owned());
    };
    let old: HashMap<_, _> = old.0.into_iter().collect();
    let mut patch: Vec<(&str, Box<RawValue>)> = Vec::new();
    for (name, value) in &new.0 {
        match old.get(name) {
            Some(known) if known.get() == value.get() => {}
            Some(known) => patch.push((name, RawValue::from_string(self::patch(known.get(), value.get())?)?)),
            None => patch.push((name, (*value).to_owned())),
        }
    }
    let kept: HashSet<_> = new.0.iter().map(|(name, _)| name).collect();
    let mut gone: Vec<_> = old.keys().filter(|name| !kept.contains(name)).collect();
    gone.sort_unstable();
    for name in gone {
        patch.push((name, RawValue::NULL.to_owned()));
    }
    serde_json::to_string(&Object(&patch))
}

/// An object of these members.
struct Object<'a>(&'a [(&'a str, Box<RawValue>)]);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

/// The members of an object in their order, each value as it is written.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(InOrder)
    }
}

/// A record as it is sent, with what is added to it.
struct Sent<'a> {
    members: &'a Members<'a>,
    added: &'a [(&'a str, Box<RawValue>)],
}

impl Serialize for Sent<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &self.members.0 {
            map.serialize_entry(name, value)?;
        }
        for (name, value) in self.added {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::patch;

    /// Applies a merge patch as RFC 7396, section 2, writes it down.
    fn apply(target: &Value, patch: &Value) -> Value {
        let Value::Object(patch) = patch else { return patch.clone() };
        let mut target = target.as_object().cloned().unwrap_or_default();
        for (name, value) in patch {
            if value.is_null() {
                target.remove(name);
            } else {
                let before = target.get(name).cloned().unwrap_or(Value::Null);
                target.insert(name.clone(), apply(&before, value));
            }
        }
        Value::Object(target)
    }

    #[test]
    fn a_patch_holds_what_changed_and_makes_the_record_of_the_base() {
        for (before, after, expected) in [
            (json!({"a": 1, "b": 2}), json!({"a": 1, "b": 3}), json!({"b": 3})),
            (json!({"a": 1, "b": 2}), json!({"a": 1}), json!({"b": null})),
            (json!({"a": {"x": 1, "y": 2}}), json!({"a": {"x": 1, "y": 3}}), json!({"a": {"y": 3}})),
            (json!({"a": [1, 2]}), json!({"a": [1, 3]}), json!({"a": [1, 3]})),
            (json!({"a": 1}), json!({"a": {"x": 1}}), json!({"a": {"x": 1}})),
            (json!({"a": 1}), json!({"a": 1}), json!({})),
        ] {
            let patch = patch(&before.to_string(), &after.to_string()).expect("both are JSON");
            let patch: Value = serde_json::from_str(&patch).expect("a patch is JSON");
            assert_eq!(patch, expected);
            assert_eq!(apply(&before, &patch), after);
        }
    }
}
