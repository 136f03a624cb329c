//! A storage in memory.

/// Records, queue and cursors in memory: for tests, and for programs that need nothing after their end.
#[derive(Debug, Clone, Default)]
pub struct MemoryStorage;
