//! A device that keeps cards, and a server in memory.

use serde::{Deserialize, Serialize};
use sync::testing::ScriptedRemote;
use sync::{Engine, RetryPolicy, Schema, SqliteStorage, Syncable};
use sync_tests::device::Folder;

/// A card on a board.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/cards", conflict = Merge, replica)]
pub(crate) struct Card {
    pub(crate) id: String,
    #[serde(rename = "list")]
    #[sync(index)]
    pub(crate) column: String,
    #[sync(index)]
    pub(crate) rank: Option<i64>,
    pub(crate) title: String,
}

/// A card's comment: nothing of it is indexed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/comments", conflict = ServerWins, replica)]
pub(crate) struct Comment {
    pub(crate) id: u64,
    #[sync(references = Card)]
    pub(crate) card: String,
    pub(crate) text: String,
}

/// The application: without any handler, since both entities are kept by the engine.
#[derive(Schema)]
#[sync(entities(Card, Comment))]
pub(crate) struct Board;

pub(crate) fn card(id: &str, column: &str, rank: impl Into<Option<i64>>) -> Card {
    Card { id: id.into(), column: column.into(), rank: rank.into(), title: format!("card {id}") }
}

pub(crate) fn comment(id: u64, card: &str) -> Comment {
    Comment { id, card: card.into(), text: format!("comment {id}") }
}

pub(crate) struct Device {
    pub(crate) engine: Engine<Board>,
    pub(crate) server: ScriptedRemote,
    pub(crate) folder: Folder,
}

impl Device {
    pub(crate) async fn new() -> Self {
        Self::on(ScriptedRemote::new(), Folder::new()).await
    }

    pub(crate) async fn on(server: ScriptedRemote, folder: Folder) -> Self {
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
    pub(crate) async fn restart(self) -> Self {
        let Self { engine, server, folder } = self;
        engine.shutdown().await;
        drop(engine);
        Self::on(server, folder).await
    }

    pub(crate) async fn get(&self, id: &str) -> Option<Card> {
        self.engine.get::<Card>(&id.to_owned()).await.unwrap()
    }

    pub(crate) async fn ids(&self) -> String {
        ids(&self.engine.all::<Card>().await.unwrap())
    }
}

pub(crate) fn ids(cards: &[Card]) -> String {
    cards.iter().map(|card| card.id.as_str()).collect()
}
