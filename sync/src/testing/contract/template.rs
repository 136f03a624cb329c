//! What the records of a collection look like, and whether one says what another does.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

#[derive(Debug)]
pub(super) struct Template {
    pub(super) id_member: String,
    /// What a record has besides its id.
    pub(super) members: Map<String, Value>,
    /// The member that edits change; the first that can be, when none is named.
    pub(super) edited: Option<String>,
    /// The member that tells when a record was changed; `updatedAt` or `updated_at`, when none is named.
    pub(super) updated_at: Option<String>,
}

impl Default for Template {
    fn default() -> Self {
        let mut members = Map::new();
        members.insert("title".to_owned(), "made by the conformance kit".into());
        members.insert("updatedAt".to_owned(), "2026-01-01T00:00:00Z".into());
        Self { id_member: "id".to_owned(), members, edited: None, updated_at: None }
    }
}

impl Template {
    /// The member that edits change. Times are left alone unless one is named: servers set them themselves.
    pub(super) fn edited_member(&self) -> Option<&String> {
        let is_text = |(name, value): &(&String, &Value)| {
            value.is_string() && !is_time(name) && **name != self.id_member
        };
        let first = || self.members.iter().find(is_text).map(|(name, _)| name);
        self.edited.as_ref().or_else(first)
    }

    /// The members that edits leave as they are, and servers, too.
    pub(super) fn others(&self) -> impl Iterator<Item = &String> {
        let edited = self.edited_member();
        let is_one = move |name: &&String| {
            !is_time(name)
                && **name != self.id_member
                && Some(*name) != edited
                && !self.members[*name].is_null()
        };
        self.members.keys().filter(is_one)
    }

    /// A record.
    pub(super) fn filled(&self, id: &str, text: &str) -> Value {
        let mut record = self.members.clone();
        if let Some(name) = self.edited_member() {
            record.insert(name.clone(), text.into());
        }
        record.insert(self.id_member.clone(), id.into());
        Value::Object(record)
    }

    /// When an item of a list was changed, as far as it tells.
    pub(super) fn changed_at(&self, item: &Value) -> Option<DateTime<Utc>> {
        let member = match &self.updated_at {
            Some(name) => item.get(name),
            None => item.get("updatedAt").or_else(|| item.get("updated_at")),
        };
        serde_json::from_value(member?.clone()).ok()
    }

    /// The id of a record, or of a tombstone, as text: in lower case as all of this check are, since some databases write UUIDs in upper
    /// case. That of somebody else's may be any number.
    pub(super) fn id_of(&self, record: &Value) -> Option<String> {
        match record.get(&self.id_member).or_else(|| record.get("id"))? {
            Value::Number(number) => Some(number.to_string()),
            id => scalar(id).map(|id| id.to_ascii_lowercase()),
        }
    }

    /// Whether it is that record, with all that the other has, whatever the server made of that.
    pub(super) fn is_whole(&self, record: &Value, other: &Value) -> bool {
        self.is_same(record, other) && self.told_by(other).all(|(name, _)| record.get(name).is_some())
    }

    /// Whether it is that record, and says what the other does. Servers may add members, and write times in another way.
    pub(super) fn agrees(&self, record: &Value, other: &Value) -> bool {
        let is_set_by_the_server = |name: &String| is_time(name) && self.edited_member() != Some(name);
        let says = |(name, value): (&String, &Value)| {
            is_set_by_the_server(name) || record.get(name).is_some_and(|member| is_as_good_as(member, value))
        };
        self.is_same(record, other) && self.told_by(other).all(says)
    }

    fn is_same(&self, record: &Value, other: &Value) -> bool {
        let id = self.id_of(record);
        id.is_some() && id == self.id_of(other)
    }

    /// The members of the template that a record has. What is `null` may be left out.
    fn told_by<'r>(&'r self, record: &'r Value) -> impl Iterator<Item = (&'r String, &'r Value)> {
        let names = self.members.keys().filter(|name| **name != self.id_member);
        names.filter_map(|name| Some((name, record.get(name).filter(|value| !value.is_null())?)))
    }
}

/// A text or an integer, as servers write versions and cursors. What else there is would be read by each client in its own way.
pub(super) fn scalar(member: &Value) -> Option<String> {
    match member {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => None,
    }
}

/// Whether two values are the same one, however they are written: `1.0` as `1`, and `null` as nothing.
fn is_as_good_as(one: &Value, other: &Value) -> bool {
    match (one, other) {
        // Large integers are not to be taken for their neighbours.
        (Value::Number(one), Value::Number(other)) if one.is_f64() || other.is_f64() => {
            one.as_f64() == other.as_f64()
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_as_good_as(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let member = |of: &Map<String, Value>, name| of.get(name).cloned().unwrap_or_default();
            let mut names = one.keys().chain(other.keys());
            names.all(|name| is_as_good_as(&member(one, name), &member(other, name)))
        }
        _ => one == other,
    }
}

/// Whether a member of this name is one that servers set, and write in their own way.
fn is_time(name: &str) -> bool {
    name.ends_with("At") || name.ends_with("_at")
}
