//! Stories about the local copy that the engine keeps of an entity's records.
#![allow(clippy::unwrap_used, reason = "these are tests")]

mod dated;
mod device;
mod evolved;
mod grown;
mod panicking;
mod partial;
mod querying;
mod reading;
mod staged;
mod transactions;
mod unordered;
mod unreadable;
mod versions;
mod watching;
