//! Writing a record: its base and its pending edit, each where it belongs.

use rusqlite::{ToSql, params};

use super::names::{Standing, disagreement};
use super::place::Place;
use super::rows::{self, Columns, number};
use super::statements;
use super::transaction::SqliteTransaction;
use crate::record::{Base, EntityName, Payload, Record, RecordKey, RecordRef, Version};
use crate::storage::StorageError;

/// Where a record was found.
#[derive(Debug)]
pub(super) struct Found {
    standing: Option<Standing>,
    has_base: bool,
    /// Neither parked nor blocked, and refers to none.
    is_plain: bool,
}

impl SqliteTransaction<'_> {
    /// Stores a record, or removes its rows.
    pub(super) fn write(&mut self, name: &RecordRef, record: &Record) -> Result<(), StorageError> {
        let queue = self.queue(&name.entity)?;
        // Until all of it is written.
        self.live.forget(queue, &name.key);
        let found = if let Some(found) = self.found.remove(name) {
            found
        } else {
            // Of the rest nothing is known, so the worst is taken for true. (A fresh row is plain.)
            let standing = self.find_place(queue, name)?;
            Found { standing, has_base: true, is_plain: standing.is_none_or(|standing| standing.fresh) }
        };
        self.lead_no_more_astray(queue, name)?;
        match (&record.base, found.has_base) {
            (None, false) => {}
            (Some(base), false) => self.write_base(statements::ADD_BASE, queue, name, base)?,
            (Some(base), true) => self.write_base(statements::PUT_BASE, queue, name, base)?,
            (None, true) => {
                self.execute(statements::FORGET_BASE, params![queue, name.key.as_str()])?;
            }
        }
        self.put_pending(queue, name, &found, record)
    }

    /// Spares the next `put` of this record the search.
    pub(super) fn remember(&mut self, name: &RecordRef, standing: Option<Standing>, record: &Record) {
        if !self.is_alone() {
            let (has_base, is_plain) = (record.base.is_some(), rows::is_plain(name, record));
            self.found.insert(name.clone(), Found { standing, has_base, is_plain });
        }
    }

    /// A record that is under way, without a look into the file.
    pub(super) fn find_under_way(
        &self,
        queue: i64,
        key: &RecordKey,
    ) -> Result<Option<(Standing, Record)>, StorageError> {
        self.still_open()?;
        let remembered = if self.is_alone() { None } else { self.live.under_way(queue, key) };
        let fresh = || self.live.fresh(queue, key).is_some();
        Ok(remembered.map(|(place, record)| (Standing { place, fresh: fresh() }, record)))
    }

    /// What is known of a record, and where it stands in the outbox.
    pub(super) fn look_up(
        &self,
        queue: i64,
        name: &RecordRef,
    ) -> Result<(Option<Standing>, Record), StorageError> {
        let standing = self.find_place(queue, name)?;
        Ok((standing, self.read(queue, name, standing)?))
    }

    /// What is known of a record that stands there.
    pub(super) fn read(
        &self,
        queue: i64,
        name: &RecordRef,
        standing: Option<Standing>,
    ) -> Result<Record, StorageError> {
        // The server never had a record of which the row is fresh.
        let base = if standing.is_some_and(|standing| standing.fresh) {
            None
        } else {
            let parameters = params![queue, name.key.as_str()];
            self.first(statements::BASE, parameters, |row| rows::read_base(row, name))?
        };
        let Some(Standing { place, .. }) = standing else {
            return Ok(Record { base, ..Record::default() });
        };
        let pending = self.first(statements::AT_PLACE, [place.id()], |row| {
            Ok((rows::read(row, name)?, rows::read_blocker(row, name)?))
        })?;
        let (record, blocker) = pending.ok_or_else(|| disagreement(name))?;
        let mut record = Record { base, ..record };
        if let Some((blocker, key)) = blocker {
            let entity = self.cell(statements::QUEUE_NAME, [blocker])?;
            record.blocked_on = entity.map(|entity| RecordRef::new(EntityName::from_stored(entity), key));
        }
        Ok(record)
    }

    fn write_base(
        &self,
        sql: &'static str,
        queue: i64,
        name: &RecordRef,
        base: &Base,
    ) -> Result<(), StorageError> {
        let version = base.version.as_ref().map(Version::as_str);
        let value = base.value.as_ref().map(Payload::to_stored).transpose();
        let value =
            value.map_err(|error| StorageError::Row { record: name.clone(), reason: error.to_string() })?;
        self.execute(sql, params![queue, name.key.as_str(), version, value]).map(drop)
    }

    fn put_pending(
        &mut self,
        queue: i64,
        name: &RecordRef,
        found: &Found,
        record: &Record,
    ) -> Result<(), StorageError> {
        let before = found.standing.map(|standing| standing.place);
        let unfit = |reason: String| StorageError::Row { record: name.clone(), reason };
        let place = Place::of(queue, record.lane()).map_err(|error| unfit(error.to_string()))?;
        match (found.standing, place) {
            (None, None) => return Ok(()),
            (Some(standing), None) => {
                if self.execute(statements::REMOVE_PENDING, [standing.place.id()])? == 0 {
                    return Err(disagreement(name));
                }
                self.forget_name(queue, name, standing);
            }
            (_, Some(place)) => {
                let columns = Columns::of(name, record)
                    .map_err(|error| unfit(format!("it cannot be written as JSON: {error}")))?;
                let id = before.map(Place::id);
                let may_be_plain = found.is_plain && rows::is_plain(name, record);
                // A row that was mended with a shell refers to what it had referred to, whatever stands in it.
                let plain = may_be_plain && self.write_plain(name, id, place, &columns)? > 0;
                if !plain && self.write_whole(name, id, place, &columns, record)? == 0 {
                    return Err(disagreement(name));
                }
                let fresh = plain && record.base.is_none() && self.may_be_fresh(found.standing, place);
                self.lead(queue, name, found.standing, Standing { place, fresh })?;
                self.live.note_number(columns.revision);
                if plain {
                    self.live.wrote(queue, &name.key, place, record);
                } else {
                    self.refer(queue, name, before, record)?;
                }
            }
        }
        let (from, to) = (before.map(Place::lane), place.map(Place::lane));
        self.live.moved(queue, from, to);
        if let Some(touched) = &mut self.touched {
            touched.entry((queue, name.key.clone())).or_insert_with(|| (name.clone(), from));
        }
        let due = self.live.due_names();
        if due.is_empty() { Ok(()) } else { self.enter_names(&due) }
    }

    /// Writes the row of a record that is neither parked nor blocked and refers to none; answers how many it wrote.
    fn write_plain(
        &self,
        name: &RecordRef,
        before: Option<i64>,
        place: Place,
        columns: &Columns,
    ) -> Result<usize, StorageError> {
        let key = name.key.as_str();
        let (sql, which): (_, &dyn ToSql) = match &before {
            Some(id) if *id == place.id() => (statements::CHANGE_PLAIN, id),
            Some(id) => (statements::MOVE_PLAIN, id),
            None => (statements::ADD_PLAIN, &key),
        };
        let Columns { revision, due, flight, queued, .. } = columns;
        self.execute(sql, params![which, place.id(), revision, due, flight, queued])
    }

    /// The same of any record.
    fn write_whole(
        &mut self,
        name: &RecordRef,
        before: Option<i64>,
        place: Place,
        columns: &Columns,
        record: &Record,
    ) -> Result<usize, StorageError> {
        let blocked_on = record.blocked_on.as_ref();
        let blocked_queue = blocked_on.map(|on| self.queue(&on.entity)).transpose()?;
        let key = name.key.as_str();
        let (sql, which): (_, &dyn ToSql) = match &before {
            Some(id) => (statements::CHANGE_PENDING, id),
            None => (statements::ADD_PENDING, &key),
        };
        self.execute(
            sql,
            params![
                which,
                place.id(),
                columns.revision,
                columns.due,
                columns.flight,
                columns.queued,
                columns.parked,
                columns.parked_id,
                blocked_queue,
                blocked_on.map(|on| on.key.as_str()),
                columns.has_references,
            ],
        )
    }

    /// Whether a row can do without an entry in the index of names: one that has none yet, or a new one after all others.
    fn may_be_fresh(&self, before: Option<Standing>, place: Place) -> bool {
        match before {
            Some(standing) => standing.fresh,
            None => !self.is_alone() && number(place.seq()) > self.live.last_number(),
        }
    }

    /// Enters what a record refers to, in place of what its row had referred to before.
    fn refer(
        &self,
        queue: i64,
        name: &RecordRef,
        before: Option<Place>,
        record: &Record,
    ) -> Result<(), StorageError> {
        if before.is_some() {
            self.execute(statements::FORGET_REFERENCES, params![queue, name.key.as_str()])?;
        }
        for (parent, seq) in rows::foreign_references(name, record) {
            let parent_queue = self.queue(&parent.entity)?;
            let parameters =
                params![parent_queue, parent.key.as_str(), number(seq), queue, name.key.as_str()];
            self.execute(statements::REFER, parameters)?;
        }
        Ok(())
    }
}
