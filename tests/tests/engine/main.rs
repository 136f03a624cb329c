//! Stories about the engine, on a server in memory whose faults are chosen.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test may")]

mod device;

mod alone;
mod answering;
mod background;
mod bases;
mod conflicts;
mod deciding;
mod event_ids;
mod failures;
mod folders;
mod handlers;
mod left_alone;
mod listening;
mod merging;
mod misfits;
mod online;
mod ordering;
mod parked;
mod patching;
mod peculiar;
mod pulling;
mod pushing;
mod runtimes;
mod scripted;
mod shutdown;
mod simulated;
mod status;
mod timers;
mod unlucky;
mod unreadable;
mod unwritable;
mod waiting;
mod warned;
