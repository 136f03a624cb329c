//! What serde leaves out or renames, and reads back all the same: a record comes back as it was stored.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sync::Syncable;

type Maybe<T> = Option<T>;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[serde(rename_all(serialize = "camelCase", deserialize = "camelCase"))]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    #[serde(rename(serialize = "_id"), alias = "_id")]
    id: String,
    #[serde(rename(serialize = "name", deserialize = "title", deserialize = "name"))]
    full_title: String,
    #[serde(skip)]
    shown: bool,
    #[serde(skip_serializing, skip_deserializing)]
    chosen: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    all_tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: std::option::Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Maybe<String>,
    #[serde(flatten, skip_serializing_if = "BTreeMap::is_empty")]
    others: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, Syncable)]
#[serde(default)]
#[sync(endpoint = "/tags", conflict = ServerWins)]
struct Tag {
    id: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    word: String,
}

/// Its JSON is that of a `Text`, whatever serde is told of its fields.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[serde(from = "Text", into = "Text", rename_all(serialize = "UPPERCASE"))]
#[sync(endpoint = "/memos", conflict = ServerWins)]
struct Memo {
    #[serde(rename = "id")]
    id: String,
    text: String,
}

#[derive(Serialize, Deserialize)]
struct Text {
    id: String,
    text: String,
}

impl From<Text> for Memo {
    fn from(Text { id, text }: Text) -> Self {
        Self { id, text }
    }
}

impl From<Memo> for Text {
    fn from(Memo { id, text }: Memo) -> Self {
        Self { id, text }
    }
}

fn stored_and_read_back<T: Syncable>(record: &T) -> T {
    serde_json::from_str(&serde_json::to_string(record).unwrap()).unwrap()
}

fn main() {
    let note = Note {
        id: "a".into(),
        full_title: "b".into(),
        shown: false,
        chosen: false,
        all_tags: Vec::new(),
        parent: None,
        place: None,
        others: BTreeMap::new(),
    };
    assert_eq!(stored_and_read_back(&note), note);
    let tag = Tag { id: "a".into(), word: String::new() };
    assert_eq!(stored_and_read_back(&tag), tag);
    let memo = Memo { id: "a".into(), text: "b".into() };
    assert_eq!(stored_and_read_back(&memo), memo);
}
