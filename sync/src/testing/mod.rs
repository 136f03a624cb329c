//! For tests of applications: a server in memory with faults at will, and a clock that stands still. For those who write a
//! server: the conformance kit, `contract` (feature `rest`).
//!
//! ```
//! # use serde::{Deserialize, Serialize};
//! # use sync::{Engine, MemoryStorage, OnPull, Schema, Syncable};
//! use sync::testing::{Fault, ScriptedRemote};
//! # #[derive(Clone, Serialize, Deserialize, Syncable)]
//! # #[sync(endpoint = "/notes", conflict = ServerWins)]
//! # struct Note { id: String }
//! # #[derive(Schema)]
//! # #[sync(entities(Note))]
//! # struct App;
//! # impl OnPull<Note> for App {}
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = ScriptedRemote::new();
//! let engine = Engine::builder(App, server.clone(), MemoryStorage::new()).build().await?;
//! engine.push(&Note { id: "a".into() }).await?;
//!
//! server.once(Fault::AnswerLost); // the server takes it, and nobody hears of it
//! engine.flush().await?;
//! assert_eq!(engine.queue_len(), 1);
//!
//! engine.flush().await?; // the same operation again
//! assert_eq!(engine.queue_len(), 0);
//! assert_eq!(server.writes().len(), 1); // it took effect once
//! # Ok(()) }
//! ```

mod clock;
#[cfg(feature = "rest")]
pub mod contract;
mod remote;
mod server;

pub use self::clock::ManualClock;
pub use self::remote::{Call, Fault, Gate, ScriptedRemote};
pub use self::server::Effect;
