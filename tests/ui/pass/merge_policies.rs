//! Every policy, on generic structs, under names that are taken, and where lints are strict.

#![no_implicit_prelude]
#![deny(warnings, missing_docs, unused_qualifications, unreachable_pub, missing_debug_implementations)]
#![deny(elided_lifetimes_in_paths, single_use_lifetimes, trivial_casts, unused_results, let_underscore_drop)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery, clippy::missing_docs_in_private_items)]
#![forbid(unsafe_code)]

use ::std::clone::Clone;
use ::std::cmp::{Ord, PartialEq};
use ::std::collections::{BTreeMap, BTreeSet, HashMap};
use ::std::convert::Into;
use ::std::fmt::Debug;
use ::std::hash::Hash;
use ::std::option::Option::{self, Some};
use ::std::string::String;
use ::std::{assert_eq, vec, vec::Vec};

use ::serde::{Deserialize, Serialize};
use ::sync::{Mergeable, OnPull, Schema, Syncable};

/// Names that the derived code knows as well.
pub mod taken {
    /// Not the sides of a merge.
    #[derive(Debug)]
    pub struct Sides;
    /// Not a field.
    #[derive(Debug)]
    pub struct Field;
    /// Not a counter.
    #[derive(Debug)]
    pub struct Counter;
    /// Not the text of a merge.
    #[derive(Debug)]
    pub struct Text;
}
#[allow(unused_imports)]
use taken::{Counter, Field, Sides, Text};

/// Not the names of the fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteFields;

/// A note.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge, on_delete = KeepEdit)]
#[serde(bound(deserialize = "T: ::serde::de::DeserializeOwned + Ord + Hash"))]
pub(crate) struct Note<T, const N: usize>
where
    T: Ord + Hash + Clone + 'static,
{
    /// Its id.
    id: u64,
    /// A name of the derived code's.
    fields: NoteFields,
    /// Another one.
    #[sync(merge = Counter)]
    pub(crate) sides: u64,
    /// Another one.
    #[sync(merge = Text)]
    pub(self) merging: String,
    /// Of any type.
    #[sync(merge = Max)]
    group_0: T,
    /// A raw identifier.
    #[sync(merge = Set)]
    r#type: Vec<T>,
    /// A map of sets.
    #[sync(merge = Map(Set))]
    of: BTreeMap<String, BTreeSet<T>>,
    /// A map of structs.
    #[sync(merge = Map(Nested))]
    base: HashMap<String, Part<T>>,
    /// A struct.
    #[sync(merge = Nested)]
    local: Option<Part<u8>>,
    /// When it was changed.
    #[sync(updated_at)]
    changed: ::chrono::DateTime<::chrono::Utc>,
    /// By a function.
    #[sync(merge_with = first::<T>)]
    remote: T,
    /// One end.
    #[sync(group = "range", merge = Latest)]
    from: u8,
    /// The other end.
    #[sync(group = "range")]
    to: u8,
}

/// A part of a note.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Mergeable)]
#[sync(on_delete = Delete, crate = ::sync)]
pub struct Part<T> {
    /// What it holds.
    pub value: T,
    #[sync(merge = Min)]
    private: u8,
}

#[allow(clippy::missing_const_for_fn)]
fn first<T: Clone>(_: &T, local: &T, _: &T) -> T {
    local.clone()
}

/// The application.
#[derive(Debug, Schema)]
#[sync(entities(Note<u64, 3>))]
pub(crate) struct App;

impl OnPull<Note<u64, 3>> for App {}

fn main() {
    let base: Note<u64, 3> = Note {
        id: 1,
        fields: NoteFields,
        sides: 1,
        merging: "a b".into(),
        group_0: 1,
        r#type: vec![1],
        of: BTreeMap::new(),
        base: HashMap::new(),
        local: Some(Part { value: 1, private: 2 }),
        changed: ::chrono::DateTime::UNIX_EPOCH,
        remote: 1,
        from: 1,
        to: 2,
    };
    let local = Note { sides: 2, merging: "c b".into(), group_0: 2, r#type: vec![2], remote: 2, ..base.clone() };
    let remote = Note { sides: 3, merging: "a d".into(), group_0: 3, r#type: vec![1, 3], remote: 3, ..base.clone() };
    let merged = Note::merge(Some(&base), &local, &remote);
    let overlap = merged.overlap(Note::<u64, 3>::FIELDS.sides);
    assert_eq!(overlap.map(|sides| (sides.local, sides.remote)), Some((2, 3)));
    let note = merged.value;
    assert_eq!((note.sides, &*note.merging, note.group_0, &note.r#type, note.remote), (4, "c d", 3, &vec![3, 2], 2));
}
