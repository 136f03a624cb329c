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

mod canonical;
mod cleared;
mod content;
mod enqueue;
pub(crate) mod moment;
mod name;
mod next;
mod order;
mod park;
mod payload;
mod raw;
mod rebase;
mod refusal;
mod resolve;
mod server_copy;
mod settle;
mod upgrade;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use self::enqueue::{Edit, Enqueued, enqueue};
pub use self::name::{EntityName, IdError, OperationId, Principal, RecordKey, RecordRef, Version};
pub use self::next::{Lane, Next, launch, next};
pub use self::park::{GivenUp, discard, reinstate, supersede};
pub use self::payload::Payload;
pub(crate) use self::raw::{raw_member, raw_members};
pub use self::rebase::{Rebased, rebase};
pub use self::refusal::{Problem, Refusal};
pub use self::resolve::{Decision, Dispute, Resolved, resolve};
pub use self::server_copy::ServerCopy;
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
    /// The value: kept where the strategy needs an ancestor, where the record refers to others, where there is no version to compare, and
    /// what an answer told until a pull shows it: a list may tell no versions, though answers do.
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
    /// The number of the decision about a conflict that made it what it is. A deletion comes after what was edited before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<u64>,
    /// When the oldest edit in it was made, by this device's clock: since then something waits. For people to read.
    #[serde(with = "moment::text")]
    pub made_at: DateTime<Utc>,
    /// What the server is asked to do.
    pub write: Write,
    /// The records that have to be on the server before this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<RecordRef>,
    /// The records that it referred to before, and does not once this is through: they are not deleted before that.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaves: Vec<RecordRef>,
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

impl Intention {
    /// A deletion waits for what took its place in the outbox before this number, and is in its way.
    pub(crate) fn meant_at(&self) -> u64 {
        self.decided.unwrap_or(self.revision)
    }

    /// Notes the records that it referred to before.
    pub(crate) fn leave(&mut self, before: impl IntoIterator<Item = RecordRef>) {
        for parent in before.into_iter().filter(|_| !planted!(FormerParentIsForgotten)) {
            if !self.references.contains(&parent) && !self.leaves.contains(&parent) {
                self.leaves.push(parent);
            }
        }
    }

    /// The records that it refers to, and those that it referred to before.
    pub(crate) fn parents(&self) -> impl Iterator<Item = &RecordRef> {
        self.references.iter().chain(&self.leaves)
    }
}

/// How many echoes are kept: after that many operations without an answer, the oldest is forgotten.
const MOST_ECHOES: usize = 8;

impl Intention {
    /// What this operation, of which so much is known, and those before it, may have left on the server.
    fn may_have_left(&self, sent: Sent) -> Vec<Option<Payload>> {
        if planted!(EchoIsForgotten) {
            return Vec::new();
        }
        let mut echoes = self.echoes.clone();
        if sent != Sent::NotTaken {
            echoes.push(self.write.payload().cloned());
        }
        if echoes.len() > MOST_ECHOES {
            echoes.remove(0);
        }
        echoes
    }
}

/// What is known of the attempts to send an operation, while none has settled it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sent {
    /// The server has not taken it: each attempt got an answer that says so, or never arrived.
    NotTaken,
    /// One is under way, and the server has not taken it before.
    UnderWay,
    /// One has ended without an answer to tell: the server may have taken it.
    #[default]
    InDoubt,
}

impl Sent {
    /// An attempt begins. One that is under way still ended with the program.
    fn again(self) -> Self {
        match self {
            Self::NotTaken => Self::UnderWay,
            Self::UnderWay | Self::InDoubt => Self::InDoubt,
        }
    }

    /// The attempt under way was not taken, or was not made. It says nothing of those before.
    pub(crate) fn not_taken(self) -> Self {
        match self {
            Self::NotTaken | Self::UnderWay => Self::NotTaken,
            Self::InDoubt => Self::InDoubt,
        }
    }
}

