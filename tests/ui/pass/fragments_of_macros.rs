//! What a macro hands on as one piece, of whatever kind, means what it says: in types, attributes and serde's names.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sync::{BoxError, Conflict, Mergeable, OnPull, Outdated, Resolution, Schema, Strategy, Syncable};

pub struct Theirs;

impl<S: Sync, T: Syncable> Strategy<S, T> for Theirs {
    async fn resolve(_: &S, _: Conflict<T>) -> Result<Resolution<T>, BoxError> {
        Ok(Resolution::TakeRemote)
    }
}

fn longer(_: &String, local: &String, remote: &String) -> String {
    if local.len() > remote.len() { local.clone() } else { remote.clone() }
}

fn upgraded<T: Syncable>(stored: Outdated<'_>) -> Result<T, BoxError> {
    stored.read()
}

macro_rules! entity {
    (
        $name:ident: $strategy:path, $endpoint:literal, $id_member:literal, $updated_at_member:expr, $id:ty, $parents:ty,
        $references:path, $tags:ty, $version:literal, $upgrade:path, $framework:path
    ) => {
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
        #[sync(endpoint = $endpoint, conflict = $strategy, name = $endpoint)]
        #[sync(version = $version, upgrade = $upgrade, crate = $framework)]
        struct $name {
            #[serde(rename = $id_member, alias = "key")]
            id: $id,
            #[serde(rename(serialize = $updated_at_member, deserialize = $updated_at_member), default)]
            updated_at: DateTime<Utc>,
            #[sync(references = $references)]
            parents: $parents,
            tags: $tags,
        }
    };
}

entity!(Note: LastWriteWins, "/notes", "_id", "changed", u64, Option<Vec<u64>>, Note, HashSet<String>, 2, upgraded, ::sync);
entity!(Memo: crate::Theirs, "/memos", "#", "at", String, Vec<u64>, self::Note, Option<HashSet<u8>>, 3, self::upgraded, ::sync);

macro_rules! by_type {
    ($name:ident, $strategy:ty, $policy:ty, $own:ty, $path:path, $values:ty, $with:expr, $group:literal, $target:ty) => {
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
        #[sync(endpoint = "/tasks", conflict = $strategy)]
        struct $name {
            id: u64,
            #[sync(references = $target)]
            note: Option<u64>,
            #[sync(merge = $policy)]
            count: i64,
            #[sync(merge = $own)]
            other: i64,
            #[sync(merge = $path)]
            third: i64,
            #[sync(merge = Map($values))]
            stock: std::collections::BTreeMap<String, i64>,
            #[sync(merge_with = $with)]
            title: String,
            #[sync(group = $group)]
            street: String,
            #[sync(group = $group)]
            city: String,
        }
    };
}

by_type!(Task, Merge, Counter, sync::merge::Counter, Counter, Counter, longer, "place", Note);

macro_rules! app {
    ($($entity:ty),*) => {
        #[derive(Schema)]
        #[sync(entities($($entity),*))]
        struct App;

        $(impl OnPull<$entity> for App {})*
    };
}

app!(Note, Memo, Task);

fn is_schema<S: Schema>() {}

fn main() {
    is_schema::<App>();
    assert_eq!((Note::ENTITY.id_member, Memo::ENTITY.id_member), ("_id", "#"));
    assert_eq!((Note::ENTITY.endpoint, Note::NAME, Note::VERSION), ("/notes", "/notes", 2));
    assert_eq!(Note::ENTITY.updated_at_member, Some("changed"));
    assert_eq!(Memo::ENTITY.updated_at_member, Some("at"));
    assert_eq!((Note::ENTITY.unordered, Memo::ENTITY.unordered), (&["tags"][..], &["tags"][..]));

    let note = Note { id: 1, updated_at: DateTime::UNIX_EPOCH, parents: Some(vec![2, 3]), tags: HashSet::new() };
    let names: Vec<_> = note.references().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["/notes `2`", "/notes `3`"]);

    let task = |count| Task {
        id: 1,
        note: Some(1),
        count,
        other: count,
        third: count,
        stock: [("apples".to_owned(), count)].into(),
        title: "t".repeat(usize::try_from(count).unwrap()),
        street: String::new(),
        city: String::new(),
    };
    let merged = Task::merge(Some(&task(1)), &task(3), &task(2)).value;
    assert_eq!((merged.count, merged.other, merged.third, merged.stock["apples"]), (4, 4, 4, 4));
    assert_eq!(merged.title, "ttt");
}
