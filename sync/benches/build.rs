//! `build()` with a long queue, against opening a plain table, counting, and reading the first row.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench that fails has nothing better to do")]

mod support;

use std::path::{Path, PathBuf};

use rusqlite::Connection;
use sync::SqliteStorage;
use sync::storage::sqlite::Durability;
use sync::testing::ScriptedRemote;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use self::support::{
    INSERT, Note, Table, child, engine, fill, in_child, peak_memory, raw_database, runtime, setting, storage,
    timed,
};

fn main() {
    let runtime = runtime();
    if let Some((_, path)) = child() {
        build(&runtime, Path::new(&path));
        return println!("{}", peak_memory());
    }
    let mut table = Table::new();
    let folder = TempDir::new().unwrap();
    let [few, many] = [1000, 100_000].map(|queued| filled(&runtime, folder.path(), queued));
    let plain = folder.path().join("plain.db");
    fill_plain(&plain, 100_000);
    table.compare(
        ("build() with 100000 queued", "1.5"),
        1,
        |times| (0..times).map(|_| timed(|| raw(&plain))).sum(),
        |times| (0..times).map(|_| timed(|| build(&runtime, &many))).sum(),
    );
    let queued = setting("SYNC_BENCH_QUEUED", 1_000_000);
    let most = filled(&runtime, folder.path(), queued);
    table.compare(
        (&format!("build() with {queued} queued (raw: with 1000)"), "1.2"),
        1,
        |times| (0..times).map(|_| timed(|| build(&runtime, &few))).sum(),
        |times| (0..times).map(|_| timed(|| build(&runtime, &most))).sum(),
    );
    for (queued, path) in [(100_000, &many), (queued, &most)] {
        let peak = in_child("build", path.to_str().unwrap());
        table.row(&format!("its peak memory with {queued}"), "", &format!("{peak:.1} MiB"), "", "15 MiB");
    }
}

fn filled(runtime: &Runtime, folder: &Path, queued: u64) -> PathBuf {
    let path = folder.join(format!("{queued}.db"));
    fill(runtime, &path, queued);
    path
}

/// A queue as a program without the framework would have it.
fn fill_plain(path: &Path, queued: u64) {
    let mut connection = raw_database(path, "normal");
    let transaction = connection.transaction().unwrap();
    let mut insert = transaction.prepare(INSERT).unwrap();
    for note in (0..queued).map(Note::number) {
        insert.execute((&note.id, serde_json::to_string(&note).unwrap())).unwrap();
    }
    drop(insert);
    transaction.commit().unwrap();
}

fn raw(path: &Path) -> (i64, String) {
    let connection = Connection::open(path).unwrap();
    let count = connection.query_row("select count(*) from queue", [], |row| row.get(0)).unwrap();
    let first = "select body from queue order by seq limit 1";
    (count, connection.query_row(first, [], |row| row.get(0)).unwrap())
}

/// Up to the moment at which the engine may be used; what it takes to close it is not in it for either.
fn build(runtime: &Runtime, path: &Path) -> u64 {
    let storage: SqliteStorage = storage(path, Durability::Full);
    runtime.block_on(async { engine(ScriptedRemote::new(), storage).await.queue_len() })
}
