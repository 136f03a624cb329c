use serde::{Deserialize, Serialize};
use sync::replica::Indexable;
use sync::storage::IndexValue;
use sync::{BoxError, Engine, MemoryStorage, Outdated, Query, Schema, Syncable};

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Priority {
    Low,
    High,
}

impl Indexable for Priority {
    fn index_value(&self) -> IndexValue {
        match self {
            Self::Low => 0,
            Self::High => 1,
        }
        .index_value()
    }
}

/// With columns of every kind, and names that Rust or the trait use as well.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[serde(rename_all = "camelCase")]
#[sync(endpoint = "/notes", conflict = ServerWins, replica, version = 2, upgrade = Self::upgraded)]
pub struct Note<B>
where
    B: Indexable,
{
    id: String,
    #[sync(index)]
    pub r#type: String,
    #[sync(index)]
    name: Option<u64>,
    #[sync(index)]
    created_at: chrono::DateTime<chrono::Utc>,
    #[sync(index)]
    priority: Priority,
    #[sync(index)]
    body: B,
}

impl<B: Indexable + Serialize + serde::de::DeserializeOwned> Note<B> {
    fn upgraded(stored: Outdated<'_>) -> Result<Self, BoxError> {
        stored.read()
    }
}

#[derive(Schema)]
#[sync(entities(Note<bool>))]
struct App;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let remote = sync::testing::ScriptedRemote::new();
    let engine = Engine::builder(App, remote, MemoryStorage::new()).build().await.unwrap();
    let created_at = chrono::DateTime::UNIX_EPOCH;
    let note = Note { id: "a".into(), r#type: "memo".into(), name: Some(7), created_at, priority: Priority::High, body: true };
    engine.push(&note).await.unwrap();
    let query = Query::new()
        .filter(Note::TYPE.eq("memo"))
        .filter(Note::NAME.ge(7))
        .filter(Note::PRIORITY.gt(Priority::Low))
        .filter(Note::<bool>::CREATED_AT.le(created_at))
        .filter(Note::BODY.eq(true))
        .order_by(Note::CREATED_AT.descending());
    assert_eq!(engine.query(query).await.unwrap(), [note]);
    assert_eq!(<Note<bool> as Syncable>::INDEX, ["type", "name", "createdAt", "priority", "body"]);
    assert_eq!((<Note<bool> as Syncable>::NAME, <Note<bool> as Syncable>::VERSION), ("Note", 2));
}
