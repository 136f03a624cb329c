//! Shows what a storage file holds: queue, parked operations, conflicts, cursors and items kept aside.
//!
//! `cargo run --example inspect -- app.db`, also while an engine works on the file.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use chrono::{SecondsFormat, Utc};
use clap::Parser;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use sync::{BoxError, SqliteStorage};

/// Shows what a storage file holds.
#[derive(Debug, Parser)]
struct Arguments {
    /// The file of a `SqliteStorage`.
    file: PathBuf,
    /// How many rows of each kind are shown.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    rows: u32,
}

/// A heading, and the query whose first column counts and whose others are shown.
const TABLES: [(&str, &str); 5] = [
    (
        "Waiting to be sent, the next one first",
        // As the engine sends: what was to be sent again by now, by its time; what is ready; then what has to wait still.
        "select count(*) over (), lane, 'due ' || due, account, entity, key, coalesce(flight, queued),
                'waits for ' || blocked_entity || ' ' || blocked_key
         from told where lane in ('ready', 'waiting', 'blocked')
         order by case lane when 'ready' then 1 when 'blocked' then 3 else iif(due <= ?2, 0, 2) end,
                  iif(lane = 'waiting', due, null), seq
         limit ?1",
    ),
    (
        "Parked: refused, or failed too often",
        "select count(*) over (), account, entity, key, told ->> '$.intention.id',
                coalesce(told -> '$.reason', 'cannot be read: ' || parked)
         from told where lane = 'parked' and told -> '$.reason.deferred' is null order by seq limit ?1",
    ),
    (
        "Conflicts that wait for an answer",
        "select count(*) over (), account, entity, key, told ->> '$.intention.id', told -> '$.intention.write',
                told -> '$.reason.deferred.remote'
         from told where lane = 'parked' and told -> '$.reason.deferred' is not null order by seq limit ?1",
    ),
    ("Cursors", "select count(*) over (), principal, entity, cursor from sync_cursors order by 2, 3 limit ?1"),
    (
        "Kept aside, because they could not be read",
        "select count(*) over (), iif(principal = '', null, 'as ' || principal), entity, identity, error
         from sync_aside order by since limit ?1",
    ),
];

/// The pending records, with whose they are where accounts were named, and what is parked of them, whatever stands there: what is no
/// JSON becomes a string of it.
const TOLD: &str = "
    create temp view told as
    select *, iif(principal = '', null, 'as ' || principal) as account,
        iif(json_valid(parked), parked, json_quote(cast(parked as text))) as told
    from records where lane <> 'idle'";

fn main() -> ExitCode {
    match show(&Arguments::parse(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever reads, such as `head`, has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &BoxError) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn show(arguments: &Arguments, out: &mut impl Write) -> Result<(), BoxError> {
    // Says whether it is a storage file at all, and of which version.
    drop(SqliteStorage::builder(&arguments.file).read_only(true).open()?);
    let connection = Connection::open_with_flags(&arguments.file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    // One moment for all tables, while an engine may be at work.
    let connection = connection.unchecked_transaction()?;
    connection.execute_batch(TOLD)?;
    let known: i64 =
        connection.query_row("select count(*) from records where on_server", [], |row| row.get(0))?;
    writeln!(out, "{} knows {known} records of the server.", arguments.file.display())?;
    // As the storage writes times: in UTC, with nine decimals.
    let now = Utc::now().to_rfc3339_opts(SecondsFormat::Nanos, true);
    for (heading, query) in TABLES {
        let mut statement = connection.prepare(query)?;
        let columns = statement.column_count();
        let mut rows = match statement.parameter_count() {
            2 => statement.query((arguments.rows, &now))?,
            _ => statement.query([arguments.rows])?,
        };
        let mut lines = Vec::new();
        let mut total = 0_i64;
        while let Some(row) = rows.next()? {
            total = row.get(0)?;
            let cells = (1..columns).map(|column| row.get_ref(column).map(text));
            let mut cells = cells.collect::<Result<Vec<_>, _>>()?;
            cells.retain(|cell| !cell.is_empty());
            lines.push(cells.join("  "));
        }
        writeln!(out, "\n{heading}: {total}")?;
        for line in &lines {
            writeln!(out, "  {line}")?;
        }
        let rest = total - i64::try_from(lines.len()).unwrap_or(total);
        if rest > 0 {
            writeln!(out, "  … and {rest} more (--rows shows more of them)")?;
        }
    }
    Ok(())
}

fn text(cell: ValueRef<'_>) -> String {
    match cell {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    }
}
