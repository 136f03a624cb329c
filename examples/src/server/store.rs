//! The data: records with versions, tombstones, and the remembered answers to writes.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde_json::Value;

const TABLES: &str = "
    create table if not exists records (
        collection text not null,
        id text not null,
        version integer not null,
        record text,            -- null is a tombstone
        primary key (collection, id)
    );
    create index if not exists records_by_version on records (collection, version);
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
    pub(super) version: i64,
    pub(super) record: Option<Value>,
}

/// What a client asks to be written.
#[derive(Debug)]
pub(super) struct Change<'a> {
    pub(super) collection: &'a str,
    pub(super) id: &'a str,
    pub(super) verb: Verb,
    pub(super) if_match: Option<&'a str>,
    /// The idempotency key, and what it was sent with.
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
    pub(super) fn open(file: Option<&Path>) -> rusqlite::Result<Self> {
        let connection = match file {
            Some(file) => Connection::open(file)?,
            None => Connection::open_in_memory()?,
        };
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "normal")?;
        connection.execute_batch(TABLES)?;
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
    pub(super) fn write(&self, collection: &str, id: &str, record: Option<&Value>) -> rusqlite::Result<()> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        put(&transaction, collection, id, record)?;
        transaction.commit()
    }

    pub(super) fn get(&self, collection: &str, id: &str) -> rusqlite::Result<Option<Row>> {
        find(&self.connection(), collection, id)
    }

    /// The changes after a version, oldest first.
    pub(super) fn since(&self, collection: &str, version: i64, limit: usize) -> rusqlite::Result<Vec<Row>> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "select id, version, record from records where collection = ?1 and version > ?2 order by version limit ?3",
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

fn take_effect(transaction: &Transaction<'_>, change: Change<'_>) -> rusqlite::Result<Outcome> {
    let current = find(transaction, change.collection, change.id)?;
    let live = current.as_ref().filter(|row| row.record.is_some());
    let stale = match (change.if_match, live) {
        (Some(version), Some(row)) => version != row.version.to_string(),
        _ => false,
    };
    let (status, record) = match (change.verb, live) {
        (Verb::Create(_), Some(row)) => return Ok(Outcome::Conflict(row.clone())),
        (Verb::Create(record), None) => (201, Some(record)),
        (Verb::Update(_) | Verb::Delete, None) => {
            return Ok(if current.is_some() { Outcome::Gone } else { Outcome::Missing });
        }
        (_, Some(row)) if stale => return Ok(Outcome::Conflict(row.clone())),
        (Verb::Update(members), Some(row)) => (200, Some(merged(row.record.clone(), members))),
        (Verb::Overwrite(record), live) => (if live.is_some() { 200 } else { 201 }, Some(record)),
        (Verb::Delete, Some(_)) => (204, None),
    };
    let version = put(transaction, change.collection, change.id, record.as_ref())?;
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
    record: Option<&Value>,
) -> rusqlite::Result<i64> {
    let version = newest(transaction)? + 1;
    transaction
        .prepare_cached(
            "insert into records (collection, id, version, record) values (?1, ?2, ?3, ?4)
             on conflict (collection, id) do update set version = excluded.version, record = excluded.record",
        )?
        .execute(params![collection, id, version, record.map(ToString::to_string)])?;
    Ok(version)
}

fn newest(connection: &Connection) -> rusqlite::Result<i64> {
    // One counter for all collections, so that a version is never given twice; each index look-up is cheap.
    connection
        .prepare_cached("select coalesce(max(newest), 0) from (select max(version) as newest from records group by collection)")?
        .query_row([], |row| row.get(0))
}

fn find(connection: &Connection, collection: &str, id: &str) -> rusqlite::Result<Option<Row>> {
    connection
        .prepare_cached("select id, version, record from records where collection = ?1 and id = ?2")?
        .query_row(params![collection, id], row)
        .optional()
}

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<Row> {
    let text: Option<String> = row.get(2)?;
    Ok(Row {
        id: row.get(0)?,
        version: row.get(1)?,
        record: text.and_then(|text| serde_json::from_str(&text).ok()),
    })
}
