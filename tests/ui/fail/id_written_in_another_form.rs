//! An id with a name of its own, which is written and read by functions.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/tags", conflict = ServerWins)]
struct Tag {
    #[sync(id)]
    #[serde(serialize_with = "in_capitals")]
    #[serde(deserialize_with = "in_small_letters")]
    r#type: String,
}

fn in_capitals<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&text.to_uppercase())
}

fn in_small_letters<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(String::deserialize(deserializer)?.to_lowercase())
}

sync_ui_tests::in_an_app!(Tag);

fn main() {}
