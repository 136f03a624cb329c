//! A schema is any struct: with named fields, a tuple, or nothing at all. Its attribute may be split, and end in a comma.

use serde::{Deserialize, Serialize};
use sync::{OnPull, Schema, Syncable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes")]
#[sync(conflict = ServerWins,)]
struct Note {
    id: String,
}

#[derive(Schema)]
#[sync(entities(Note,),)]
struct Named {
    _endpoint: String,
}

#[derive(Schema)]
#[sync(entities(Note))]
struct Tuple(#[allow(dead_code)] String, #[allow(dead_code)] u8);

#[derive(Schema)]
#[sync(entities(self::Note))]
struct Unit;

impl OnPull<Note> for Named {}
impl OnPull<Note> for Tuple {}
impl OnPull<Note> for Unit {}

fn is_schema<S: Schema>() {}

fn main() {
    is_schema::<Named>();
    is_schema::<Tuple>();
    is_schema::<Unit>();
}
