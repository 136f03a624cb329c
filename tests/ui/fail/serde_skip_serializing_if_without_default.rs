//! Fields that serde may leave out, and cannot read where they are missing.

use serde::{Deserialize, Serialize};
use sync::Syncable;

mod number {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub fn serialize<S: Serializer>(number: &Option<u8>, serializer: S) -> Result<S::Ok, S::Error> {
        number.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
        Option::deserialize(deserializer)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<Option<String>>,
    #[serde(with = "number", skip_serializing_if = "Option::is_none")]
    rank: Option<u8>,
    #[serde(skip_serializing_if = "Tags::is_empty")]
    others: Tags,
}

/// Serde does not read it where it is missing, which its name does not tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Tags(Vec<String>);

impl Tags {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
