//! The server, as the engine sees it: the [`Remote`] trait and its implementation over REST.
//!
//! What an answer means is an enum ([`WriteAnswer`], [`Fetched`], [`Page`]); that no answer came, or one of no use, is a
//! [`RemoteError`], one variant for each class of failures.

mod changes;
mod error;
#[cfg(feature = "rest")]
pub mod rest;

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};

pub(crate) use self::changes::TOLD_APART;
pub use self::changes::{Changed, Changes, EventId, Heard, ListenRequest};
pub use self::error::{RemoteError, TransientCause};
use crate::entity::EntityInfo;
use crate::record::{OperationId, Payload, Problem, RecordKey, Version, Write};
use crate::storage::{Condition, Cursor};

/// A server that holds the records of all devices.
///
/// [`RestRemote`](crate::RestRemote) speaks the HTTP contract in the README; implement this trait for
/// another transport.
#[async_trait]
pub trait Remote: fmt::Debug + Send + Sync + 'static {
    /// Sends one operation. May be called for the same operation again, with the same [`WriteRequest::id`], when the
    /// answer to an earlier attempt was lost: the server must not apply it twice.
    ///
    /// # Errors
    /// When there was no answer, or one of no use.
    async fn send(&self, request: WriteRequest) -> Result<Reply<WriteAnswer>, RemoteError>;

    /// Gets one page of what changed after a cursor, deletions included.
    ///
    /// # Errors
    /// When there was no answer, or one of no use.
    async fn pull(&self, request: PullRequest) -> Result<Reply<Page>, RemoteError>;

    /// Gets one record.
    ///
    /// # Errors
    /// When there was no answer, or one of no use.
    async fn fetch(
        &self,
        entity: &'static EntityInfo,
        key: &RecordKey,
    ) -> Result<Reply<Fetched>, RemoteError>;

    /// Listens for what the server tells on its own about changes of an entity. `None`, the default, when it tells nothing:
    /// then changes are found by pulling from time to time.
    ///
    /// # Errors
    /// When there was no answer, or one of no use; it is tried again later. A server that never told anything and answers ten times in a
    /// row with [`RemoteError::Refused`], or with a page of HTML ([`TransientCause::WebPage`]), counts as one that tells nothing.
    async fn changes(&self, request: ListenRequest) -> Result<Option<Changes>, RemoteError> {
        let _ = request;
        Ok(None)
    }

    /// Whether the server would carry out such a write without comparing versions. Then the engine gets the record right before each
    /// such write, and where it is not as the edit knew it, takes that for a conflict instead of overwriting it. Default: no, the server
    /// compares versions itself.
    fn reads_first(&self, write: &Write) -> bool {
        let _ = write;
        false
    }

    /// Whether an update may be sent as what has changed since [`WriteRequest::base`]: then that is kept for every record, and where an
    /// operation before it, of which no answer came, may have left something else, the record is got first. Default: no.
    fn sends_changes(&self) -> bool {
        false
    }

    /// Whether an update leaves alone what it does not name, so that what a record has no longer has to be sent as `null`
    /// ([`WriteRequest::cleared`]). Then the last state is kept of each record that is not always written with the same members. Default: no.
    fn merges(&self) -> bool {
        false
    }

    /// The members of a record that are the server's own, such as its version: a type that refuses or collects what it does not know is
    /// not shown them. Default: none.
    fn own_members(&self) -> Vec<String> {
        Vec::new()
    }

    /// The member by which the server marks a record as deleted, if it has one. A type that writes a member of that name of its own is
    /// warned of when the engine is built: such a record would be taken for a deletion. Default: none.
    fn tombstone_member(&self) -> Option<&str> {
        None
    }

    /// Whether an endpoint is how the server tells one entity's records from another's: then no two entities may have the same one.
    /// Default: no.
    fn goes_by_endpoints(&self) -> bool {
        false
    }

    /// How deletions by others are found. Default: the server tells them.
    fn deletions(&self) -> Deletions {
        Deletions::Told
    }

    /// Finds out whether the server can be reached at all; any answer of it will do. It is asked also where a list, or a record, comes to
    /// nothing: when the server can be reached, only that is tried again later, and nothing else waits.
    ///
    /// # Errors
    /// [`RemoteError::Unreachable`] when it cannot.
    async fn probe(&self) -> Result<(), RemoteError>;
}

/// How deletions by others are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletions {
    /// As tombstones among what is pulled.
    Told,
    /// Not by the server: now and then everything is pulled, and what is missing in it is asked for, record by record.
    Listed {
        /// How long after one such pull the next one comes.
        every: Duration,
    },
}

/// An answer of the server, and whether it wants to be left alone after it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply<A> {
    /// What it says.
    pub answer: A,
    /// How long everything to this server is to wait (`Retry-After`, RFC 9110, section 10.2.3). No time at all is no pause.
    pub retry_after: Option<Duration>,
}

impl<A> Reply<A> {
    /// The pause that it asks for. No time at all is none asked for.
    pub(crate) fn wish(&self) -> Option<Duration> {
        wish(self.retry_after)
    }
}

/// What a `Retry-After` asks for: nothing, when that is no time at all.
fn wish(retry_after: Option<Duration>) -> Option<Duration> {
    retry_after.filter(|pause| !pause.is_zero())
}

