//! A deterministic simulation: devices, a server and everything that can go wrong between them, all out of one seed.
//!
//! A [`Plan`] says what happens in a history; [`play`] plays it on paused time in one thread, through the framework's own
//! `Remote`, `Storage` and `Clock`. After every commit, request and call of a handler, `model` compares what is there with
//! what the device owes its user; in the quiet time at the end, everything has to settle and all have to agree.
//! `shrink` makes a short history of a long one that fails. Nothing in here reads a clock, opens a socket or rolls dice of
//! its own.

#![allow(missing_debug_implementations, reason = "nobody prints them")]

mod app;
mod campaign;
mod device;
mod dice;
mod disk;
mod entities;
mod faults;
mod history;
mod life;
mod live;
mod model;
mod plan;
mod reader;
mod server;
mod shrink;
mod trace;
mod wire;
mod world;

pub use self::campaign::Campaign;
pub use self::faults::{Fault, Tally};
pub use self::history::{Outcome, play};
pub use self::model::Defect;
pub use self::plan::Plan;
pub use self::shrink::shrink;
pub use self::trace::Keep;
