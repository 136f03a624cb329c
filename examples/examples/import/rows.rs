//! The rows of a file, and how far they were read. How far is written in the transaction that takes the rows into the
//! queue, so a row is never read twice and never missed. With it stands what was read, so that another file under the same name is
//! not taken for one that was read already.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use indicatif::ProgressBar;
use rusqlite::{Connection, OptionalExtension};
use sha2::{Digest, Sha256};
use sync::record::RecordKey;
use sync::{BoxError, Engine, SqliteStorage};

use crate::{Import, Seed};

type Rows = Box<dyn Iterator<Item = Result<Seed, BoxError>> + Send>;

/// The rows of a file, each with what is wrong with it.
fn read(file: &Path) -> Result<Rows, BoxError> {
    let opened = File::open(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    let name = file.display().to_string();
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => {
            let mut reader = csv::Reader::from_reader(opened);
            let header = reader.headers().map_err(|error| format!("{name}: {error}"))?.clone();
            let row = move |record: Result<csv::StringRecord, csv::Error>| {
                let record = record.map_err(|error| format!("{name}: {error}"))?;
                let line = record.position().map_or(0, csv::Position::line);
                let seed = record.deserialize(Some(&header)).map_err(|error| format!("{name}: {error}"))?;
                with_id(seed, &name, line)
            };
            Ok(Box::new(reader.into_records().map(row)))
        }
        Some("jsonl" | "ndjson") => {
            let lines = BufReader::new(opened).lines().zip(1_u64..);
            Ok(Box::new(lines.map(move |(text, line)| {
                let at = |error: &dyn std::fmt::Display| format!("{name}, line {line}: {error}");
                let text = text.map_err(|error| at(&error))?;
                with_id(serde_json::from_str(&text).map_err(|error| at(&error))?, &name, line)
            })))
        }
        _ => Err(format!("{name} is neither .csv nor .jsonl; give the file one of these endings").into()),
    }
}

fn with_id(seed: Seed, name: &str, line: u64) -> Result<Seed, BoxError> {
    RecordKey::of(&seed.sku).map_err(|error| format!("{name}, line {line}: `sku`: {error}"))?;
    Ok(seed)
}

/// How many rows a file has. Each of them is one that can be sent.
pub fn count(file: &Path) -> Result<u64, BoxError> {
    read(file)?.try_fold(0, |count, row| row.map(|_| count + 1))
}

/// How far a file was read.
struct Progress {
    rows: i64,
    /// The hash of these rows.
    read: Vec<u8>,
}

const TABLE: &str = "
    create table if not exists import_progress (
        file text primary key,
        server text not null,
        rows integer not null,
        read blob not null
    )";

/// What was noted of a file. The queue, and what is known of the records, are those of one server.
fn noted(connection: &Connection, file: &str, server: &str) -> Result<Option<Progress>, BoxError> {
    connection.execute_batch(TABLE)?;
    let other = "select server from import_progress where server <> ?1 limit 1";
    let other: Option<String> = connection.query_row(other, [server], |row| row.get(0)).optional()?;
    if let Some(other) = other {
        return Err(format!(
            "this storage is that of an import to {other}: choose another one with --storage"
        )
        .into());
    }
    let noted = "select rows, read from import_progress where file = ?1";
    let progress = |row: &rusqlite::Row<'_>| Ok(Progress { rows: row.get(0)?, read: row.get(1)? });
    Ok(connection.query_row(noted, [file], progress).optional()?)
}

/// Takes the rows that were not taken yet into the queue.
pub async fn enqueue(
    file: &Path,
    server: &str,
    storage: &SqliteStorage,
    engine: &Engine<Import>,
    batch: u32,
    bar: &ProgressBar,
) -> Result<(), BoxError> {
    let name = file.canonicalize()?.display().to_string();
    let (key, to) = (name.clone(), server.to_owned());
    let noted = storage.transaction(engine, move |tx| noted(tx.connection(), &key, &to)).await?;
    let (mut rows, mut taken, mut hash) = (read(file)?, 0_i64, Sha256::new());
    if let Some(progress) = noted {
        for row in rows.by_ref().take(usize::try_from(progress.rows)?) {
            hash.update(serde_json::to_vec(&row?)?);
            taken += 1;
        }
        if (taken, &*hash.clone().finalize()) != (progress.rows, &*progress.read) {
            bar.suspend(|| {
                println!(
                    "{} has changed since its rows were taken: all of them are taken again.",
                    file.display()
                );
            });
            (rows, taken, hash) = (read(file)?, 0, Sha256::new());
        }
    }
    loop {
        let next = rows.by_ref().take(usize::try_from(batch)?).collect::<Result<Vec<_>, _>>()?;
        if next.is_empty() {
            return Ok(());
        }
        for seed in &next {
            hash.update(serde_json::to_vec(seed)?);
        }
        taken += i64::try_from(next.len())?;
        let (name, server, read) = (name.clone(), server.to_owned(), hash.clone().finalize().to_vec());
        storage
            .transaction(engine, move |tx| {
                for seed in &next {
                    tx.push(seed)?;
                }
                tx.connection().execute(
                    "insert or replace into import_progress (file, server, rows, read) values (?1, ?2, ?3, ?4)",
                    (&name, &server, taken, &read),
                )?;
                Ok::<_, BoxError>(())
            })
            .await?;
        bar.set_position(u64::try_from(taken)?);
    }
}
