//! Live changes: what a server tells without being asked.
//!
//! Hints get lost, come twice and come late, so they only ever start a pull; what changed is what the pull brings.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::BoxStream;

use super::RemoteError;
use crate::entity::EntityInfo;
use crate::record::{RecordKey, Version};

/// How many changed records of an entity are told apart. To hear of more is as good as to hear that something changed.
pub(crate) const TOLD_APART: usize = 256;

/// What to listen for.
#[derive(Debug, Clone)]
pub struct ListenRequest {
    /// The entity.
    pub entity: &'static EntityInfo,
    /// The last event that was heard before the connection was lost; `None` the first time, and when the server has refused to go on behind
    /// that one.
    pub after: Option<EventId>,
}

/// What is heard, until the connection is lost: then the stream ends, with or without an error.
pub type Changes = BoxStream<'static, Result<Heard, RemoteError>>;

/// What a server says on its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Something changed.
    Hint {
        /// Where to go on after a lost connection, when the server numbers its events.
        event: Option<EventId>,
        /// What changed.
        changed: Changed,
    },
    /// How long to wait at least before the next connection, once this one is lost.
    Reconnect(Duration),
}

/// What changed on the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// Something of the entity.
    Anything,
    /// This record has this version now.
    Record {
        /// The record.
        key: RecordKey,
        /// The version.
        version: Version,
    },
    /// This record is gone.
    Deleted {
        /// The record.
        key: RecordKey,
    },
}

/// The server's name for a place in its stream of events; `Last-Event-ID` of server-sent events.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EventId(Arc<str>);

impl EventId {
    /// Takes a name over.
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
