//! The reference server over real sockets: each row of the HTTP contract, and what tests can make go wrong with it.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]

mod conflicts;
mod errors;
mod faults;
mod given;
mod idempotency;
mod live;
mod pages;
mod restart;
mod writes;
