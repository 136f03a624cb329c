//! Stories with real parts: SQLite files, the reference server over HTTP, a second process.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test may")]

mod abandoned;
mod bad_input;
mod careless;
mod http2;
mod live;
mod members;
mod merging;
mod network;
mod process;
mod receipts;
mod transaction;
mod versions;
