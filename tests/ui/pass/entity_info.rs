//! What an entity says of itself.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sync::{Syncable, Timestamped};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/v1/notes", conflict = LastWriteWins)]
struct Note {
    id: String,
    title: String,
    updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/tags", conflict = ServerWins)]
struct Tag {
    #[sync(id)]
    word: String,
}

fn main() {
    assert_eq!(Note::ENTITY.name, "Note");
    assert_eq!(Note::ENTITY.endpoint, "/v1/notes");
    assert_eq!(Note::ENTITY.id_member, "id");
    assert_eq!(Note::ENTITY.updated_at_member, Some("updated_at"));
    assert!(Note::ENTITY.references.is_empty());

    let now = Utc::now();
    let note = Note { id: "a".into(), title: String::new(), updated_at: now };
    assert_eq!(note.id(), "a");
    assert_eq!(note.last_updated(), Some(now));
    assert_eq!(Timestamped::updated_at(&note), now);
    assert_eq!(note.references(), Ok(Vec::new()));

    let tag = Tag { word: "urgent".into() };
    assert_eq!((tag.id().as_str(), tag.last_updated()), ("urgent", None));
    assert_eq!((Tag::ENTITY.id_member, Tag::ENTITY.updated_at_member), ("word", None));
}
