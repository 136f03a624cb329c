//! Reading from a replica, against a prepared select; and what watches cost a push.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench that fails has nothing better to do")]

mod support;

use std::time::{Duration, Instant};

use futures::StreamExt;
use rusqlite::{Connection, params};
use sync::storage::sqlite::Durability;
use sync::testing::ScriptedRemote;
use sync::{Engine, Query};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use self::support::{App, Indexed, Kept, Note, Table, engine, raw_database, runtime, setting, storage};

fn main() {
    let mut table = Table::new();
    let runtime = runtime();
    get(&mut table, &runtime);
    for (name, durability) in [("Full", Durability::Full), ("Normal", Durability::Normal)] {
        watched(&mut table, &runtime, name, durability);
    }
}

fn kept(number: u64) -> Kept {
    let Note { id, title, text, done } = Note::number(number);
    Kept { id, title, text, done }
}

fn indexed(number: u64) -> Indexed {
    let Note { id, title, text, done } = Note::number(number);
    Indexed { id, title, text, done }
}

/// One record by its id, decoded.
fn get(table: &mut Table, runtime: &Runtime) {
    let records = setting("SYNC_BENCH_READ", 100_000);
    let folder = TempDir::new().unwrap();
    let connection = filled(&raw_database(&folder.path().join("raw.db"), "full"), folder.path(), records);
    let server = ScriptedRemote::new();
    (0..records).for_each(|number| server.put(&kept(number)));
    let engine = runtime.block_on(async {
        let engine = engine(server, storage(&folder.path().join("ours.db"), Durability::Full)).await;
        engine.pull_only::<Kept>().await.unwrap();
        engine
    });
    let ids: Vec<_> = (0..records).map(|number| Note::number(number * 7919 % records).id).collect();
    table.compare(
        (&format!("get, {records} records"), "2"),
        1,
        |times| select(&connection, &ids, times),
        |times| {
            let start = Instant::now();
            runtime.block_on(async {
                for id in ids.iter().cycle().take(usize::try_from(times).unwrap()) {
                    std::hint::black_box(engine.get::<Kept>(id).await.unwrap().unwrap());
                }
            });
            start.elapsed()
        },
    );
}

/// A table of JSON, as a program by hand would keep it.
fn filled(connection: &Connection, folder: &std::path::Path, records: u64) -> Connection {
    connection
        .execute_batch("create table kept (key text not null unique, body text not null) strict; begin")
        .unwrap();
    let mut statement = connection.prepare("insert into kept values (?1, ?2)").unwrap();
    for number in 0..records {
        let record = kept(number);
        statement.execute(params![record.id, serde_json::to_string(&record).unwrap()]).unwrap();
    }
    connection.execute_batch("commit").unwrap();
    Connection::open(folder.join("raw.db")).unwrap()
}

fn select(connection: &Connection, ids: &[String], times: u64) -> Duration {
    let start = Instant::now();
    let mut statement = connection.prepare("select body from kept where key = ?1").unwrap();
    for id in ids.iter().cycle().take(usize::try_from(times).unwrap()) {
        let record: Kept = statement
            .query_row([id], |row| Ok(serde_json::from_str(row.get_ref(0)?.as_str()?).unwrap()))
            .unwrap();
        std::hint::black_box(record);
    }
    start.elapsed()
}

/// A push while a thousand queries are watched, each for something else, against one that nobody watches.
fn watched(table: &mut Table, runtime: &Runtime, name: &str, durability: Durability) {
    let watches = setting("SYNC_BENCH_WATCHES", 1000);
    let folder = TempDir::new().unwrap();
    let start = |file: &str| {
        let storage = storage(&folder.path().join(file), durability);
        runtime.block_on(engine(ScriptedRemote::new(), storage))
    };
    let (quiet, lively) = (start("quiet.db"), start("lively.db"));
    for number in 0..watches {
        let mut watch = lively.watch::<Indexed>(Indexed::TITLE.eq(format!("Note number {}", number * 10)));
        runtime.spawn(async move { while watch.next().await.is_some() {} });
    }
    // All have begun before anything is measured.
    runtime.block_on(async { lively.query(Query::<Indexed>::new().limit(1)).await.unwrap() });
    let mut next = 0;
    let mut push = |engine: &Engine<App>, times: u64| {
        let start = Instant::now();
        runtime.block_on(async {
            for _ in 0..times {
                next += 1;
                engine.push(&indexed(next)).await.unwrap();
            }
        });
        start.elapsed()
    };
    let push = std::cell::RefCell::new(&mut push);
    table.compare(
        (&format!("a push with {watches} watches, {name} (raw: ours with none)"), "1.2"),
        1,
        |times| (push.borrow_mut())(&quiet, times),
        |times| (push.borrow_mut())(&lively, times),
    );
}
