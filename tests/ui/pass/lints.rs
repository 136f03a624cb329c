//! Generated code sets off no lint of the user's.

#![deny(warnings, missing_docs, unused_qualifications, unreachable_pub, missing_debug_implementations)]
#![deny(elided_lifetimes_in_paths, single_use_lifetimes, trivial_casts, unused_results, let_underscore_drop)]
#![deny(clippy::all, clippy::pedantic, clippy::nursery, clippy::missing_docs_in_private_items)]
#![forbid(unsafe_code)]

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sync::{OnPull, Schema, Syncable};

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

/// The application.
#[derive(Debug, Schema)]
#[sync(entities(Note<u64>))]
pub(crate) struct App;

impl OnPull<Note<u64>> for App {}

fn main() {
    let note = Note { id: 1, value: 2_u64, updated_at: DateTime::UNIX_EPOCH, parents: Some(vec![3]) };
    assert_eq!((note.value, &note.parents), (2, &Some(vec![3])));
    assert_eq!(note.last_updated(), Some(DateTime::<Utc>::UNIX_EPOCH));
    assert_eq!((*note.id(), note.references().map(|all| all.len())), (1, Ok(1)));
    assert_eq!(format!("{App:?}"), "App");
}
