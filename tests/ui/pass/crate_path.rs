//! `crate = …`: a program that knows `sync` under another name only.

mod offline {
    pub use ::sync as framework;
}

/// Stands where `sync` would be looked for, and is something else.
mod sync {}

use serde::{Deserialize, Serialize};

use offline::framework::{OnPull, Schema, Syncable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(crate = crate::offline::framework, endpoint = "/notes", conflict = LastWriteWins)]
struct Note {
    id: String,
    updated_at: std::time::SystemTime,
    #[sync(references = Note)]
    parent: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/tags", conflict = Merge, crate = ::sync)]
struct Tag {
    id: String,
}

/// From where the struct is.
mod records {
    use serde::{Deserialize, Serialize};

    use super::offline::framework;
    use super::offline::framework::{Mergeable, Syncable};

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/memos", conflict = Merge, crate = super::offline::framework)]
    pub(crate) struct Memo {
        id: String,
        #[sync(merge = Nested)]
        place: Place,
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Mergeable)]
    #[sync(crate = self::framework)]
    struct Place {
        street: String,
    }
}

#[derive(Schema)]
#[sync(entities(Note, Tag, records::Memo), crate = self::offline::framework)]
struct App;

impl OnPull<Note> for App {}
impl OnPull<Tag> for App {}
impl OnPull<records::Memo> for App {}

fn main() {
    assert_eq!(Note::ENTITY.name, "Note");
    let note = Note { id: "a".into(), updated_at: std::time::UNIX_EPOCH, parent: None };
    assert_eq!(note.last_updated().map(|time| time.timestamp()), Some(0));
}
