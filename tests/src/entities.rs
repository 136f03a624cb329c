//! The entities of the stories.
#![allow(missing_docs, reason = "the fields speak for themselves")]

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sync::Syncable;

/// A note; the later edit wins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = LastWriteWins)]
pub struct Note {
    pub id: String,
    pub title: String,
    #[serde(rename = "updatedAt")]
    pub updated_at: DateTime<Utc>,
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

/// A note that was last changed some minutes after the first of January 2026.
#[must_use]
pub fn note(id: &str, title: &str, minute: i64) -> Note {
    let start = DateTime::from_timestamp(1_767_225_600, 0).unwrap_or_default();
    Note { id: id.to_owned(), title: title.to_owned(), updated_at: start + TimeDelta::minutes(minute) }
}

/// A task of a note.
#[must_use]
pub fn task(id: u64, note: Option<&str>, text: &str) -> Task {
    Task { id, note_id: note.map(ToOwned::to_owned), text: text.to_owned() }
}
