//! What the application is being told of at the moment.
//!
//! The application shows a record before its row says that the server has it: the handler is told first, and the row is
//! written after that. A deletion that the user makes in between is one of a record that exists, whatever the row says; and an edit that
//! the handler itself makes is one of what it was told.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::record::{Edit, RecordRef};

/// The records that the application is being told of, or is about to be, and of which that is not written yet.
#[derive(Debug, Default)]
pub(crate) struct Showing(Mutex<HashMap<RecordRef, Told>>);

#[derive(Debug, Default)]
struct Told {
    /// The server may have it: otherwise the application is told that it is gone.
    may_exist: bool,
    /// The edits that the handler has made of it since, and perhaps taken back: nobody else's have these numbers.
    edits: Vec<u64>,
}

impl Showing {
    /// The application may be told of these from now on. With each, whether the server may have it.
    pub(super) fn begin(&self, records: impl IntoIterator<Item = (RecordRef, bool)>) {
        let mut told = self.records();
        for (record, may_exist) in records {
            told.entry(record).or_default().may_exist |= may_exist;
        }
    }

    /// What it was told of is written, or will be told again.
    pub(super) fn end(&self) {
        self.records().clear();
    }

    /// The edit that the user means, who sees more than the row says.
    pub(super) fn meant(&self, record: &RecordRef, edit: &Edit) -> Edit {
        match edit {
            Edit::Delete if self.records().get(record).is_some_and(|told| told.may_exist) => {
                Edit::DeleteAnyway
            }
            edit => edit.clone(),
        }
    }

    /// The handler has made this edit.
    pub(super) fn edited(&self, record: &RecordRef, revision: u64) {
        if let Some(told) = self.records().get_mut(record) {
            told.edits.push(revision);
        }
    }

    /// Whether the handler has made this edit since it is told of the record.
    pub(super) fn is_edited(&self, record: &RecordRef, revision: u64) -> bool {
        self.records().get(record).is_some_and(|told| told.edits.contains(&revision))
    }

    fn records(&self) -> MutexGuard<'_, HashMap<RecordRef, Told>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
