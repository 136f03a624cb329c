//! The pure core: what a record's row says, and the four functions that hold all the rules.
//!
//! - [`enqueue`]: what a new edit does to a record (coalescing).
//! - [`next`] and [`launch`]: whether something of a record is to be sent now, and freezing it.
//! - [`settle`]: what an answer of the server does; [`resolve`]: what the answer to a conflict does.
//! - [`rebase`]: what a pulled version does.
//!
//! The store keeps observations, not work: what to do next is computed from the row and the time. Nothing in
//! here does I/O, reads a clock, rolls dice or awaits; ids and times come in as a [`Stamp`].
//! (`docs/design.md`, section 4.)

mod content;
mod enqueue;
mod finite;
pub(crate) mod moment;
mod name;
mod next;
mod park;
mod payload;
mod rebase;
mod refusal;
mod resolve;
mod settle;
mod upgrade;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use self::enqueue::{Edit, Enqueued, enqueue};
pub use self::name::{EntityName, IdError, OperationId, Principal, RecordKey, RecordRef, Version};
pub use self::next::{Lane, Next, launch, next};
pub use self::park::{GivenUp, discard, reinstate};
pub use self::payload::Payload;
pub(crate) use self::payload::raw_member;
pub use self::rebase::{Rebased, rebase};
pub use self::refusal::{Problem, Refusal};
pub use self::resolve::{Decision, Dispute, Resolved, resolve};
pub use self::settle::{Failure, Outcome, Settled, settle};

/// All that is known of one record. An empty one is not stored.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// What the server is known to have; `None` when it is not known to have the record.
    pub base: Option<Base>,
    /// The operation that was sent and whose outcome is not known. Frozen: it is only sent again as it is.
    pub flight: Option<Flight>,
    /// The newest local intention, never sent yet.
    pub queued: Option<Intention>,
    /// What the server refused for good, or what waits for the user's decision.
    pub parked: Option<Parked>,
    /// The record that has to get through before this one may be sent. Set and cleared by the engine when it
    /// looks for something to send.
    pub blocked_on: Option<RecordRef>,
}

/// The last state of a record that the server is known to have had: the ancestor of a merge.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Base {
    /// The server's version, for `If-Match`; `None` when the server did not tell one.
    pub version: Option<Version>,
    /// The value: kept where the strategy needs an ancestor, where there is no version to compare, and what an answer told until a pull
    /// shows it: a list may tell no versions, though answers do.
    pub value: Option<Payload>,
}

impl Base {
    fn seen(version: Option<Version>, value: Payload, rules: &Rules) -> Self {
        let value = Self::needs_value(version.as_ref(), rules).then_some(value);
        Self { version, value }
    }

    /// Whether the value has to be kept beside the version.
    pub(crate) fn needs_value(version: Option<&Version>, rules: &Rules) -> bool {
        rules.keeps_base || version.is_none()
    }
}

/// What the server is asked to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Write {
    /// Make a new record.
    Create(Payload),
    /// Change an existing record.
    Update(Payload),
    /// Put this in place of whatever is there: the winner of a conflict, or a record made again after it was
    /// deleted.
    Overwrite(Payload),
    /// Remove the record.
    Delete,
}

impl Write {
    /// The record that the server will have afterwards; `None` for a deletion.
    #[must_use]
    pub fn payload(&self) -> Option<&Payload> {
        match self {
            Self::Create(payload) | Self::Update(payload) | Self::Overwrite(payload) => Some(payload),
            Self::Delete => None,
        }
    }

    /// One word for logs and events.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Create(_) => "create",
            Self::Update(_) => "update",
            Self::Overwrite(_) => "overwrite",
            Self::Delete => "delete",
        }
    }
}

/// A local edit that waits for the server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intention {
    /// The operation's id and idempotency key.
    pub id: OperationId,
    /// The place in the outbox. An edit that is coalesced into a waiting one keeps that one's place.
    pub seq: u64,
    /// The number of the newest edit in it; grows with each edit of the record.
    pub revision: u64,
    /// When the newest edit was made, by this device's clock; for people to read.
    #[serde(with = "moment::text")]
    pub made_at: DateTime<Utc>,
    /// What the server is asked to do.
    pub write: Write,
    /// The records that have to be on the server before this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<RecordRef>,
    /// Not to be sent before this time; set when the rounds of a conflict were used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<DateTime<Utc>>,
    /// How many conflicts in a row this edit went through.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rounds: u32,
    /// What earlier operations of this device, whose outcome never became known, may have left on the server; `None` for
    /// nothing, after a deletion. Finding that there is no conflict.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub echoes: Vec<Option<Payload>>,
    /// A version was pulled that is neither the base nor kept, because the outcome of an attempt was unknown or the
    /// operation was parked: the record is read anew once the server took this or the user gave it up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub crossed: bool,
}

