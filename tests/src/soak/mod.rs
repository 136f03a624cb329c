//! Load: more operations than anybody queues, and many tasks at once.
//!
//! - [`queue`]: a long queue on disk, flushed to a `server` in a process of its own that fails now and then.
//! - [`crowd`]: many tasks that push, edit and delete while the engine flushes, pulls and is watched.

pub mod crowd;
pub mod memory;
pub mod queue;
pub mod server;
