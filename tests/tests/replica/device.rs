//! A device that keeps cards, and a server in memory.

use serde::{Deserialize, Serialize};
use sync::testing::ScriptedRemote;
use sync::{Engine, RetryPolicy, Schema, SqliteStorage, Syncable};
use sync_tests::device::Folder;

/// A card on a board.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/cards", conflict = Merge, replica)]
pub struct Card {
    pub id: String,
    #[serde(rename = "list")]
    #[sync(index)]
    pub column: String,
    #[sync(index)]
    pub rank: Option<i64>,
    pub title: String,
}

/// A card's comment: nothing of it is indexed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/comments", conflict = ServerWins, replica)]
pub struct Comment {
    pub id: u64,
    #[sync(references = Card)]
    pub card: String,
    pub text: String,
}

/// The application: without any handler, since both entities are kept by the engine.
#[derive(Schema)]
#[sync(entities(Card, Comment))]
pub struct Board;

pub fn card(id: &str, column: &str, rank: impl Into<Option<i64>>) -> Card {
    Card { id: id.into(), column: column.into(), rank: rank.into(), title: format!("card {id}") }
}

pub fn comment(id: u64, card: &str) -> Comment {
    Comment { id, card: card.into(), text: format!("comment {id}") }
}

pub struct Device {
    pub engine: Engine<Board>,
    pub server: ScriptedRemote,
    pub folder: Folder,
}

impl Device {
    pub async fn new() -> Self {
        Self::on(ScriptedRemote::new(), Folder::new()).await
    }

    pub async fn on(server: ScriptedRemote, folder: Folder) -> Self {
        let storage = SqliteStorage::open(folder.file("app.db")).unwrap();
        let at_once = RetryPolicy { base: std::time::Duration::ZERO, ..RetryPolicy::default() };
        let engine = Engine::builder(Board, server.clone(), storage)
            .retry(at_once)
            .page_size(7)
            .build()
            .await
            .unwrap();
        Self { engine, server, folder }
    }

    /// The program ends and is started again.
    pub async fn restart(self) -> Self {
        let Self { engine, server, folder } = self;
        engine.shutdown().await;
        drop(engine);
        Self::on(server, folder).await
    }

    pub async fn get(&self, id: &str) -> Option<Card> {
        self.engine.get::<Card>(&id.to_owned()).await.unwrap()
    }

    pub async fn ids(&self) -> String {
        ids(&self.engine.all::<Card>().await.unwrap())
    }
}

pub fn ids(cards: &[Card]) -> String {
    cards.iter().map(|card| card.id.as_str()).collect()
}
