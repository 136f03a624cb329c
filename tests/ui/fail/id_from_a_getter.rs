//! An id that serde gets from a function, in a struct that writes itself by what serde derives.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sync::Syncable;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[serde(remote = "Self")]
#[sync(endpoint = "/notes", conflict = ServerWins)]
struct Note {
    #[serde(getter = "Note::short")]
    id: String,
}

impl Note {
    fn short(&self) -> String {
        self.id.trim().to_owned()
    }
}

impl Serialize for Note {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Note {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
    }
}

sync_ui_tests::in_an_app!(Note);

fn main() {}
