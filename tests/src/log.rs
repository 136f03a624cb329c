//! What was logged, to be looked at.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where a subscriber writes to. Clones are the same log.
#[derive(Debug, Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    /// What was logged so far.
    ///
    /// # Panics
    /// When that is no text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8(self.bytes().clone()).expect("a log is text")
    }

    /// Forgets it.
    pub fn clear(&self) {
        self.bytes().clear();
    }

    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
