//! The rows of a file, and how far they were read. How far is written in the transaction that takes the rows into the
//! queue, so a row is never read twice and never missed.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use indicatif::ProgressBar;
use sync::{BoxError, Engine, SqliteStorage};

use crate::{Import, Seed};

/// The rows of a file, each with what went wrong with it.
fn read(file: &Path) -> Result<Box<dyn Iterator<Item = Result<Seed, BoxError>> + Send>, BoxError> {
    let opened = File::open(file).map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
    let name = file.display().to_string();
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("csv") => {
            let rows = csv::Reader::from_reader(opened).into_deserialize();
            Ok(Box::new(rows.map(move |row| row.map_err(|error| format!("{name}: {error}").into()))))
        }
        Some("jsonl" | "ndjson") => {
            let lines = BufReader::new(opened).lines().zip(1_u64..);
            Ok(Box::new(lines.map(move |(line, number)| {
                let row = serde_json::from_str(&line?);
                row.map_err(|error| format!("{name}, line {number}: {error}").into())
            })))
        }
        _ => Err(format!("{name} is neither .csv nor .jsonl; give the file one of these endings").into()),
    }
}

/// How many rows a file has.
pub fn count(file: &Path) -> Result<u64, BoxError> {
    read(file)?.try_fold(0, |count, row| row.map(|_| count + 1))
}

/// Takes the rows that were not taken yet into the queue.
pub async fn enqueue(
    file: &Path,
    storage: &SqliteStorage,
    engine: &Engine<Import>,
    batch: u32,
    bar: &ProgressBar,
) -> Result<(), BoxError> {
    let name = file.canonicalize()?.display().to_string();
    let mut taken: i64 = storage
        .transaction(engine, {
            let name = name.clone();
            move |tx| {
                tx.connection().execute_batch(
                    "create table if not exists imported (file text primary key, rows integer)",
                )?;
                let rows = "select coalesce((select rows from imported where file = ?1), 0)";
                Ok::<_, BoxError>(tx.connection().query_row(rows, [&name], |row| row.get(0))?)
            }
        })
        .await?;
    let mut rows = read(file)?.skip(usize::try_from(taken)?);
    loop {
        let next = rows.by_ref().take(usize::try_from(batch)?).collect::<Result<Vec<_>, _>>()?;
        if next.is_empty() {
            return Ok(());
        }
        taken += i64::try_from(next.len())?;
        let name = name.clone();
        storage
            .transaction(engine, move |tx| {
                for seed in &next {
                    tx.push(seed)?;
                }
                tx.connection().execute(
                    "insert or replace into imported (file, rows) values (?1, ?2)",
                    (&name, taken),
                )?;
                Ok::<_, BoxError>(())
            })
            .await?;
        bar.set_position(u64::try_from(taken)?);
    }
}
