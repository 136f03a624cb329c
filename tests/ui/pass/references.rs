//! Fields that name other records: one, perhaps one, several; of other entities, of each other, of their own.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use sync::record::IdError;
use sync::{OnPull, ReferenceError, Schema, Syncable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/folders", conflict = ServerWins, name = "folder")]
struct Folder {
    id: u64,
    #[sync(references = Folder)]
    parent: Option<u64>,
    /// Refers back, so the two entities name each other.
    #[sync(references = Note)]
    cover: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: String,
    #[sync(references = Folder)]
    folder: u64,
    #[sync(references = self::Tag)]
    tags: Vec<String>,
    #[sync(references = Tag)]
    suggested: Option<BTreeSet<String>>,
    #[sync(references = Folder)]
    archive: std::option::Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/tags", conflict = ServerWins)]
struct Tag {
    #[sync(id)]
    word: String,
}

#[derive(Schema)]
#[sync(entities(Folder, Note, Tag))]
struct App;

impl OnPull<Folder> for App {}
impl OnPull<Note> for App {}
impl OnPull<Tag> for App {}

fn names(record: &impl Syncable) -> Vec<String> {
    record.references().unwrap().iter().map(ToString::to_string).collect()
}

fn main() {
    assert_eq!(Folder::ENTITY.references, ["folder", "Note"]);
    assert_eq!(Note::ENTITY.references[0], "folder");

    let root = Folder { id: 1, parent: None, cover: None };
    assert!(names(&root).is_empty());
    let inner = Folder { id: 2, parent: Some(1), cover: Some("n".into()) };
    assert_eq!(names(&inner), ["folder `1`", "Note `n`"]);

    let mut note = Note {
        id: "n".into(),
        folder: 2,
        tags: vec!["a".into(), "b".into()],
        suggested: Some(["c".to_owned()].into()),
        archive: Some(3),
    };
    assert_eq!(names(&note), ["folder `2`", "Tag `a`", "Tag `b`", "Tag `c`", "folder `3`"]);

    note.tags = vec![String::new()];
    let wrong = ReferenceError { field: "tags", entity: Tag::ENTITY.entity_name(), source: IdError::Empty };
    assert_eq!(note.references(), Err(wrong));
}
