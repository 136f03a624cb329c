//! A device: an engine that works in the background, and a switch for its network.

use std::time::Duration;

use sync::{AutoSync, BoxError, Engine, ManualConnectivity, Query, RestRemote, RetryPolicy, Storage};
use uuid::Uuid;

use crate::card::{Board, Card, Column};

#[derive(Clone)]
pub struct Device {
    pub engine: Engine<Board>,
    network: ManualConnectivity,
}

impl Device {
    pub async fn start(url: &str, storage: impl Storage) -> Result<Self, BoxError> {
        let network = ManualConnectivity::new(true);
        let patient = RetryPolicy { cap: Duration::from_secs(5), ..RetryPolicy::default() };
        let engine = Engine::builder(Board, RestRemote::new(url)?, storage)
            .connectivity(network.clone())
            .retry(patient)
            .build()
            .await?;
        // It sends soon after each edit, and pulls whenever the server tells of a change.
        engine.start(AutoSync { flush_after: Duration::from_millis(100), ..AutoSync::default() });
        Ok(Self { engine, network })
    }

    pub fn is_online(&self) -> bool {
        *sync::Connectivity::watch(&self.network).borrow()
    }

    pub fn toggle_network(&self) {
        self.network.set_online(!self.is_online());
    }

    /// Puts a new card at the end of a column.
    pub async fn add(&self, title: &str, column: Column) -> Result<Uuid, BoxError> {
        let id = Uuid::new_v4();
        let title = title.to_owned();
        self.engine
            .transaction(move |tx| {
                let rank = end_of(&tx.query(last_of(column))?);
                tx.push(&Card { id, title, column, rank })?;
                Ok::<_, BoxError>(())
            })
            .await?;
        Ok(id)
    }

    /// Puts a card at the end of a column.
    pub async fn put(&self, id: Uuid, column: Column) -> Result<(), BoxError> {
        self.engine
            .transaction(move |tx| {
                let rank = end_of(&tx.query(last_of(column))?);
                if let Some(card) = tx.get::<Card>(&id)? {
                    tx.push(&Card { column, rank, ..card })?;
                }
                Ok(())
            })
            .await
    }

    pub async fn rename(&self, id: Uuid, title: String) -> Result<(), BoxError> {
        self.engine
            .transaction(move |tx| {
                if let Some(card) = tx.get::<Card>(&id)? {
                    tx.push(&Card { title, ..card })?;
                }
                Ok(())
            })
            .await
    }

    pub async fn remove(&self, id: Uuid) -> Result<(), BoxError> {
        self.engine.delete::<Card>(&id).await?;
        Ok(())
    }
}

/// The last card of a column: found in the index, whatever else is on the board.
fn last_of(column: Column) -> Query<Card> {
    Query::new().filter(Card::COLUMN.eq(column)).order_by(Card::RANK.descending()).limit(1)
}

fn end_of(last: &[Card]) -> f64 {
    last.first().map_or(0.0, |last| last.rank + 1.0)
}
