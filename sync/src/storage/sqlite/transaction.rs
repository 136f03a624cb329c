//! What can be done inside a transaction, in SQL.

use chrono::{DateTime, TimeDelta, Utc};
use rusqlite::{Connection, OptionalExtension, Params, params};

use super::row::{self, COLUMNS, Columns, NAMED, signed, unsigned};
use crate::record::{EntityName, OperationId, Principal, Record, RecordRef};
use crate::storage::{Counts, Cursor, SetAside, StorageError, Transaction};

/// The lanes that a record with a pending edit can be in.
const LANES: [&str; 4] = ["ready", "waiting", "blocked", "parked"];

/// A transaction on the connection of a [`SqliteStorage`](super::SqliteStorage).
#[derive(Debug)]
pub struct SqliteTransaction<'a> {
    connection: &'a Connection,
    principal: &'a str,
    /// Whether any record refers to another, once that was looked up.
    any_references: Option<bool>,
}

impl<'a> SqliteTransaction<'a> {
    pub(super) fn new(connection: &'a Connection, principal: &'a Principal) -> Self {
        Self { connection, principal: principal.as_str(), any_references: None }
    }

    /// The connection, in the middle of the transaction.
    pub(crate) fn connection(&self) -> &'a Connection {
        self.connection
    }

    fn execute(&self, sql: &str, params: impl Params) -> Result<usize, StorageError> {
        Ok(self.connection.prepare_cached(sql)?.execute(params)?)
    }

    fn list(&self, sql: &str, params: impl Params) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut list = Vec::new();
        while let Some(row) = rows.next()? {
            list.push(row::named(row)?);
        }
        Ok(list)
    }

    /// Keeps the references of the waiting operations; nearly every record has none, and then nothing is written.
    fn index_references(&mut self, name: &RecordRef, record: &Record) -> Result<(), StorageError> {
        let (entity, key) = (name.entity.as_str(), name.key.as_str());
        let any = match self.any_references {
            Some(any) => any,
            None => self
                .connection
                .prepare_cached("select exists (select 1 from record_references)")?
                .query_row([], |row| row.get(0))?,
        };
        if any {
            self.execute(
                "delete from record_references where principal = ?1 and entity = ?2 and key = ?3",
                params![self.principal, entity, key],
            )?;
        }
        self.any_references = Some(any);
        for (parent, seq) in record.waiting_references() {
            self.execute(
                "insert into record_references (principal, entity, key, parent_entity, parent_key, seq)
                 values (?1, ?2, ?3, ?4, ?5, ?6)",
                params![
                    self.principal,
                    entity,
                    key,
                    parent.entity.as_str(),
                    parent.key.as_str(),
                    signed(seq)
                ],
            )?;
            self.any_references = Some(true);
        }
        Ok(())
    }
}

