//! The second device: somebody else works on the same board.

use std::time::Duration;

use sync::{BoxError, MemoryStorage, Query};
use uuid::Uuid;

use crate::card::{Card, Column};
use crate::device::Device;

#[derive(Clone)]
pub struct Neighbour(Device);

impl Neighbour {
    pub async fn start(url: &str) -> Result<Self, BoxError> {
        Device::start(url, MemoryStorage::new()).await.map(Self)
    }

    /// What is on the board before anybody looks.
    pub async fn set_up(&self) -> Result<(), BoxError> {
        for (title, column) in [
            ("water the tomatoes", Column::Todo),
            ("mend the fence", Column::Todo),
            ("prune the apple tree", Column::Doing),
            ("sow the radishes", Column::Done),
        ] {
            self.0.add(title, column).await?;
        }
        self.0.engine.full_sync().await?;
        Ok(())
    }

    /// Gives a card another title, as soon as this device has heard of it.
    pub async fn rename(&self, id: Uuid) -> Result<(), BoxError> {
        self.0.engine.full_sync().await?;
        if let Some(card) = self.0.engine.get::<Card>(&id).await? {
            self.0.rename(id, format!("{} (at dawn)", card.title)).await?;
            self.0.engine.flush().await?;
        }
        Ok(())
    }

    /// Does something every now and then, until it is dropped.
    pub async fn work(self, every: Duration) {
        for turn in 0_u32.. {
            tokio::time::sleep(every).await;
            // What goes wrong here is no business of the board's: it goes on.
            let _ = self.act(turn).await;
        }
    }

    async fn act(&self, turn: u32) -> Result<(), BoxError> {
        match turn % 3 {
            0 => drop(self.0.add(&format!("turn the compost, round {}", turn / 3 + 1), Column::Todo).await?),
            1 => self.advance(Column::Todo, Column::Doing).await?,
            _ => self.advance(Column::Doing, Column::Done).await?,
        }
        Ok(())
    }

    async fn advance(&self, from: Column, to: Column) -> Result<(), BoxError> {
        let first = Query::new().filter(Card::COLUMN.eq(from)).order_by(Card::RANK).limit(1);
        match self.0.engine.query(first).await?.pop() {
            Some(card) => self.0.put(card.id, to).await,
            None => Ok(()),
        }
    }
}
