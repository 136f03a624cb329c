//! A policy asks of a type parameter what it asks of a type.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note<T> {
    id: String,
    #[sync(merge = Max)]
    value: T,
}

fn main() {}
