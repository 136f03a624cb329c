//! What the server tells on its own, to those that listen; hints and connections get lost.

use std::sync::{Arc, Weak};

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use sync::RemoteError;
use sync::record::{RecordKey, Version};
use sync::remote::{Changed, Heard};

use super::dice::Dice;
use super::entities::{Kind, Name};
use super::faults::{Fault, Rates, Tally};
use super::life::Life;

/// What comes over a connection.
pub(crate) type Hint = Result<Heard, RemoteError>;

/// The connections of those that listen.
pub(crate) struct Live {
    dice: Dice,
    rates: Rates,
    listeners: Vec<Listener>,
}

struct Listener {
    /// The life holds the world, and the world holds this.
    life: Weak<Life>,
    kind: Kind,
    hints: UnboundedSender<Hint>,
}

impl Live {
    pub(crate) fn new(seed: u64, rates: Rates) -> Self {
        Self { dice: Dice::for_purpose(seed, &[4]), rates, listeners: Vec::new() }
    }

    pub(crate) fn listen(&mut self, life: &Arc<Life>, kind: Kind) -> UnboundedReceiver<Hint> {
        let (hints, heard) = unbounded();
        self.listeners.push(Listener { life: Arc::downgrade(life), kind, hints });
        heard
    }

    /// Tells that a record changed.
    pub(crate) fn tell(&mut self, account: usize, name: &Name, version: Option<&Version>, tally: &mut Tally) {
        let Self { dice, rates, listeners } = self;
        listeners.retain(|listener| {
            let Some(life) = listener.life.upgrade() else { return false };
            if life.is_dead() || listener.hints.is_closed() {
                return false;
            }
            if life.account != account || listener.kind != name.kind {
                return true;
            }
            if dice.per_mille(rates.of(Fault::ConnectionLost)) {
                tally.count(Fault::ConnectionLost);
                return false;
            }
            if dice.per_mille(rates.of(Fault::HintLost)) {
                tally.count(Fault::HintLost);
                return true;
            }
            let key = RecordKey::new(name.key.as_str()).expect("the ids of the histories name records");
            let changed = match version {
                _ if dice.per_mille(100) => Changed::Anything,
                Some(version) => Changed::Record { key, version: version.clone() },
                None => Changed::Deleted { key },
            };
            listener.hints.unbounded_send(Ok(Heard::Hint { event: None, changed })).is_ok()
        });
    }
}
