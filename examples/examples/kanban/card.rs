//! The cards of the board, and how a conflict about one is decided.

use serde::{Deserialize, Serialize};
use sync::replica::Indexable;
use sync::storage::IndexValue;
use sync::{BoxError, Conflict, Mergeable, OnConflict, Resolution, Schema, Syncable};
use uuid::Uuid;

/// A card. The engine keeps all of them (`replica`), so this program has no table of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/cards", conflict = Manual, replica)]
pub struct Card {
    pub id: Uuid,
    #[sync(merge = Remote)]
    pub title: String,
    /// A column and the place in it belong together: they are never mixed from two devices.
    #[sync(index, group = "place")]
    pub column: Column,
    #[sync(index, group = "place")]
    pub rank: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Column {
    Todo,
    Doing,
    Done,
}

impl Column {
    pub const ALL: [Self; 3] = [Self::Todo, Self::Doing, Self::Done];

    pub fn title(self) -> &'static str {
        match self {
            Self::Todo => "To do",
            Self::Doing => "Doing",
            Self::Done => "Done",
        }
    }

    pub fn number(self) -> usize {
        Self::ALL.iter().position(|column| *column == self).unwrap_or(0)
    }
}

impl Indexable for Column {
    fn index_value(&self) -> IndexValue {
        self.number().index_value()
    }
}

#[derive(Schema)]
#[sync(entities(Card))]
pub struct Board;

impl OnConflict<Card> for Board {
    /// Edits of different fields are merged; where both sides changed the same, the user is asked.
    async fn on_conflict(&self, conflict: Conflict<Card>) -> Result<Resolution<Card>, BoxError> {
        let Conflict { base, local, remote, .. } = conflict;
        Ok(match (local, remote) {
            (Some(local), Some(remote)) => {
                let merged = Card::merge(base.as_ref(), &local, &remote);
                if merged.overlaps.is_empty() { Resolution::Merged(merged.value) } else { Resolution::Defer }
            }
            // An edit wins over a deletion: what was edited can be deleted again.
            (Some(_), None) => Resolution::KeepLocal,
            (None, _) => Resolution::TakeRemote,
        })
    }
}