impl Transaction for SqliteTransaction<'_> {
    fn record(&mut self, name: &RecordRef) -> Result<Option<Record>, StorageError> {
        let mut statement = self.connection.prepare_cached(&format!(
            "select {COLUMNS} from records where principal = ?1 and entity = ?2 and key = ?3"
        ))?;
        let mut rows = statement.query(params![self.principal, name.entity.as_str(), name.key.as_str()])?;
        rows.next()?.map(|found| row::record(name, found)).transpose()
    }

    fn put(&mut self, name: &RecordRef, record: &Record) -> Result<(), StorageError> {
        let (entity, key) = (name.entity.as_str(), name.key.as_str());
        self.index_references(name, record)?;
        if record.is_empty() {
            self.execute(
                "delete from records where principal = ?1 and entity = ?2 and key = ?3",
                params![self.principal, entity, key],
            )?;
            return Ok(());
        }
        let columns = Columns::of(name, record)?;
        let blocker = record.blocked_on.as_ref();
        self.execute(
            "insert into records (principal, entity, key, lane, seq, revision, due, base, flight, queued, parked,
                                  parked_id, blocked_on, blocked_key)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)
             on conflict (principal, entity, key) do update set
                 lane = excluded.lane, seq = excluded.seq, revision = excluded.revision, due = excluded.due,
                 base = excluded.base, flight = excluded.flight, queued = excluded.queued, parked = excluded.parked,
                 parked_id = excluded.parked_id, blocked_on = excluded.blocked_on, blocked_key = excluded.blocked_key",
            params![
                self.principal,
                entity,
                key,
                columns.lane,
                columns.seq,
                columns.revision,
                columns.due,
                columns.base,
                columns.flight,
                columns.queued,
                columns.parked,
                columns.parked_id,
                blocker.map(|blocker| blocker.entity.as_str()),
                blocker.map(|blocker| blocker.key.as_str()),
            ],
        )?;
        Ok(())
    }

    fn sendable(
        &mut self,
        now: DateTime<Utc>,
        horizon: TimeDelta,
        limit: usize,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        let latest = now.checked_add_signed(horizon).unwrap_or(DateTime::<Utc>::MAX_UTC).timestamp_millis();
        let mut list = self.list(
            &format!(
                "select {NAMED} from records where principal = ?1 and lane = 'waiting' and due <= ?2
                 order by due limit ?3"
            ),
            params![self.principal, now.timestamp_millis(), rest(limit, 0)],
        )?;
        if list.len() < limit {
            list.extend(self.list(
                &format!(
                    "select {NAMED} from records where principal = ?1 and lane = 'waiting' and due > ?2
                     order by due limit ?3"
                ),
                params![self.principal, latest, rest(limit, list.len())],
            )?);
        }
        if list.len() < limit {
            list.extend(self.list(
                &format!(
                    "select {NAMED} from records where principal = ?1 and lane = 'ready' order by seq limit ?2"
                ),
                params![self.principal, rest(limit, list.len())],
            )?);
        }
        Ok(list)
    }

    fn next_due(&mut self) -> Result<Option<DateTime<Utc>>, StorageError> {
        let due: Option<i64> = self
            .connection
            .prepare_cached("select min(due) from records where principal = ?1 and lane = 'waiting'")?
            .query_row([self.principal], |row| row.get(0))?;
        Ok(due.map(row::time))
    }

    fn pending(
        &mut self,
        entity: Option<&EntityName>,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        let mut list = Vec::new();
        for lane in LANES {
            list.extend(self.in_lane(lane, entity, after, limit)?);
        }
        list.sort_by_key(|(_, record)| record.lane().seq());
        list.truncate(limit);
        Ok(list)
    }

    fn parked(
        &mut self,
        entity: Option<&EntityName>,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        self.in_lane("parked", entity, after, limit)
    }

    fn parked_by_id(&mut self, id: OperationId) -> Result<Option<(RecordRef, Record)>, StorageError> {
        let sql = format!("select {NAMED} from records where principal = ?1 and parked_id = ?2");
        Ok(self.list(&sql, params![self.principal, id.to_string()])?.pop())
    }

    fn release(&mut self, on: &RecordRef) -> Result<u64, StorageError> {
        let blocked = self.list(
            &format!(
                "select {NAMED} from records where principal = ?1 and blocked_on = ?2 and blocked_key = ?3"
            ),
            params![self.principal, on.entity.as_str(), on.key.as_str()],
        )?;
        let count = blocked.len();
        for (name, record) in blocked {
            self.put(&name, &Record { blocked_on: None, ..record })?;
        }
        Ok(u64::try_from(count).unwrap_or(u64::MAX))
    }

    fn earlier_child(&mut self, parent: &RecordRef, before: u64) -> Result<Option<RecordRef>, StorageError> {
        let found: Option<(String, String)> = self
            .connection
            .prepare_cached(
                "select entity, key from record_references
                 where principal = ?1 and parent_entity = ?2 and parent_key = ?3 and seq < ?4
                   and (entity, key) <> (parent_entity, parent_key)
                 order by seq limit 1",
            )?
            .query_row(
                params![self.principal, parent.entity.as_str(), parent.key.as_str(), signed(before)],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .optional()?;
        found.map(|(entity, key)| row::name(entity, key)).transpose()
    }

    fn counts(&mut self) -> Result<Vec<(EntityName, Counts)>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "select entity, count(*), count(*) filter (where lane = 'parked') from records
             where principal = ?1 and lane is not null group by entity",
        )?;
        let rows = statement.query_map([self.principal], |row| {
            Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
        })?;
        let counts = rows.map(|row| {
            let (entity, all, parked) = row?;
            let counts = Counts { waiting: unsigned(all - parked), parked: unsigned(parked) };
            Ok((EntityName::from_stored(entity), counts))
        });
        counts.collect()
    }

    fn last_seq(&mut self) -> Result<u64, StorageError> {
        let one = |sql: &str, params: &[&dyn rusqlite::ToSql]| -> Result<i64, StorageError> {
            let found: Option<i64> =
                self.connection.prepare_cached(sql)?.query_row(params, |row| row.get(0))?;
            Ok(found.unwrap_or(0))
        };
        let mut last = one("select max(revision) from records where revision is not null", &[])?;
        let mut principal: Option<String> = self.next_principal(None)?;
        while let Some(name) = principal {
            for lane in LANES {
                let sql = "select max(seq) from records where principal = ?1 and lane = ?2";
                last = last.max(one(sql, &[&name, &lane])?);
            }
            principal = self.next_principal(Some(&name))?;
        }
        Ok(unsigned(last))
    }

    fn cursor(&mut self, entity: &EntityName) -> Result<Option<Cursor>, StorageError> {
        let found: Option<String> = self
            .connection
            .prepare_cached("select cursor from cursors where principal = ?1 and entity = ?2")?
            .query_row(params![self.principal, entity.as_str()], |row| row.get(0))
            .optional()?;
        Ok(found.map(Cursor::new))
    }

    fn set_cursor(&mut self, entity: &EntityName, cursor: Option<&Cursor>) -> Result<(), StorageError> {
        match cursor {
            Some(cursor) => self.execute(
                "insert into cursors (principal, entity, cursor) values (?1, ?2, ?3)
                 on conflict (principal, entity) do update set cursor = excluded.cursor",
                params![self.principal, entity.as_str(), cursor.as_str()],
            )?,
            None => self.execute(
                "delete from cursors where principal = ?1 and entity = ?2",
                params![self.principal, entity.as_str()],
            )?,
        };
        Ok(())
    }

    fn note(&mut self, name: &str) -> Result<Option<String>, StorageError> {
        Ok(self
            .connection
            .prepare_cached("select text from notes where principal = ?1 and name = ?2")?
            .query_row(params![self.principal, name], |row| row.get(0))
            .optional()?)
    }

    fn set_note(&mut self, name: &str, text: Option<&str>) -> Result<(), StorageError> {
        match text {
            Some(text) => self.execute(
                "insert into notes (principal, name, text) values (?1, ?2, ?3)
                 on conflict (principal, name) do update set text = excluded.text",
                params![self.principal, name, text],
            )?,
            None => self.execute(
                "delete from notes where principal = ?1 and name = ?2",
                params![self.principal, name],
            )?,
        };
        Ok(())
    }

    fn set_aside(&mut self, item: &SetAside) -> Result<(), StorageError> {
        self.execute(
            "insert into set_aside (principal, entity, identity, key, item, error, since)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             on conflict (principal, entity, identity) do update set
                 item = excluded.item, error = excluded.error, since = excluded.since",
            params![
                self.principal,
                item.entity.as_str(),
                item.identity(),
                item.key.as_ref().map(|key| key.as_str()),
                item.item,
                item.error,
                item.since.timestamp_millis(),
            ],
        )?;
        Ok(())
    }

    fn items_aside(&mut self, entity: &EntityName, limit: usize) -> Result<Vec<SetAside>, StorageError> {
        let mut statement = self.connection.prepare_cached(
            "select key, item, error, since from set_aside where principal = ?1 and entity = ?2
             order by since limit ?3",
        )?;
        let mut rows = statement.query(params![self.principal, entity.as_str(), rest(limit, 0)])?;
        let mut items = Vec::new();
        while let Some(row) = rows.next()? {
            let key: Option<String> = row.get(0)?;
            items.push(SetAside {
                entity: entity.clone(),
                key: key.and_then(|key| crate::record::RecordKey::new(key).ok()),
                item: row.get(1)?,
                error: row.get(2)?,
                since: row::time(row.get(3)?),
            });
        }
        Ok(items)
    }

    fn forget_aside(&mut self, name: &RecordRef) -> Result<(), StorageError> {
        self.execute(
            "delete from set_aside where principal = ?1 and entity = ?2 and identity = ?3",
            params![self.principal, name.entity.as_str(), name.key.as_str()],
        )?;
        Ok(())
    }
}

