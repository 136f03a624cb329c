//! Entities of another crate.
#![allow(missing_docs, reason = "the fields speak for themselves")]

use serde::{Deserialize, Serialize};
use sync::Syncable;

/// A note.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
pub struct Note {
    pub id: String,
    pub title: String,
}

/// A task of a note; conflicts go to a handler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/tasks", conflict = Manual)]
pub struct Task {
    pub id: u64,
    #[sync(references = Note)]
    pub note_id: Option<String>,
    pub text: String,
}
