//! What is on the screen: the cards as a watch tells them, and what the user is doing.

use std::collections::BTreeMap;

use sync::{Deferred, Status, SyncState, WatchChange, WatchEvent, Watched};
use uuid::Uuid;

use crate::card::{Card, Column};

pub struct Screen {
    cards: BTreeMap<Uuid, Watched<Card>>,
    pub selected: Option<Uuid>,
    pub mode: Mode,
    pub online: bool,
    pub status: Status,
    /// The conflict about the selected card, if there is one.
    pub conflict: Option<Deferred<Card>>,
    /// The last thing that went wrong.
    pub trouble: Option<String>,
}

/// What keys mean.
pub enum Mode {
    Board,
    /// A title is typed: of a new card, or of this one.
    Typing {
        card: Option<Uuid>,
        title: String,
    },
}

impl Screen {
    pub fn new(status: Status) -> Self {
        Self {
            cards: BTreeMap::new(),
            selected: None,
            mode: Mode::Board,
            online: true,
            status,
            conflict: None,
            trouble: None,
        }
    }

    pub fn apply(&mut self, event: WatchEvent<Card>) {
        match event {
            WatchEvent::Snapshot(all) => {
                self.cards = all.into_iter().map(|watched| (watched.record.id, watched)).collect();
            }
            WatchEvent::Changes(changes) => {
                for change in changes {
                    match change {
                        WatchChange::Inserted(watched) | WatchChange::Updated(watched) => {
                            self.cards.insert(watched.record.id, watched);
                        }
                        WatchChange::Removed(id) => {
                            self.cards.remove(&id);
                        }
                    }
                }
            }
        }
        if self.selected.is_none_or(|id| !self.cards.contains_key(&id)) {
            self.selected =
                Column::ALL.into_iter().find_map(|column| Some(self.column(column).first()?.record.id));
        }
    }

    /// The cards of a column, from the top.
    pub fn column(&self, column: Column) -> Vec<&Watched<Card>> {
        let mut cards: Vec<_> =
            self.cards.values().filter(|watched| watched.record.column == column).collect();
        cards.sort_by(|one, other| {
            one.record.rank.total_cmp(&other.record.rank).then(one.record.id.cmp(&other.record.id))
        });
        cards
    }

    pub fn selected(&self) -> Option<&Watched<Card>> {
        self.cards.get(&self.selected?)
    }

    /// Selects the card above or below.
    pub fn go_vertically(&mut self, by: isize) {
        let Some(card) = self.selected() else { return };
        let column = self.column(card.record.column);
        let place = column.iter().position(|other| other.record.id == card.record.id).unwrap_or(0);
        let wanted = place.saturating_add_signed(by).min(column.len().saturating_sub(1));
        self.selected = column.get(wanted).map(|watched| watched.record.id);
    }

    /// Selects a card of the next column that has any.
    pub fn go_horizontally(&mut self, right: bool) {
        let Some(card) = self.selected() else { return };
        let (here, id) = (card.record.column, card.record.id);
        let place = self.column(here).iter().position(|other| other.record.id == id).unwrap_or(0);
        let mut others: Vec<_> = Column::ALL
            .into_iter()
            .filter(|column| if right { *column > here } else { *column < here })
            .collect();
        if !right {
            others.reverse();
        }
        let next = others.into_iter().map(|column| self.column(column)).find(|cards| !cards.is_empty());
        if let Some(cards) = next {
            self.selected = cards.get(place).or(cards.last()).map(|watched| watched.record.id);
        }
    }
}

/// One letter that says where a card stands.
pub fn mark(state: &SyncState) -> char {
    match state {
        SyncState::Synced => ' ',
        SyncState::InFlight { .. } => '^',
        SyncState::Parked { .. } => '!',
        SyncState::InConflict { .. } => '?',
        _ => '*',
    }
}