impl<A> From<A> for Reply<A> {
    /// An answer that asks for no pause.
    fn from(answer: A) -> Self {
        Self { answer, retry_after: None }
    }
}

/// One operation, as it is sent.
#[derive(Debug, Clone)]
pub struct WriteRequest {
    /// The entity.
    pub entity: &'static EntityInfo,
    /// The record.
    pub key: RecordKey,
    /// The operation's id: the idempotency key.
    pub id: OperationId,
    /// What to do.
    pub write: Write,
    /// The version that the operation was made on. With one, the server is to refuse the operation when it has another.
    pub if_match: Option<Version>,
    /// The last state that the server was known to have had at the first attempt, where it is kept, as the program wrote it then: what the
    /// write is to be compared with.
    pub base: Option<Payload>,
    /// The members that the record has no longer, and the server was known to have at the first attempt, or might have where that is not
    /// kept. Filled for a server that [merges](Remote::merges).
    pub cleared: Vec<String>,
    /// How many attempts failed before; for logs.
    pub attempt: u32,
}

/// What a server says to an operation.
#[derive(Debug, Clone, PartialEq)]
pub enum WriteAnswer {
    /// It was applied, now or by an earlier attempt.
    Accepted {
        /// The record's new version, if the server told it.
        version: Option<Version>,
        /// The record as the server has it now, if the server told it; raw, since only the typed layer can read it.
        body: Option<Bytes>,
    },
    /// It was answered as a success that proves nothing: with a record that may have been there before (a `POST` answered
    /// with 200 rather than 201, say), or without one. Whether it is what was sent has to be looked at.
    Existing {
        /// The record's version, if the server told it.
        version: Option<Version>,
        /// The record as the server has it; where it is not told, it is asked for.
        body: Option<Bytes>,
    },
    /// It was answered as a success with something else than the record, so that nothing tells whether it was taken: the record is asked
    /// for. What is there then is taken for the record, or for a conflict; where it shows that nothing was done, or cannot be had, the
    /// attempt counts, and a creation is parked at once.
    Unclear {
        /// What came, for people, and what was expected.
        reason: String,
    },
    /// The server has another version than the one that the operation was made on.
    Conflict {
        /// That version, if the answer had it.
        version: Option<Version>,
        /// The server's record, if the answer had it.
        body: Option<Bytes>,
        /// What the server said of it besides, where it said anything.
        problem: Option<Box<Problem>>,
    },
    /// An update of a record that the server does not have, or no longer.
    Missing,
}

/// A record as the server has it.
#[derive(Debug, Clone, PartialEq)]
pub enum Fetched {
    /// It exists.
    Present {
        /// Its version, if the server told it.
        version: Option<Version>,
        /// The record; raw, since only the typed layer can read it.
        body: Bytes,
    },
    /// It does not, or no longer.
    Missing,
}

/// Which page to get.
#[derive(Debug, Clone)]
pub struct PullRequest {
    /// The entity.
    pub entity: &'static EntityInfo,
    /// Everything after this; `None` for everything.
    pub since: Option<Cursor>,
    /// How many records at most.
    pub limit: u32,
    /// Only the records for which all of this holds, their fields named as the JSON members are; `None` for every record. A
    /// remote that cannot ask for that may answer more: what is outside is not kept. Records that are deleted are told of
    /// whatever they were.
    pub scope: Option<Arc<[ScopeTerm]>>,
}

/// A part of a scope: what a field has to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeTerm {
    /// As the index orders it.
    pub condition: Condition,
    /// The least value, as the entity writes it.
    pub low: Bound<Payload>,
    /// The greatest value, as the entity writes it.
    pub high: Bound<Payload>,
}

/// One page of changes, each item still raw.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The changes, in the server's order.
    pub items: Vec<PageItem>,
    /// Where to go on.
    pub position: Position,
}

/// One change of a page.
#[derive(Debug, Clone, PartialEq)]
pub enum PageItem {
    /// A record was created or changed.
    Record {
        /// Its version, if the item tells it.
        version: Option<Version>,
        /// The JSON of the record.
        body: Bytes,
    },
    /// A record was deleted.
    Tombstone {
        /// The JSON of its id.
        id: Bytes,
    },
    /// An item that is neither, for instance one without an id.
    Unreadable {
        /// Its JSON.
        body: Bytes,
        /// What is wrong with it.
        reason: String,
    },
}

/// Where a pull goes on after a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// The server gave a cursor.
    Cursor {
        /// To be kept once the page is stored.
        cursor: Cursor,
        /// Whether there is more right now.
        has_more: bool,
    },
    /// The server gave none: the newest `updated_at` among the items takes its place.
    NewestItem {
        /// Whether the page was full, so that there may be more.
        full: bool,
        /// The newest among all items, deletions and those that cannot be read included, as far as that is known.
        newest: Option<DateTime<Utc>>,
        /// What is later than this is no time at which something was changed, but of a clock that is wrong: it is passed over, since no
        /// change would be seen before that time. `None` where the server does not tell its time.
        limit: Option<DateTime<Utc>>,
    },
    /// The list is over, and there is no cursor: the next pull begins where this one began.
    Beginning,
}
