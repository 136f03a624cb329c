//! A disk that remembers, forgets and fails, for files that SQLite opens by their ordinary paths.
//!
//! [`Disk::watch`] puts a folder under watch. A SQLite VFS, which becomes the default of the process, hands everything on
//! to the system's one; for files of a watched folder it keeps a log of writes, truncations, syncs and deletions
//! ([`disk`]), and lets them fail. From a log and a moment, [`cut`] makes the files that a power cut leaves.

pub mod cut;
pub mod disk;
mod shim;

pub use self::disk::{Disk, Trouble};