impl SqliteTransaction<'_> {
    fn in_lane(
        &self,
        lane: &str,
        entity: Option<&EntityName>,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        let after = after.map_or(-1, signed);
        match entity {
            Some(entity) => self.list(
                &format!(
                    "select {NAMED} from records where principal = ?1 and entity = ?2 and lane = ?3 and seq > ?4
                     order by seq limit ?5"
                ),
                params![self.principal, entity.as_str(), lane, after, rest(limit, 0)],
            ),
            None => self.list(
                &format!(
                    "select {NAMED} from records where principal = ?1 and lane = ?2 and seq > ?3
                     order by seq limit ?4"
                ),
                params![self.principal, lane, after, rest(limit, 0)],
            ),
        }
    }

    /// The principals that have anything pending, one index look-up each.
    fn next_principal(&self, after: Option<&str>) -> Result<Option<String>, StorageError> {
        let sql = match after {
            Some(_) => "select min(principal) from records where lane is not null and principal > ?1",
            None => "select min(principal) from records where lane is not null and principal >= ?1",
        };
        let found =
            self.connection.prepare_cached(sql)?.query_row([after.unwrap_or("")], |row| row.get(0))?;
        Ok(found)
    }
}

fn rest(limit: usize, taken: usize) -> i64 {
    i64::try_from(limit.saturating_sub(taken)).unwrap_or(i64::MAX)
}
