//! What this process holds in memory, as Linux tells it.

use std::fs;
use std::io;

/// The memory that the process has now, in KiB; `None` on systems that do not tell.
#[must_use]
pub fn resident() -> Option<u64> {
    field("VmRSS:")
}

/// The most that the process had since [`forget_peak`], in KiB; `None` on systems that do not tell.
#[must_use]
pub fn peak() -> Option<u64> {
    field("VmHWM:")
}

/// Starts a new peak.
///
/// # Errors
/// On systems that know no peak.
pub fn forget_peak() -> io::Result<()> {
    fs::write("/proc/self/clear_refs", "5")
}

fn field(name: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
