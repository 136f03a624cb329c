//! The data: records with versions, tombstones, and the remembered answers to writes.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::Value;

use super::if_match::IfMatch;

/// The format of the file. A file of another format is refused, since nothing here is worth an upgrade.
const FORMAT: i64 = 1;

const TABLES: &str = "
    create table if not exists records (
        collection text not null,
        id text not null,
        id_json text,           -- the id as the record has it: \"7\" is not 7, and a tombstone has no record to look into
        version integer not null,
        record text,            -- null is a tombstone
        primary key (collection, id)
    );
    create index if not exists records_by_version on records (collection, version);
    -- The newest version of all is one look-up, however many records there are.
    create unique index if not exists versions on records (version);
    create table if not exists answers (
        idempotency_key text primary key,
        request text not null,
        status integer not null,
        version integer,
        record text
    );";

/// The data of a server.
#[derive(Debug)]
pub(super) struct Store(Mutex<Connection>);

/// A record or a tombstone.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) id: String,
    /// The id as JSON; `None` when no record with it was ever seen.
    pub(super) id_json: Option<Value>,
    pub(super) version: i64,
    pub(super) record: Option<Value>,
}

/// What a client asks to be written.
#[derive(Debug)]
pub(super) struct Change<'a> {
    pub(super) collection: &'a str,
    pub(super) id: &'a str,
    /// The id as the record has it; `None` where no whole record is sent.
    pub(super) id_json: Option<&'a Value>,
    pub(super) verb: Verb,
    pub(super) if_match: Option<&'a IfMatch>,
    /// The idempotency key, and the request that it was sent with: method, target and body.
    pub(super) key: Option<(&'a str, &'a str)>,
}

/// How.
#[derive(Debug)]
pub(super) enum Verb {
    Create(Value),
    /// The members of this take the place of the record's.
    Update(Value),
    Overwrite(Value),
    Delete,
}

/// What became of it.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// It took effect, now or when it was sent before.
    Done { status: u16, version: Option<i64>, record: Option<Value> },
    /// Another version is there.
    Conflict(Row),
    /// It never existed.
    Missing,
    /// It was deleted.
    Gone,
    /// The idempotency key belongs to another request.
    KeyReused,
}

impl Store {
    pub(super) fn open(file: Option<&Path>) -> io::Result<Self> {
        let connection = match file {
            Some(file) => Connection::open(file),
            None => Connection::open_in_memory(),
        };
        let mut connection = connection.map_err(io::Error::other)?;
        let known = prepare(&mut connection).map_err(io::Error::other)?;
        if !known {
            let file = file.unwrap_or_else(|| Path::new("the database")).display();
            return Err(io::Error::other(format!(
                "{file} is no file of this version of the reference server; choose another one, it was not changed"
            )));
        }
        Ok(Self(Mutex::new(connection)))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Applies a change, and remembers the answer under its key, in one transaction.
    pub(super) fn apply(&self, change: Change<'_>) -> rusqlite::Result<Outcome> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        if let Some((key, request)) = change.key
            && let Some(answer) = remembered(&transaction, key, request)?
        {
            return Ok(answer);
        }
        let key = change.key;
        let outcome = take_effect(&transaction, change)?;
        if let (Outcome::Done { status, version, record }, Some((key, request))) = (&outcome, key) {
            transaction.execute(
                "insert into answers (idempotency_key, request, status, version, record) values (?1, ?2, ?3, ?4, ?5)",
                params![key, request, status, version, record.as_ref().map(ToString::to_string)],
            )?;
        }
        transaction.commit()?;
        Ok(outcome)
    }

    /// Writes without asking: what another client did.
    pub(super) fn write(
        &self,
        collection: &str,
        id: &str,
        id_json: Option<&Value>,
        record: Option<&Value>,
    ) -> rusqlite::Result<()> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        put(&transaction, collection, id, id_json, record)?;
        transaction.commit()
    }

    pub(super) fn get(&self, collection: &str, id: &str) -> rusqlite::Result<Option<Row>> {
        find(&self.connection(), collection, id)
    }

    /// The changes after a version, oldest first.
    pub(super) fn since(&self, collection: &str, version: i64, limit: usize) -> rusqlite::Result<Vec<Row>> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "select id, version, record, id_json from records where collection = ?1 and version > ?2 order by version limit ?3",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        statement.query_map(params![collection, version, limit], row)?.collect()
    }

    /// The version of the newest change.
    pub(super) fn newest(&self) -> rusqlite::Result<i64> {
        newest(&self.connection())
    }

    pub(super) fn records(&self, collection: &str) -> rusqlite::Result<BTreeMap<String, Value>> {
        let rows = self.since(collection, 0, usize::MAX)?;
        Ok(rows.into_iter().filter_map(|row| Some((row.id, row.record?))).collect())
    }
}

