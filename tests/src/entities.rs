//! The entities of the stories.
#![allow(missing_docs, reason = "the fields speak for themselves")]

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sync::codegen_support as cs;
use sync::{EntityInfo, LastWriteWins, Manual, Syncable};

/// A note; the later edit wins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Note {
    pub id: String,
    pub title: String,
    #[serde(rename = "updatedAt")]
    pub updated_at: DateTime<Utc>,
}

/// A task of a note; conflicts go to a handler.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    pub id: u64,
    pub note_id: Option<String>,
    pub text: String,
}

impl Syncable for Note {
    type Id = String;
    type Strategy = LastWriteWins;
    type References = ();
    const ENTITY: EntityInfo = EntityInfo {
        name: "Note",
        endpoint: "/notes",
        id_member: "id",
        updated_at_member: Some("updatedAt"),
        references: &[],
    };
    fn id(&self) -> &String {
        &self.id
    }
    fn last_updated(&self) -> Option<DateTime<Utc>> {
        Some(self.updated_at)
    }
}
impl sync::Timestamped for Note {
    fn updated_at(&self) -> DateTime<Utc> {
        self.updated_at
    }
}
impl Syncable for Task {
    type Id = u64;
    type Strategy = Manual;
    type References = (Note, ());
    const ENTITY: EntityInfo = EntityInfo {
        name: "Task",
        endpoint: "/tasks",
        id_member: "id",
        updated_at_member: None,
        references: &["Note"],
    };
    fn id(&self) -> &u64 {
        &self.id
    }
    fn references(&self) -> Result<Vec<cs::RecordRef>, cs::IdError> {
        let mut v = Vec::new();
        if let Some(id) = &self.note_id {
            cs::refer::<Note>(id, &mut v)?;
        }
        Ok(v)
    }
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
