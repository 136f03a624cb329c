//! Which files this process has open.
//!
//! On Unix, SQLite's locks on a file are gone as soon as the process closes any other handle of it, such as one to look at its header
//! (<https://www.sqlite.org/howtocorrupt.html>, section 2.2). Then another program takes itself for the last that has the file open, and
//! removes its log.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How often each is open.
static OPEN: Mutex<BTreeMap<PathBuf, usize>> = Mutex::new(BTreeMap::new());

/// While a file is being opened, no other one is.
pub(super) struct Opening(MutexGuard<'static, BTreeMap<PathBuf, usize>>);

/// A file is open, as long as this lives. Dropped after the connection.
#[derive(Debug)]
pub(super) struct Presence(PathBuf);

impl Opening {
    pub(super) fn begin() -> Self {
        Self(OPEN.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the file must not be looked at; it is known to be a storage.
    pub(super) fn is_open(&self, file: &Path) -> bool {
        self.0.contains_key(file)
    }

    /// The file is open from now on.
    pub(super) fn enter(mut self, file: PathBuf) -> Presence {
        *self.0.entry(file.clone()).or_default() += 1;
        Presence(file)
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.0) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.0);
            }
        }
    }
}
