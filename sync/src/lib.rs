//! Offline-first sync, typed from end to end.
//!
//! Put [`Syncable`] on your structs and [`Schema`] on the struct that carries the handlers, build an [`Engine`] out of it, a
//! server and a storage, and [`push`](Engine::push): the edit is durable when that returns, online or not. The engine
//! sends it over ordinary REST, pulls what others changed, retries, and has conflicts decided by strategies that the
//! compiler has checked.
//!
//! ```no_run
//! # #[cfg(all(feature = "sqlite", feature = "rest"))] mod program {
//! use serde::{Deserialize, Serialize};
//! use sync::{BoxError, Engine, OnPull, Pulled, RestRemote, Schema, SqliteStorage, Syncable};
//!
//! #[derive(Clone, Serialize, Deserialize, Syncable)]
//! #[sync(endpoint = "/notes", conflict = ServerWins)]
//! struct Note { id: String, title: String }
//!
//! #[derive(Schema)]
//! #[sync(entities(Note))]
//! struct App;
//!
//! impl OnPull<Note> for App {
//!     async fn on_pull(&self, pulled: Pulled<Note>) -> Result<(), BoxError> {
//!         for change in &pulled.changes { /* store change.local() under change.id() */ }
//!         Ok(())
//!     }
//! }
//!
//! async fn example() -> Result<(), BoxError> {
//!     let (server, storage) = (RestRemote::new("https://api.example.com/v1")?, SqliteStorage::open("app.db")?);
//!     let engine = Engine::builder(App, server, storage).build().await?;
//!     engine.push(&Note { id: "a".into(), title: "milk".into() }).await?;
//!     engine.full_sync().await?;
//!     Ok(())
//! }
//! # }
//! ```
//!
//! # Where things are
//!
//! - [`entity`], [`handler`], [`strategy`]: what the application writes.
//! - [`merge`](mod@merge): how the fields of two versions become one.
//! - [`replica`]: a local copy of the records, to read, query and watch.
//! - [`Engine`]: what it calls; [`SyncReport`], [`Status`], [`SyncEvent`], [`Receipt`]: what it is told.
//! - [`record`]: the pure core with all the rules; [`storage`] and [`remote`]: where records are kept and sent.
//! - `testing` (feature `testing`): a scriptable server for tests of your own.
//!
//! # Features
//!
//! - `sqlite` (default): `SqliteStorage`.
//! - `rest` (default): `RestRemote`.
//! - `network`: `NetworkConnectivity`, which hears from the system when the device is online.
//! - `testing`: the module `testing`.
//! - `planted-faults`: mistakes that this repository's own tests switch on; of no use to anybody else.

#![forbid(unsafe_code)]

extern crate self as sync;

/// Whether a test has planted this mistake here. Without the feature `planted-faults` it is `false`, and the line compiles
/// to nothing.
#[cfg(not(feature = "planted-faults"))]
macro_rules! planted {
    ($mistake:ident) => {
        false
    };
}
#[cfg(feature = "planted-faults")]
macro_rules! planted {
    ($mistake:ident) => {
        crate::planted::is(crate::planted::Mistake::$mistake)
    };
}

pub mod clock;
#[doc(hidden)]
pub mod codegen_support;
mod connectivity;
mod engine;
pub mod entity;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
pub mod handler;
pub mod merge;
mod misfit;
#[cfg(feature = "planted-faults")]
#[doc(hidden)]
pub mod planted;
pub mod record;
pub mod remote;
pub mod replica;
mod report;
mod rim;
mod status;
pub mod storage;
pub mod strategy;
mod telemetry;
#[cfg(feature = "testing")]
pub mod testing;

pub use clock::{Clock, SystemClock};
#[cfg(feature = "network")]
pub use connectivity::NetworkConnectivity;
pub use connectivity::{AlwaysOnline, Connectivity, ManualConnectivity, ServerProbe};
pub use engine::receipt::{NotSynced, Receipt};
pub use engine::settings::{AutoSync, RetryPolicy};
pub use entity::{EntityId, EntityInfo, EntityOf, ReferenceError, Schema, Syncable, Timestamp, Timestamped};
pub use error::{Error, Handler, HandlerError, SyncError};
pub use handler::{Change, Conflict, OnConflict, OnPull, Pulled, Resolution};
pub use merge::{Mergeable, Merged, OnDelete};
pub use misfit::Misfit;
pub use record::{OperationId, Principal};
#[cfg(feature = "rest")]
pub use remote::rest::{
    Authorization, Credentials, CredentialsError, Dialect, RestError, RestRemote, RestRemoteBuilder, Secret,
    Signer, Unsigned,
};
pub use remote::{Remote, RemoteError};
pub use replica::{HandsOver, Indexable, Outdated, Query, Replicated};
pub use report::SyncReport;
#[cfg(feature = "sqlite")]
pub use rim::AppTransaction;
pub use rim::{
    Deferred, Engine, EngineBuilder, EngineTransaction, Operation, Parked, Pending, SyncState, WatchChange,
    WatchEvent, Watched,
};
pub use status::{State, Status};
#[cfg(feature = "sqlite")]
pub use storage::{Durability, SqliteStorage};
pub use storage::{MemoryStorage, Storage, StorageError};
pub use strategy::{AsksHandler, ClientWins, LastWriteWins, Manual, Merge, ServerWins, Strategy};
pub use sync_derive::{Mergeable, Schema, Syncable};
pub use telemetry::{Events, SyncEvent, Telemetry, Verdict};

/// Any error of the user's: what handlers return.
pub type BoxError = Box<dyn std::error::Error + Send + Sync + 'static>;

/// Compiles the code of the README.
#[cfg(all(doctest, feature = "sqlite", feature = "rest"))]
#[doc = include_str!("../../README.md")]
struct Readme;
