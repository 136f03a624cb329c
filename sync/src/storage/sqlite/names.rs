//! From a record's name to the row where it stands, and the entries of the index of names.

use rusqlite::params;

use super::fresh::FreshRow;
use super::place::{LANES, Place};
use super::rows::number;
use super::statements;
use super::transaction::SqliteTransaction;
use crate::record::{RecordKey, RecordRef};
use crate::storage::StorageError;

/// Where a record stands in the outbox.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    pub(super) place: Place,
    /// Whether the index of names has no entry of it.
    pub(super) fresh: bool,
}

/// What to say when the outbox and its index of names do not speak of the same row of a record: others are none the worse for it.
pub(super) fn disagreement(name: &RecordRef) -> StorageError {
    let reason = "the outbox and its index of names disagree about it".to_owned();
    StorageError::Row { record: name.clone(), reason }
}

impl SqliteTransaction<'_> {
    /// Where a record stands in the outbox. Nothing is looked up in a queue that is empty, as it is in most pulls, nor a name that the
    /// index cannot have, as that of most new records.
    pub(super) fn find_place(&self, queue: i64, name: &RecordRef) -> Result<Option<Standing>, StorageError> {
        if !self.is_busy(queue) {
            return Ok(None);
        }
        if let Some(place) = self.live.fresh(queue, &name.key) {
            return Ok(Some(Standing { place, fresh: true }));
        }
        if !self.is_alone() && !self.live.may_be_entered(queue, &name.key) {
            return Ok(None);
        }
        let Some(seq) = self.find_entry(queue, &name.key)? else { return Ok(None) };
        // Whatever number the file says: the row has to have the name.
        let in_lane = |lane| Place::lane_of(queue, lane).start.saturating_add(seq);
        let [ready, waiting, blocked, parked] = LANES.map(in_lane);
        let parameters = params![ready, waiting, blocked, parked, queue, name.key.as_str()];
        let found = self.first(statements::FIND_PLACE, parameters, |row| self.number(row, 0))?;
        if found.is_none() {
            // Somebody has deleted the row, or it is damaged; if it is still there, it is told of when its turn comes.
            self.astray.borrow_mut().insert((queue, name.key.clone()));
        }
        Ok(found.map(|id| Standing { place: Place::from_id(id), fresh: false }))
    }

    /// Removes the entry of a record that was found to lead to no row: a new row may begin without an entry, and would be hidden by it
    /// after a crash.
    pub(super) fn lead_no_more_astray(&self, queue: i64, name: &RecordRef) -> Result<(), StorageError> {
        if self.astray.borrow_mut().remove(&(queue, name.key.clone())) {
            self.execute(statements::FORGET_NAME, params![queue, name.key.as_str()])?;
            // It may have been counted.
            self.live.doubt();
        }
        Ok(())
    }

    /// How a row stands there that was found without its name, which has to lead to it too: if that led elsewhere, it would be found
    /// for ever.
    pub(super) fn confirm(&self, place: Place, name: &RecordRef) -> Result<Standing, StorageError> {
        let fresh = self.live.fresh(place.queue(), &name.key);
        let leads_here = match fresh {
            Some(fresh) => fresh == place,
            None => self.find_entry(place.queue(), &name.key)? == Some(number(place.seq())),
        };
        if leads_here { Ok(Standing { place, fresh: fresh.is_some() }) } else { Err(disagreement(name)) }
    }

    fn find_entry(&self, queue: i64, key: &RecordKey) -> Result<Option<i64>, StorageError> {
        self.first(statements::FIND_NAME, params![queue, key.as_str()], |row| self.number(row, 0))
    }

    /// Has the name of a record lead from where it stood to where it stands now.
    pub(super) fn lead(
        &self,
        queue: i64,
        name: &RecordRef,
        before: Option<Standing>,
        now: Standing,
    ) -> Result<(), StorageError> {
        let place = now.place;
        if now.fresh {
            self.live.set_fresh(queue, &name.key, Some(place));
            return Ok(());
        }
        match before.filter(|before| !before.fresh) {
            Some(before) if before.place.seq() == place.seq() => Ok(()),
            Some(_) => {
                let parameters = params![queue, name.key.as_str(), number(place.seq())];
                let changed = self.execute(statements::CHANGE_NAME, parameters)?;
                if changed == 0 { Err(disagreement(name)) } else { Ok(()) }
            }
            None => self.enter_name(&FreshRow { queue, key: name.key.clone(), place }),
        }
    }

    /// Forgets the name of a record whose row is gone; an entry has gone with the row.
    pub(super) fn forget_name(&self, queue: i64, name: &RecordRef, before: Standing) {
        if before.fresh {
            self.live.set_fresh(queue, &name.key, None);
        }
    }

    fn enter_name(&self, row: &FreshRow) -> Result<(), StorageError> {
        self.execute(statements::ENTER_NAME, row.entry())?;
        self.live.note_entered(row.queue, &row.key);
        self.live.set_fresh(row.queue, &row.key, None);
        Ok(())
    }

    /// Gives rows their entries.
    pub(super) fn enter_names(&mut self, rows: &[FreshRow]) -> Result<(), StorageError> {
        for row in rows {
            self.enter_name(row)?;
        }
        // What was found fresh may not be any more.
        self.found.clear();
        Ok(())
    }
}