/// How many echoes are kept: after that many operations without an answer, the oldest is forgotten.
const MOST_ECHOES: usize = 8;

impl Intention {
    /// What this operation, and those before it, may have left on the server if it was sent.
    fn may_have_left(self) -> Vec<Option<Payload>> {
        if planted!(EchoIsForgotten) {
            return Vec::new();
        }
        let mut echoes = self.echoes;
        echoes.push(self.write.payload().cloned());
        if echoes.len() > MOST_ECHOES {
            echoes.remove(0);
        }
        echoes
    }
}

/// An operation that was sent at least once and whose outcome is not known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flight {
    /// The operation, as it is sent each time.
    pub intention: Intention,
    /// The version that it was made on, for `If-Match`.
    pub if_match: Option<Version>,
    /// Attempts that failed and counted.
    pub attempts: u32,
    /// Not to be sent again before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<DateTime<Utc>>,
}

/// An operation in nobody's way: it waits for the user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parked {
    /// The operation, whole.
    pub intention: Intention,
    /// The version that it was made on.
    pub if_match: Option<Version>,
    /// Why it is here.
    pub reason: ParkReason,
    /// Since when, by this device's clock.
    pub since: DateTime<Utc>,
}

/// Why an operation is parked.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ParkReason {
    /// The server refused it for good.
    Refused {
        /// What the server said.
        refusal: Refusal,
        /// A newer state of the record that was pulled since.
        seen: Option<ServerCopy>,
    },
    /// All attempts failed.
    Exhausted {
        /// How many there were.
        attempts: u32,
        /// How the last one failed.
        last: String,
        /// A newer state of the record that was pulled since.
        seen: Option<ServerCopy>,
    },
    /// The handler left the conflict to the user.
    Deferred {
        /// The server's side of the conflict, kept up to date by later pulls.
        remote: ServerCopy,
    },
}

impl ParkReason {
    /// The server's newest state as far as it was seen since.
    #[must_use]
    pub fn seen(&self) -> Option<&ServerCopy> {
        match self {
            Self::Refused { seen, .. } | Self::Exhausted { seen, .. } => seen.as_ref(),
            Self::Deferred { remote } => Some(remote),
        }
    }
}

/// A record as the server was seen to have it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServerCopy {
    /// It exists.
    Present {
        /// Its version, when the server told one.
        version: Option<Version>,
        /// Its value.
        value: Payload,
    },
    /// It does not exist, or no longer.
    Deleted,
}

impl ServerCopy {
    /// The value; `None` when it does not exist.
    #[must_use]
    pub fn value(&self) -> Option<&Payload> {
        match self {
            Self::Present { value, .. } => Some(value),
            Self::Deleted => None,
        }
    }

    /// The version, when the server told one.
    #[must_use]
    pub fn version(&self) -> Option<&Version> {
        match self {
            Self::Present { version, .. } => version.as_ref(),
            Self::Deleted => None,
        }
    }

    fn to_base(&self, rules: &Rules) -> Option<Base> {
        match self {
            Self::Present { version, value } => Some(Base::seen(version.clone(), value.clone(), rules)),
            Self::Deleted => None,
        }
    }

    /// The base after one that was known: what is shown as it was, without a version, has the version that it had.
    fn to_base_after(&self, known: Option<&Base>, rules: &Rules) -> Option<Base> {
        match (self, known) {
            (Self::Present { version: None, .. }, Some(known)) if self.is_base(Some(known), rules) => {
                Some(known.clone())
            }
            _ => self.to_base(rules),
        }
    }

    /// Whether this is what the server has once it took the write.
    fn is_result_of(&self, write: &Write, rules: &Rules) -> bool {
        match (self, write.payload()) {
            (Self::Present { value, .. }, Some(sent)) => value.same_content(sent, rules),
            (Self::Deleted, None) => true,
            _ => false,
        }
    }

    /// Whether the server still has what it was known to have.
    pub(crate) fn is_base(&self, base: Option<&Base>, rules: &Rules) -> bool {
        match (self, base) {
            (Self::Deleted, None) => true,
            (Self::Present { version, value }, Some(base)) => match (version, &base.version) {
                (Some(theirs), Some(known)) => theirs == known,
                _ => base.value.as_ref().is_some_and(|known| known.same_content(value, rules)),
            },
            _ => false,
        }
    }

