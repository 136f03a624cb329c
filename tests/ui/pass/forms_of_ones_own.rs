//! An id and an indexed field have a form of their own by a type of their own; other fields by serde's `with` as well.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sync::replica::Indexable;
use sync::storage::IndexValue;
use sync::testing::ScriptedRemote;
use sync::{Engine, MemoryStorage, Query, Schema, Syncable};

mod numbered {
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("n-{number}"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.strip_prefix("n-").ok_or_else(|| serde::de::Error::custom("no `n-`"))?;
        number.parse().map_err(serde::de::Error::custom)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct NoteId(#[serde(with = "numbered")] u64);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct NoteDue(#[serde(with = "chrono::serde::ts_seconds")] DateTime<Utc>);

impl Indexable for NoteDue {
    fn index_value(&self) -> IndexValue {
        self.0.index_value()
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = LastWriteWins, replica)]
struct Note {
    id: NoteId,
    #[sync(index)]
    due: NoteDue,
    #[sync(references = Self)]
    #[serde(with = "parents")]
    parent: Option<NoteId>,
    #[serde(with = "chrono::serde::ts_milliseconds")]
    updated_at: DateTime<Utc>,
}

/// A text, which is empty where there is none.
mod parents {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::NoteId;

    pub fn serialize<S: Serializer>(parent: &Option<NoteId>, serializer: S) -> Result<S::Ok, S::Error> {
        let text = parent.as_ref().map(|NoteId(number)| number.to_string());
        serializer.serialize_str(&text.unwrap_or_default())
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<NoteId>, D::Error> {
        Ok(String::deserialize(deserializer)?.parse().ok().map(NoteId))
    }
}

#[derive(Schema)]
#[sync(entities(Note))]
struct App;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let due = NoteDue(DateTime::UNIX_EPOCH);
    let note = Note { id: NoteId(42), due, parent: Some(NoteId(7)), updated_at: DateTime::UNIX_EPOCH };
    let json = serde_json::json!({ "id": "n-42", "due": 0, "parent": "7", "updated_at": 0 });
    assert_eq!(serde_json::to_value(&note).unwrap(), json);
    assert_eq!(note.references().unwrap()[0].key.as_str(), "n-7");

    let remote = ScriptedRemote::new();
    let engine = Engine::builder(App, remote.clone(), MemoryStorage::new()).build().await.unwrap();
    remote.put(&note);
    engine.pull().await.unwrap();
    let found = Query::new().filter(Note::DUE.eq(NoteDue(DateTime::UNIX_EPOCH)));
    assert_eq!(engine.query(found).await.unwrap(), std::slice::from_ref(&note));
    remote.remove::<Note>(&note.id);
    engine.pull().await.unwrap();
    assert_eq!(engine.count::<Note>().await.unwrap(), 0, "the tombstone has the id alone");
}
