//! Generated code sets off no lint of the user's.

#![deny(warnings, missing_docs, unused_qualifications, unreachable_pub, missing_debug_implementations)]
#![deny(elided_lifetimes_in_paths, single_use_lifetimes, trivial_casts, unused_results, let_underscore_drop)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery, clippy::missing_docs_in_private_items)]
#![forbid(unsafe_code)]

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sync::{Mergeable, OnPull, Schema, Syncable};

/// A note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
pub(crate) struct Note<T> {
    /// Its id.
    pub(crate) id: u64,
    /// What it holds.
    pub(crate) value: T,
    /// When it was changed.
    pub(crate) updated_at: DateTime<Utc>,
    /// What it belongs to.
    #[sync(references = Note<u64>)]
    pub(crate) parents: Option<Vec<u64>>,
}

/// What is left of an earlier version, spelled as the server spells it.
#[allow(non_snake_case, non_camel_case_types)]
#[deprecated = "a `Note` takes its place"]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/memos", conflict = Merge, replica)]
pub(crate) struct old_Memo {
    /// Its id.
    pub(crate) id: u64,
    /// What it says.
    #[sync(index, merge = Latest)]
    pub(crate) theText: String,
    /// When it was changed.
    #[sync(updated_at)]
    pub(crate) updatedAt: DateTime<Utc>,
    /// Where it is.
    #[sync(group = "place")]
    pub(crate) onPage: u32,
    /// In which line.
    #[sync(group = "place")]
    pub(crate) inLine: u32,
    /// What it belongs to.
    #[sync(references = old_Memo)]
    pub(crate) partOf: Option<u64>,
    /// What it shows.
    #[sync(merge = Nested)]
    pub(crate) thePicture: old_Picture,
    /// What nobody asks for any more.
    #[deprecated]
    #[sync(index)]
    pub(crate) colour: String,
}

/// The same.
#[allow(non_snake_case, non_camel_case_types)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Mergeable)]
pub(crate) struct old_Picture {
    /// Where it comes from.
    #[deprecated]
    pub(crate) fromSite: String,
}

/// What is named by another field than its `id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/products", conflict = ServerWins, replica)]
pub(crate) struct Product {
    /// Its number in the old shop.
    pub(crate) id: u64,
    /// Its number in this one.
    #[sync(id)]
    pub(crate) sku: u64,
}

/// The application.
#[allow(deprecated)]
#[derive(Debug, Schema)]
#[sync(entities(Note<u64>, old_Memo, Product))]
pub(crate) struct App;

impl OnPull<Note<u64>> for App {}

fn main() {
    let note = Note { id: 1, value: 2_u64, updated_at: DateTime::UNIX_EPOCH, parents: Some(vec![3]) };
    assert_eq!((note.value, &note.parents), (2, &Some(vec![3])));
    assert_eq!(note.last_updated(), Some(DateTime::<Utc>::UNIX_EPOCH));
    assert_eq!((*note.id(), note.references().map(|all| all.len())), (1, Ok(1)));
    assert_eq!(format!("{App:?}"), "App");
}