    /// Whether this is no reason to refuse a flight as a conflict: it is what the flight was made on, and was sent as that, and it is not
    /// what was sent. Then the
    /// server has a reason of its own, such as a value that has to be unique, or has not done yet what it said it would.
    pub(crate) fn is_no_ground(&self, flight: &Flight, base: Option<&Base>, rules: &Rules) -> bool {
        let as_sent = match (&flight.intention.write, self) {
            (Write::Create(_), Self::Deleted) => true,
            // What is there is written over, as an operation of another kind; and that something is gone, somebody has to decide.
            (Write::Create(_), Self::Present { .. }) | (_, Self::Deleted) => false,
            (_, Self::Present { version, .. }) => flight.if_match == *version,
        };
        as_sent && self.is_base(base, rules) && !self.is_result_of(&flight.intention.write, rules)
    }

    fn is_echo(&self, intention: &Intention, rules: &Rules) -> bool {
        intention.echoes.iter().any(|echo| match (self, echo) {
            (Self::Present { value, .. }, Some(echo)) => value.same_content(echo, rules),
            (Self::Deleted, None) => true,
            _ => false,
        })
    }
}

/// What the core has to know about an entity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rules {
    /// Whether the strategy needs the ancestor's value.
    pub keeps_base: bool,
    /// The JSON member that carries `updated_at`, when the entity has one.
    pub updated_at_member: Option<&'static str>,
    /// The JSON members that are lists in no order.
    pub unordered: &'static [&'static str],
}

impl Rules {
    /// The rules for what an answer about one record tells. Its value is kept beside the version, since a list may tell none.
    pub(crate) fn of_an_answer(self) -> Self {
        Self { keeps_base: true, ..self }
    }
}

/// The names and numbers that a step may use up. They come from outside, so that the core stays a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// A fresh operation id.
    pub id: OperationId,
    /// A fresh number, greater than every one given out before.
    pub seq: u64,
    /// The time.
    pub now: DateTime<Utc>,
    /// How often a conflict may be sent in one sync.
    pub rounds: Rounds,
}

/// How often in a row a record may go through a conflict and be sent again at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rounds {
    /// This often at most.
    pub limit: u32,
    /// After that, not before this time.
    pub later: DateTime<Utc>,
}

impl Record {
    /// Whether nothing is known, so that the row can go.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.base.is_none() && !self.is_pending()
    }

    /// Whether a local edit has not reached the server yet, parked ones included.
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.flight.is_some() || self.queued.is_some() || self.parked.is_some()
    }

    /// The newest local edit that has not reached the server yet.
    #[must_use]
    pub fn newest(&self) -> Option<&Intention> {
        self.queued
            .as_ref()
            .or(self.flight.as_ref().map(|flight| &flight.intention))
            .or(self.parked.as_ref().map(|parked| &parked.intention))
    }

    /// How the record looks on this device: the newest local edit, or else what the server has. `None` when it is deleted
    /// here, and when the server's value is not kept.
    #[must_use]
    pub fn view(&self) -> Option<&Payload> {
        match self.newest() {
            Some(newest) => newest.write.payload(),
            None => self.base.as_ref()?.value.as_ref(),
        }
    }

    /// The oldest local edit that waits to be sent; parked ones do not.
    #[must_use]
    pub fn oldest_waiting(&self) -> Option<&Intention> {
        self.flight.as_ref().map(|flight| &flight.intention).or(self.queued.as_ref())
    }

    /// Whether a record that references this one may be sent: the server has it, and is not about to lose it.
    /// Of a record without any pending edit nothing is known to the contrary.
    #[must_use]
    pub fn admits_children(&self) -> bool {
        let leaving = self.flight.as_ref().is_some_and(|flight| flight.intention.write == Write::Delete);
        let returning = self.queued.as_ref().is_some_and(|queued| queued.write != Write::Delete);
        let seen = self.parked.as_ref().and_then(|parked| parked.reason.seen());
        match (&self.base, self.is_pending()) {
            (_, false) => true,
            // A pull has shown it since it was parked.
            (None, true) if matches!(seen, Some(ServerCopy::Present { .. })) => true,
            (Some(_), true) => !(leaving && returning),
            // A deletion of a record that was never seen does not announce that it will come to exist.
            (None, true) => self.newest().is_some_and(|newest| newest.write == Write::Delete),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}
