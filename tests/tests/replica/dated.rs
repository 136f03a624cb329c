//! The time that a record was saved at, where that alone tells that it was.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sync::testing::{Fault, ScriptedRemote};
use sync::{Engine, MemoryStorage, Schema, Syncable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/memos", conflict = LastWriteWins, replica)]
struct Memo {
    id: String,
    text: String,
    updated_at: DateTime<Utc>,
}

#[derive(Schema)]
#[sync(entities(Memo))]
struct App;

fn memo(id: &str, minute: i64) -> Memo {
    let updated_at = DateTime::UNIX_EPOCH + TimeDelta::minutes(minute);
    Memo { id: id.into(), text: "x".into(), updated_at }
}

#[tokio::test]
async fn what_was_saved_again_as_it_was_has_the_time_of_that_whether_or_not_another_edit_waits() {
    for another_waits in [false, true] {
        let server = ScriptedRemote::without_versions();
        let engine = Engine::builder(App, server.clone(), MemoryStorage::new()).build().await.unwrap();
        engine.push(&memo("a", 0)).await.unwrap();
        engine.full_sync().await.unwrap();
        if another_waits {
            engine.push(&memo("b", 0)).await.unwrap();
            server.once(Fault::Refused(422, "no".to_owned()));
            engine.flush().await.unwrap();
        }
        server.put(&memo("a", 5));
        engine.pull().await.unwrap();
        assert_eq!(engine.get::<Memo>(&"a".to_owned()).await.unwrap(), Some(memo("a", 5)), "{another_waits}");
    }
}
