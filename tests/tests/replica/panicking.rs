//! Code of the user's that tells of a record and panics at one: that is left alone, and nothing else.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sync::replica::Indexable;
use sync::storage::IndexValue;
use sync::testing::ScriptedRemote;
use sync::{Engine, MemoryStorage, OnPull, Schema, Syncable, Timestamp};

mod before {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
    #[sync(endpoint = "/cards", conflict = ServerWins, replica)]
    pub(crate) struct Card {
        pub(crate) id: String,
        pub(crate) rank: u64,
    }

    #[derive(Schema)]
    #[sync(entities(Card))]
    pub(crate) struct App;
}

/// A rank below ten.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct Rank(u64);

impl Indexable for Rank {
    fn index_value(&self) -> IndexValue {
        assert!(self.0 < 10, "a rank of two digits");
        self.0.index_value()
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/cards", conflict = ServerWins, replica)]
struct Card {
    id: String,
    #[sync(index)]
    rank: Rank,
}

#[derive(Schema)]
#[sync(entities(Card))]
struct App;

fn card(id: &str, rank: u64) -> before::Card {
    before::Card { id: id.into(), rank }
}

#[tokio::test]
async fn a_record_whose_index_panics_is_found_by_none_and_spoils_no_start_and_no_pull() {
    let (server, storage) = (ScriptedRemote::new(), MemoryStorage::new());
    server.put(&card("a", 1));
    server.put(&card("b", 11));
    let building = Engine::builder(before::App, server.clone(), storage.clone()).build();
    let engine = building.await.unwrap();
    engine.pull().await.unwrap();
    engine.shutdown().await;
    drop(engine);

    let engine = Engine::builder(App, server.clone(), storage).build().await.unwrap();
    let get = async |id: &str| engine.get::<Card>(&id.to_owned()).await.unwrap().map(|card| card.rank.0);
    let found = async || {
        let found = engine.query(Card::RANK.ge(Rank(0))).await.unwrap();
        found.into_iter().map(|card| card.id).collect::<Vec<_>>()
    };
    assert_eq!((get("b").await, found().await), (Some(11), vec!["a".to_owned()]));
    server.put(&card("c", 12));
    server.put(&card("d", 2));
    let report = engine.pull().await.unwrap();
    assert_eq!((report.set_aside, get("d").await), (1, Some(2)), "{report:?}");
    assert!(
        report.errors[0].to_string().contains("its indexed fields, or its `updated_at`, panicked"),
        "{report:?}"
    );
    assert_eq!(found().await, ["a", "d"]);
}

/// A time that not everybody has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Time(i64);

impl Timestamp for Time {
    fn to_utc(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.0, 0).expect("a time that there is")
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = LastWriteWins)]
struct Note {
    id: String,
    updated_at: Time,
}

#[derive(Schema)]
#[sync(entities(Note))]
struct Notes;

impl OnPull<Note> for Notes {}

#[tokio::test]
async fn a_record_whose_time_panics_is_kept_aside() {
    let server = ScriptedRemote::new();
    server.put(&Note { id: "a".into(), updated_at: Time(i64::MAX) });
    server.put(&Note { id: "b".into(), updated_at: Time(0) });
    let engine = Engine::builder(Notes, server.clone(), MemoryStorage::new()).build().await.unwrap();
    let report = engine.pull().await.unwrap();
    assert_eq!((report.pulled, report.set_aside), (1, 1), "{report:?}");
    assert!(engine.pull().await.unwrap().is_clean(), "the cursor is past it");
}