/// An operation that was sent at least once and whose outcome is not known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Flight {
    /// The operation, as it is sent each time.
    pub intention: Intention,
    /// The version that it was made on, for `If-Match`.
    pub if_match: Option<Version>,
    /// What it is sent with; `None` in a row of an earlier state of this library, until it is sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<Frozen>,
    /// Attempts that failed and counted.
    pub attempts: u32,
    /// What is known of all attempts.
    #[serde(default)]
    pub sent: Sent,
    /// Not to be sent again before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<DateTime<Utc>>,
    /// Not to be sent before it was looked at what the server has: that may be what nobody here has seen, or what an earlier operation has
    /// left there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub look_first: bool,
}

/// What an operation is sent with besides what it writes, by the rules of the program that sent it first: those of a later one may say
/// something else, and an idempotency key never carries another body.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Frozen {
    /// The members that it takes out of what the server has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cleared: Vec<String>,
    /// The value of the base as that program writes it, where it is stored in another way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<Payload>,
}

impl Frozen {
    fn now(write: &Write, base: Option<&Base>, rules: &Rules) -> Self {
        let stored = base.and_then(|base| base.value.as_ref());
        // A member for which this program has no field any more is none that the edit took away.
        let written = stored.and_then(|stored| rules.written(stored));
        let known = written.filter(|written| stored.is_none_or(|stored| stored.as_str() != written.as_str()));
        Self { cleared: write.clears(base, rules), known }
    }
}

impl Flight {
    /// Another version than the base was seen while its outcome is unknown. With a version to compare, the server refuses to write over
    /// that; without one, it is looked at before this is sent again.
    pub(crate) fn cross(&mut self) {
        self.intention.crossed = true;
        self.look_first |= self.if_match.is_none();
    }
}

/// An operation in nobody's way: it waits for the user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parked {
    /// The operation, whole.
    pub intention: Intention,
    /// The version that it was made on.
    pub if_match: Option<Version>,
    /// What it was sent with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen: Option<Frozen>,
    /// Why it is here.
    pub reason: ParkReason,
    /// Since when, by this device's clock.
    pub since: DateTime<Utc>,
    /// What is known of the attempts to send it.
    #[serde(default)]
    pub sent: Sent,
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
        /// The server's side of the conflict, kept up to date by later pulls. With another one, the operation has another id.
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

/// What the core has to know about an entity.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules {
    /// Whether the value of the base is needed: by the strategy, or to know what the record referred to.
    pub keeps_base: bool,
    /// The JSON member that carries `updated_at`, when the entity has one.
    pub updated_at_member: Option<&'static str>,
    /// The JSON members that are lists in no order.
    pub unordered: &'static [&'static str],
    /// Whether an update leaves alone at the server what it does not name.
    pub merges: bool,
    /// The JSON members that a record may be written without.
    pub optional: &'static [&'static str],
    /// The record as this version of the program writes it, unless it cannot be read: what an earlier one has stored or sent may lack a
    /// member, while every copy that the server shows is read and written by this one.
    pub reread: Option<fn(&Payload) -> Option<Payload>>,
    /// The records that one refers to, where records of its entity do.
    pub references: Option<fn(&Payload) -> Vec<RecordRef>>,
}

impl Rules {
    /// A record as this version of the program writes it; `None` when it cannot be read.
    pub(crate) fn written(&self, payload: &Payload) -> Option<Payload> {
        self.reread.map_or_else(|| Some(payload.clone()), |reread| reread(payload))
    }

    /// Rules by which nothing is left out when two records are compared, `updated_at` neither.
    pub(crate) fn everything(self) -> Self {
        Self { updated_at_member: None, ..self }
    }

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
        // A pull may have shown something else since it was parked.
        let exists = match self.parked.as_ref().and_then(|parked| parked.reason.seen()) {
            Some(seen) => *seen != ServerCopy::Deleted,
            None => self.base.is_some(),
        };
        match (exists, self.is_pending()) {
            (_, false) => true,
            (true, true) => !(leaving && returning),
            // A deletion of a record that was never seen does not announce that it will come to exist; what is under way before it may.
            (false, true) => {
                let coming = self.flight.is_some() && !leaving;
                !coming && self.newest().is_some_and(|newest| newest.write == Write::Delete)
            }
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}
