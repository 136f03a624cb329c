//! Generated code names everything by its full path: what the user calls `Option` or `Some` is of no concern.

#![no_implicit_prelude]

use ::std::clone::Clone;
use ::std::cmp::PartialEq;
use ::std::fmt::Debug;
use ::std::assert_eq;

use ::serde::{Deserialize, Serialize};
use ::sync::{OnPull, Schema, Syncable};

#[allow(dead_code)]
struct String;
#[allow(dead_code)]
struct Option;
#[allow(dead_code)]
struct Result;
#[allow(dead_code)]
struct Registry;
#[allow(dead_code)]
trait Send {}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    id: u64,
    updated_at: ::chrono::DateTime<::chrono::Utc>,
    #[sync(references = Note)]
    references: ::std::vec::Vec<u64>,
}

#[derive(Schema)]
#[sync(entities(Note))]
struct App;

impl OnPull<Note> for App {}

fn main() {
    assert_eq!(Note::ENTITY.name, "Note");
}