/// Makes the tables; `false`, and nothing is changed, when the file is somebody else's.
fn prepare(connection: &mut Connection) -> rusqlite::Result<bool> {
    let format: i64 = connection.query_row("pragma user_version", [], |row| row.get(0))?;
    let tables: i64 = connection.query_row("select count(*) from sqlite_master", [], |row| row.get(0))?;
    if format != FORMAT && (format, tables) != (0, 0) {
        return Ok(false);
    }
    connection.pragma_update(None, "journal_mode", "wal")?;
    // What was answered is there after a power cut, too: a client forgets what it was told is taken.
    connection.pragma_update(None, "synchronous", "full")?;
    // In one: what a kill leaves of it would be taken for somebody else's file.
    let transaction = connection.transaction()?;
    transaction.execute_batch(TABLES)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()?;
    Ok(true)
}

fn take_effect(transaction: &Transaction<'_>, change: Change<'_>) -> rusqlite::Result<Outcome> {
    let current = find(transaction, change.collection, change.id)?;
    let live = current.as_ref().filter(|row| row.record.is_some());
    let gone = || if current.is_some() { Outcome::Gone } else { Outcome::Missing };
    // A version of nothing at all matches nothing.
    let stale = change.if_match.is_some_and(|if_match| {
        current.as_ref().is_none_or(|row| !if_match.allows(row.version, row.record.is_none()))
    });
    let (status, record) = match (change.verb, live) {
        (Verb::Create(_), Some(row)) => return Ok(Outcome::Conflict(row.clone())),
        (Verb::Create(record), None) => (201, Some(record)),
        (Verb::Update(_) | Verb::Delete, None) => return Ok(gone()),
        (Verb::Overwrite(_), None) if stale => return Ok(gone()),
        (_, Some(row)) if stale => return Ok(Outcome::Conflict(row.clone())),
        (Verb::Update(members), Some(row)) => (200, Some(merged(row.record.clone(), members))),
        (Verb::Overwrite(record), live) => (if live.is_some() { 200 } else { 201 }, Some(record)),
        (Verb::Delete, Some(_)) => (204, None),
    };
    let version = put(transaction, change.collection, change.id, change.id_json, record.as_ref())?;
    Ok(Outcome::Done { status, version: record.is_some().then_some(version), record })
}

fn merged(record: Option<Value>, members: Value) -> Value {
    match (record, members) {
        (Some(Value::Object(mut record)), Value::Object(members)) => {
            record.extend(members);
            Value::Object(record)
        }
        (_, members) => members,
    }
}

fn remembered(transaction: &Transaction<'_>, key: &str, request: &str) -> rusqlite::Result<Option<Outcome>> {
    let found = transaction
        .prepare_cached("select request, status, version, record from answers where idempotency_key = ?1")?
        .query_row([key], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get::<_, Option<String>>(3)?))
        })
        .optional()?;
    Ok(found.map(|(known, status, version, record)| {
        if known == request {
            Outcome::Done {
                status,
                version,
                record: record.and_then(|record| serde_json::from_str(&record).ok()),
            }
        } else {
            Outcome::KeyReused
        }
    }))
}

fn put(
    transaction: &Transaction<'_>,
    collection: &str,
    id: &str,
    id_json: Option<&Value>,
    record: Option<&Value>,
) -> rusqlite::Result<i64> {
    let version = newest(transaction)? + 1;
    transaction
        .prepare_cached(
            "insert into records (collection, id, version, record, id_json) values (?1, ?2, ?3, ?4, ?5)
             on conflict (collection, id) do update set version = excluded.version, record = excluded.record,
                 id_json = coalesce(excluded.id_json, id_json)",
        )?
        .execute(params![
            collection,
            id,
            version,
            record.map(ToString::to_string),
            id_json.map(ToString::to_string)
        ])?;
    Ok(version)
}

fn newest(connection: &Connection) -> rusqlite::Result<i64> {
    // One counter for all collections, so that a version is never given twice. Tombstones stay, so it never goes back.
    connection
        .prepare_cached("select coalesce(max(version), 0) from records")?
        .query_row([], |row| row.get(0))
}

fn find(connection: &Connection, collection: &str, id: &str) -> rusqlite::Result<Option<Row>> {
    connection
        .prepare_cached("select id, version, record, id_json from records where collection = ?1 and id = ?2")?
        .query_row(params![collection, id], row)
        .optional()
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let json = |text: Option<String>| text.and_then(|text| serde_json::from_str(&text).ok());
    Ok(Row { id: row.get(0)?, version: row.get(1)?, record: json(row.get(2)?), id_json: json(row.get(3)?) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Whatever a transaction that is not committed has written is gone after a kill.
    #[test]
    fn a_server_that_is_killed_at_any_commit_of_its_first_start_starts_again() {
        for commits in 0.. {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("server.db");
            let mut connection = Connection::open(&file).unwrap();
            let left = Arc::new(AtomicU32::new(commits));
            let none_is_left = move || {
                left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err()
            };
            connection.commit_hook(Some(none_is_left)).unwrap();
            let prepared = prepare(&mut connection).is_ok();
            drop(connection);
            Store::open(Some(&file)).unwrap().write("/notes", "a", None, None).unwrap();
            if prepared {
                return;
            }
        }
    }
}
