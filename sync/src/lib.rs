//! Typed offline-first sync (documentation to come).

extern crate self as sync;

pub mod clock;
#[doc(hidden)]
pub mod codegen_support;
pub mod entity;
pub mod handler;
pub mod record;
pub mod remote;
mod rim;
pub mod storage;
pub mod strategy;

pub use clock::{Clock, SystemClock};
pub use entity::{EntityId, EntityInfo, EntityOf, Schema, Syncable, Timestamp, Timestamped};
pub use handler::{Change, Conflict, OnConflict, OnPull, Pulled, Resolution};
pub use remote::{Remote, RemoteError};
pub use storage::{MemoryStorage, Storage, StorageError};
pub use strategy::{AsksHandler, ClientWins, LastWriteWins, Manual, Merge, Mergeable, ServerWins, Strategy};
pub use sync_derive::{Schema, Syncable};

/// Any error of the user's: what handlers return.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;
