//! Real storage on the bad day: killed processes, power cuts, disks that are full, broken or read-only, damaged files, and
//! two programs on one file.

#![allow(clippy::unwrap_used, unreachable_pub, reason = "a test may")]
#![cfg(unix)]

mod backup;
mod bad_disk;
mod damage;
mod damaged_base;
mod kill;
mod power_cut;
mod two_processes;
mod vfs;
