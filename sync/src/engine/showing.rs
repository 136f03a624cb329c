//! What the application is being told of at the moment.
//!
//! The application shows a record before its row says that the server has it: the handler is told first, and the row is
//! written after that. A deletion that the user makes in between is one of a record that exists, whatever the row says.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::record::{Edit, RecordRef};

/// The records that the application is being told of, or is about to be, and of which that is not written yet.
#[derive(Debug, Default)]
pub(crate) struct Showing(Mutex<HashSet<RecordRef>>);

impl Showing {
    /// The application may be told of these from now on.
    pub(super) fn begin(&self, records: impl IntoIterator<Item = RecordRef>) {
        self.records().extend(records);
    }

    /// What it was told of is written, or will be told again.
    pub(super) fn end(&self) {
        self.records().clear();
    }

    /// The edit that the user means, who sees more than the row says.
    pub(super) fn meant(&self, record: &RecordRef, edit: &Edit) -> Edit {
        match edit {
            Edit::Delete if self.records().contains(record) => Edit::DeleteAnyway,
            edit => edit.clone(),
        }
    }

    fn records(&self) -> MutexGuard<'_, HashSet<RecordRef>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
