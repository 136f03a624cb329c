//! How a SQLite storage is opened.

use std::path::PathBuf;
use std::sync::Arc;

use super::connection::{self, Layout};
use super::failure::Failures;
use super::file_lock::FileLock;
use super::live::Live;
use super::location::{Location, io_error};
use super::numbers::Numbers;
use super::pace::Pace;
use super::schema::{UPGRADES, Upgrade};
use super::thread::Worker;
use super::{Handle, SqliteStorage};
use crate::storage::StorageError;
use crate::storage::possession::Possession;

/// What survives a power cut. A crash of the program loses nothing either way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Durability {
    /// Everything that was answered: each commit waits for the disk (`synchronous = FULL`).
    #[default]
    Full,
    /// What was written up to a moment before; the file stays whole (`synchronous = NORMAL`).
    Normal,
}

/// Opens a [`SqliteStorage`]; made by [`SqliteStorage::builder`].
#[derive(Debug, Clone)]
#[must_use = "nothing is opened before `open` is called"]
pub struct SqliteBuilder {
    path: PathBuf,
    durability: Durability,
    log_bytes: Option<u32>,
    read_only: bool,
    upgrades: &'static [Upgrade],
}

impl SqliteBuilder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, durability: Durability::Full, log_bytes: None, read_only: false, upgrades: UPGRADES }
    }

    /// What has to survive a power cut; [`Durability::Full`] unless told otherwise.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// From how many bytes on the log beside the file (`-wal`) is moved into the file. That goes on while others write, so the log may
    /// grow to twice this size, and beyond it for a single transaction that needs more. Default: 4 MiB with [`Durability::Full`], 16 MiB
    /// with [`Durability::Normal`]. A small value saves disk space; a large one saves writes, since what changes again and again is
    /// moved less often.
    pub fn log_bytes(mut self, bytes: u32) -> Self {
        self.log_bytes = Some(bytes);
        self
    }

    /// Opens the file for reading only, also while another program has it: for tools that look into it. Nothing is locked
    /// or upgraded, every write fails with [`StorageError::OpenedReadOnly`], and no engine can own it. The counts are those of when it was
    /// opened.
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Takes other upgrades than the real ones.
    #[cfg(test)]
    pub(super) fn upgrades(mut self, upgrades: &'static [Upgrade]) -> Self {
        self.upgrades = upgrades;
        self
    }

    /// Opens the file, and creates or upgrades it where that is needed. Reads and writes the file at once, without
    /// waiting for a thread.
    ///
    /// # Errors
    /// - [`StorageError::Locked`]: it is open already, in this program or another one.
    /// - [`StorageError::Foreign`], [`StorageError::TooNew`]: the file is another program's, or a newer version's.
    /// - [`StorageError::Open`]: the path leads to no file that could be opened, or the file could not be upgraded.
    /// - [`StorageError::Busy`]: another program is writing it, and does not come to an end.
    /// - [`StorageError::ReadOnly`], [`StorageError::Full`], [`StorageError::Corrupt`], [`StorageError::Io`].
    ///
    /// Whatever was kept in the file still is. With `Locked`, `Foreign` and `TooNew` it was not written at all; with the others, SQLite may
    /// have recovered what a crash had left, or set it to keep a log (WAL mode), and a `-lock` file may be beside it.
    pub fn open(self) -> Result<SqliteStorage, StorageError> {
        let location = Location::of(&self.path)?;
        let (connection, watch, lock) = if self.read_only {
            (connection::open_reading(&location, self.upgrades)?, None, None)
        } else {
            // A file that is none of ours does not even get a lock beside it.
            connection::examine(&location, self.upgrades)?;
            let lock = FileLock::take(&location.beside("-lock"), &location.given)?;
            let layout = Layout::of(self.durability, self.log_bytes);
            let (connection, watch) = connection::open(&location, self.durability, layout, self.upgrades)?;
            (connection, Some(watch), Some(lock))
        };
        let failures = Failures::new(self.path.clone(), self.read_only);
        let live = if self.read_only { Live::read(&connection) } else { Live::take(&connection) }
            .map_err(|error| failures.note(error))?;
        let pace = Pace::new();
        let worker = Worker {
            connection,
            failures,
            numbers: Numbers::default(),
            live,
            read_only: self.read_only,
            pace: pace.clone(),
            watch,
            _file_lock: lock,
        };
        let (jobs, thread) = worker.start().map_err(|error| io_error(&self.path, error))?;
        Ok(SqliteStorage {
            handle: Arc::new(Handle {
                jobs,
                pace,
                path: self.path,
                read_only: self.read_only,
                possession: Possession::default(),
                _thread: thread,
            }),
        })
    }
}
