//! What an entity says of itself.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sync::{Syncable, Timestamped};

/// Serde passes over the tag that it writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[serde(tag = "type")]
#[sync(endpoint = "/v1/notes", conflict = LastWriteWins)]
struct Note {
    id: String,
    title: String,
    updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/tags", conflict = ServerWins)]
struct Tag {
    #[sync(id)]
    word: String,
}

/// Members come and go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/forms", conflict = ServerWins)]
#[serde(rename_all = "camelCase")]
struct Form {
    id: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty", alias = "labels")]
    all_tags: Vec<String>,
    #[serde(flatten)]
    others: BTreeMap<String, String>,
}

/// What the fields of another struct are called is not known here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/outer", conflict = ServerWins)]
struct Outer {
    id: String,
    #[serde(flatten)]
    tag: Tag,
}

/// What neither has a field for is collected all the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/mixed", conflict = ServerWins)]
struct Mixed {
    id: String,
    #[serde(flatten)]
    tag: Tag,
    #[serde(flatten)]
    others: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/optional", conflict = ServerWins)]
struct Wrapped {
    id: String,
    #[serde(flatten)]
    others: Option<Box<BTreeMap<String, String>>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/strict", conflict = ServerWins)]
#[serde(deny_unknown_fields)]
struct Strict {
    id: String,
}

fn main() {
    assert_eq!(Note::ENTITY.name, "Note");
    assert_eq!(Note::ENTITY.endpoint, "/v1/notes");
    assert_eq!(Note::ENTITY.id_member, "id");
    assert_eq!(Note::ENTITY.updated_at_member, Some("updated_at"));
    assert!(Note::ENTITY.references.is_empty());

    assert_eq!((Note::MEMBERS, Note::OPTIONAL, Note::KNOWN), (&["id", "title", "updated_at"][..], None, None));
    assert_eq!((Form::MEMBERS, Form::OPTIONAL), (&["id", "allTags"][..], Some(&["allTags"][..])));
    assert_eq!(Form::KNOWN, Some(&["id", "allTags", "labels"][..]));
    assert_eq!((Outer::MEMBERS, Outer::OPTIONAL, Outer::KNOWN), (&["id"][..], Some(&[][..]), None));
    assert_eq!(Mixed::KNOWN, Some(&["id"][..]));
    assert_eq!(Wrapped::KNOWN, Some(&["id"][..]));
    assert_eq!((Strict::OPTIONAL, Strict::KNOWN), (None, Some(&["id"][..])));

    let now = Utc::now();
    let note = Note { id: "a".into(), title: String::new(), updated_at: now };
    assert_eq!(note.id(), "a");
    assert_eq!(note.last_updated(), Some(now));
    assert_eq!(Timestamped::updated_at(&note), now);
    assert_eq!(note.references(), Ok(Vec::new()));

    let tag = Tag { word: "urgent".into() };
    assert_eq!((tag.id().as_str(), tag.last_updated()), ("urgent", None));
    assert_eq!((Tag::ENTITY.id_member, Tag::ENTITY.updated_at_member), ("word", None));
}
