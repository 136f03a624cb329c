//! Structs to which serde adds a member that their records are not read back with.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[serde(tag = "type", deny_unknown_fields)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[serde(tag = "kind")]
#[sync(endpoint = "/forms", conflict = ServerWins)]
struct Form {
    id: String,
    #[serde(flatten)]
    others: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[serde(tag = "@type")]
#[sync(endpoint = "/things", conflict = ServerWins)]
struct Thing {
    id: String,
    #[serde(alias = "@type")]
    kind: String,
}

sync_ui_tests::in_an_app!(Note, Form, Thing);

fn main() {}
