//! The server asks to be left alone for a while: everything waits that long (`docs/design.md`, section 6), and every report says so.

mod back_off;
mod flushes;
mod listeners;
mod pulls;

use std::time::Duration;

use sync::{SyncError, SyncReport};

const MINUTE: Duration = Duration::from_secs(60);

/// Whether a report says that the server asked to be left alone, and nothing else.
fn says_only_that_it_waits(report: &SyncReport) -> bool {
    matches!(report.errors.as_slice(), [error] if matches!(&**error, SyncError::Throttled { .. }))
}
