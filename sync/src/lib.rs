//! Typed offline-first sync (documentation to come).

extern crate self as sync;

pub mod clock;
#[doc(hidden)]
pub mod codegen_support;
mod connectivity;
mod engine;
pub mod entity;
mod error;
pub mod handler;
pub mod record;
pub mod remote;
mod report;
mod rim;
mod status;
pub mod storage;
pub mod strategy;
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;

pub use clock::{Clock, SystemClock};
pub use connectivity::{AlwaysOnline, Connectivity, ManualConnectivity, ServerProbe};
pub use engine::receipt::{NotSynced, Receipt};
pub use engine::settings::{AutoSync, RetryPolicy};
pub use entity::{EntityId, EntityInfo, EntityOf, Schema, Syncable, Timestamp, Timestamped};
pub use error::{Error, Handler, HandlerError, SyncError};
pub use handler::{Change, Conflict, OnConflict, OnPull, Pulled, Resolution};
pub use record::{OperationId, Principal};
#[cfg(feature = "rest")]
pub use remote::rest::{
    Authorization, Credentials, CredentialsError, Dialect, RestError, RestRemote, RestRemoteBuilder, Secret,
};
pub use remote::{Remote, RemoteError};
pub use report::SyncReport;
#[cfg(feature = "sqlite")]
pub use rim::AppTransaction;
pub use rim::{Deferred, Engine, EngineBuilder, Operation, Parked, RecordState};
pub use status::{State, Status};
#[cfg(feature = "sqlite")]
pub use storage::{Durability, SqliteStorage};
pub use storage::{MemoryStorage, Storage, StorageError};
pub use strategy::{AsksHandler, ClientWins, LastWriteWins, Manual, Merge, Mergeable, ServerWins, Strategy};
pub use sync_derive::{Schema, Syncable};
pub use telemetry::{Events, SyncEvent, Telemetry, Verdict};

/// Any error of the user's: what handlers return.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;
