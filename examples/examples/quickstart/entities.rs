//! The records that both devices work on: one kind for each way of deciding conflicts.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sync::Syncable;

/// A note. The later edit wins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = LastWriteWins)]
pub struct Note {
    pub id: String,
    pub title: String,
    #[serde(rename = "updatedAt")]
    pub updated_at: DateTime<Utc>,
}

/// A price. The office is right, so the server's side stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/prices", conflict = ServerWins)]
pub struct Price {
    pub id: String,
    pub cents: u32,
}

/// What is left in stock, counted at the shelf: whoever stands there is right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/stock", conflict = ClientWins)]
pub struct Stock {
    pub id: String,
    pub pieces: u32,
}

/// A contact, merged field by field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/contacts", conflict = Merge)]
pub struct Contact {
    pub id: String,
    pub phone: String,
    pub city: String,
}

/// A task of a note; a handler decides. It is not sent before its note is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/tasks", conflict = Manual)]
pub struct Task {
    #[sync(id)]
    pub key: u32,
    #[sync(references = Note)]
    pub note_id: String,
    pub text: String,
}
