//! `build()` with a long queue, against opening the file, counting, and reading the first row.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench that fails has nothing better to do")]

mod support;

use std::path::Path;

use rusqlite::Connection;
use sync::SqliteStorage;
use sync::storage::sqlite::Durability;
use sync::testing::ScriptedRemote;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use self::support::{Table, child, engine, fill, in_child, peak_memory, runtime, setting, storage, timed};

fn main() {
    let runtime = runtime();
    if let Some((_, path)) = child() {
        build(&runtime, Path::new(&path));
        return println!("{}", peak_memory());
    }
    let mut table = Table::new();
    for queued in [100_000, setting("SYNC_BENCH_QUEUED", 1_000_000)] {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("queue.db");
        fill(&runtime, &path, queued);
        table.compare(
            (&format!("build() with {queued} queued"), "1.5"),
            1,
            |times| (0..times).map(|_| timed(|| raw(&path))).sum(),
            |times| (0..times).map(|_| timed(|| build(&runtime, &path))).sum(),
        );
        let peak = in_child("build", path.to_str().unwrap());
        table.row(&format!("its peak memory with {queued}"), "", &format!("{peak:.1} MiB"), "", "15 MiB");
    }
}

fn raw(path: &Path) -> (i64, String) {
    let connection = Connection::open(path).unwrap();
    let count = connection.query_row("select count(*) from records", [], |row| row.get(0)).unwrap();
    let first = "select queued from records where principal = '' and lane = 'ready' order by seq limit 1";
    (count, connection.query_row(first, [], |row| row.get(0)).unwrap())
}

/// Up to the moment at which the engine may be used; what it takes to close it is not in it for either.
fn build(runtime: &Runtime, path: &Path) -> u64 {
    let storage: SqliteStorage = storage(path, Durability::Full);
    runtime.block_on(async { engine(ScriptedRemote::new(), storage).await.queue_len() })
}
