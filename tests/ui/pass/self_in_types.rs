//! `Self` is the user's struct wherever the derives repeat what was written: in types, bounds and the lengths of arrays.

use std::marker::PhantomData;

use serde::{Deserialize, Serialize};
use sync::merge::Field;
use sync::replica::{Column, Indexable};
use sync::storage::IndexValue;
use sync::{Mergeable, Schema, Syncable};

/// An id that says what it is the id of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent, bound = "")]
struct Key<T> {
    key: u64,
    #[serde(skip)]
    of: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    const fn new(key: u64) -> Self {
        Self { key, of: PhantomData }
    }
}

impl<T> Indexable for Key<T> {
    fn index_value(&self) -> IndexValue {
        self.key.index_value()
    }
}

trait Kind {
    type Content;
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge, replica)]
struct Note {
    id: Key<Self>,
    #[sync(references = Self, index)]
    parent: Option<Key<Self>>,
    #[sync(references = Self)]
    children: Vec<Key<Self>>,
    #[sync(merge_with = Self::longer)]
    content: <Self as Kind>::Content,
    code: [u8; Self::LENGTH],
}

impl Kind for Note {
    type Content = String;
}

impl Note {
    const LENGTH: usize = 2;

    #[allow(clippy::ptr_arg)]
    fn longer(_: &String, local: &String, remote: &String) -> String {
        if local.len() > remote.len() { local.clone() } else { remote.clone() }
    }
}

trait Unit<Of> {}

impl Unit<Amount<u8>> for u8 {}

#[derive(Debug, Clone, PartialEq, Mergeable)]
struct Amount<T>
where
    T: Unit<Self>,
{
    #[sync(merge = Counter)]
    count: u8,
    unit: T,
    parts: Vec<Self>,
}

trait Database<App>: Send + Sync + 'static {}

struct Memory;

impl Database<App<Self>> for Memory {}

#[derive(Schema)]
#[sync(entities(Note))]
struct App<D>
where
    D: Database<Self>,
{
    #[allow(dead_code)]
    database: D,
}

fn is_schema<S: Schema>(_: &S) {}

fn main() {
    let _: Field<Note, Key<Note>> = Note::FIELDS.id;
    let _: Field<Note, Vec<Key<Note>>> = Note::FIELDS.children;
    let _: Field<Note, String> = Note::FIELDS.content;
    let _: Field<Note, [u8; 2]> = Note::FIELDS.code;
    let _: Field<Amount<u8>, Vec<Amount<u8>>> = Amount::<u8>::FIELDS.parts;
    let _: Column<Note, Option<Key<Note>>> = Note::PARENT;

    let note = |children: &[u64]| Note {
        id: Key::new(1),
        parent: None,
        children: children.iter().copied().map(Key::new).collect(),
        content: String::new(),
        code: [0; 2],
    };
    let merged = Note::merge(Some(&note(&[])), &note(&[2]), &note(&[3]));
    assert!(merged.overlap(Note::FIELDS.children).is_some());
    assert_eq!(Note::ENTITY.references, ["Note"]);
    is_schema(&App { database: Memory });
}
