//! Nothing is said: both things that are needed are asked for.

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
struct Note {
    id: String,
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
