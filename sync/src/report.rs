//! What a sync came to.

use std::sync::Arc;

use crate::error::SyncError;

/// What a call of [`flush`](crate::Engine::flush), [`pull`](crate::Engine::pull) or [`full_sync`](crate::Engine::full_sync)
/// came to. Callers whose requests were folded into one sync get the same report.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct SyncReport {
    /// Operations that the server took.
    pub pushed: u64,
    /// Changes that were pulled and handed over; what this device has sent is among them where the server's list shows it again.
    pub pulled: u64,
    /// Conflicts that were decided, or deferred to the user.
    pub conflicts: u64,
    /// Operations that came to wait for the user.
    pub parked: u64,
    /// Pulled items that could not be read and were kept aside.
    pub set_aside: u64,
    /// Records whose edits still wait to be sent, after the sync.
    pub remaining: u64,
    /// What went wrong, at most [`SyncReport::MAX_ERRORS`].
    pub errors: Vec<Arc<SyncError>>,
    /// How many more errors there were.
    pub errors_omitted: u64,
}

impl SyncReport {
    /// How many errors a report holds; the rest is counted.
    pub const MAX_ERRORS: usize = 100;

    /// Whether nothing went wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.errors.is_empty()
    }

    /// Adds what a part of the sync came to.
    pub(crate) fn add(&mut self, part: Self) {
        self.pushed += part.pushed;
        self.pulled += part.pulled;
        self.conflicts += part.conflicts;
        self.parked += part.parked;
        self.set_aside += part.set_aside;
        self.errors_omitted += part.errors_omitted;
        for error in part.errors {
            self.fail(error);
        }
    }

    pub(crate) fn fail(&mut self, error: Arc<SyncError>) {
        if self.errors.len() < Self::MAX_ERRORS {
            self.errors.push(error);
        } else {
            self.errors_omitted += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_into_a_report_is_counted_also_when_reports_are_added() {
        let of = |errors: usize| {
            let mut report = SyncReport::default();
            for _ in 0..errors {
                report.fail(Arc::new(SyncError::Offline));
            }
            report
        };
        let mut report = of(70);
        report.add(of(SyncReport::MAX_ERRORS + 5));
        assert_eq!((report.errors.len(), report.errors_omitted), (SyncReport::MAX_ERRORS, 75));
        assert!(!report.is_clean());
    }
}
