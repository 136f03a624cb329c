//! Real servers that nobody here wrote, each with nothing but its dialect: the same story on each of them, and the traps that
//! they set.
//!
//! `tests/interop/install` installs them; one that is missing fails its tests.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test may")]

mod app;
mod backend;
mod live;
mod proxy;
mod servers;
mod story;
mod traps;
