//! The typed rim: the only layer that is generic over the user's types. It turns records into JSON bytes and back, and
//! calls the handlers.

mod as_sent;
mod builder;
mod decide;
mod decisions;
mod edits;
mod engine;
mod entity;
mod page;
mod parked;
mod replica;
#[cfg(feature = "sqlite")]
mod transaction;
mod watch;

use std::sync::Arc;

pub use self::builder::EngineBuilder;
pub use self::edits::EngineTransaction;
pub use self::engine::{Engine, Operation, Pending};
pub use self::parked::{Deferred, Parked, SyncState};
#[cfg(feature = "sqlite")]
pub use self::transaction::AppTransaction;
pub use self::watch::{WatchChange, WatchEvent, Watched};

use self::entity::TypedEntity;
use crate::codegen_support::ReferencesIn;
use crate::engine::port::EntityPort;
use crate::entity::{EntityOf, Schema};
use crate::remote::Remote;
use crate::replica::Keeping;
use crate::strategy::Strategy;

/// Collects the entities of a schema; the derive of [`Schema`] fills it.
pub struct Registry<S> {
    schema: Arc<S>,
    ports: Vec<Arc<dyn EntityPort>>,
    server: Asking,
}

/// What the server asks of the entities.
struct Asking {
    /// The last value that it is known to have had is needed, of every record.
    keeps_bases: bool,
    /// It is needed of the records that may be written without a member: an update leaves alone what it does not name.
    merges: bool,
    /// The members that are its own.
    own_members: Vec<String>,
    /// The one of them that marks a deletion.
    tombstone_member: Option<String>,
}

impl Asking {
    fn of(remote: &dyn Remote) -> Self {
        Self {
            keeps_bases: remote.sends_changes(),
            merges: remote.merges(),
            own_members: remote.own_members(),
            tombstone_member: remote.tombstone_member().map(str::to_owned),
        }
    }
}

impl<S: Schema> Registry<S> {
    fn collect(schema: S, remote: &dyn Remote) -> Vec<Arc<dyn EntityPort>> {
        let mut registry = Self { schema: Arc::new(schema), ports: Vec::new(), server: Asking::of(remote) };
        S::register(&mut registry);
        registry.ports
    }

    /// Adds an entity.
    pub fn add<T>(&mut self)
    where
        T: EntityOf<S, References: ReferencesIn<S>, Strategy: Strategy<S, T>, Keeping: Keeping<S, T>>,
    {
        if let Some(member) = &self.server.tombstone_member
            && T::MEMBERS.contains(&member.as_str())
        {
            // As a mirror of the server's own it does no harm, as long as the program leaves it as it is.
            tracing::warn!(
                entity = T::NAME,
                member,
                "a field of the struct has the name of the server's mark of a deletion, so that a record in which it is set counts as deleted: delete with `engine.delete`, and rename the field (`#[serde(rename = …)]`) if it is the program's own, or name another mark in the dialect (`RecordDialect::tombstone`)"
            );
        }
        self.ports.push(Arc::new(TypedEntity::<S, T>::new(Arc::clone(&self.schema), &self.server)));
    }
}

impl<S> std::fmt::Debug for Registry<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registry").field("entities", &self.ports.len()).finish_non_exhaustive()
    }
}
