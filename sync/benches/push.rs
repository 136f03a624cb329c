//! Pushes, against prepared inserts with a commit each.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench that fails has nothing better to do")]

mod support;

use std::cell::{Cell, LazyCell};
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use sync::Engine;
use sync::storage::sqlite::Durability;
use sync::testing::ScriptedRemote;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use self::support::{App, INSERT, Note, Table, engine, fill, raw_database, runtime, setting, storage};

const TASKS: u64 = 16;

fn main() {
    let mut table = Table::new();
    let runtime = runtime();
    // Never the same record twice in one file.
    let next = Cell::new(1_u64 << 40);
    for (work, durability, synchronous, goal) in [
        ("one push, Full", Durability::Full, "full", "1.15"),
        ("one push, Normal", Durability::Normal, "normal", "1.5"),
    ] {
        let folder = TempDir::new().unwrap();
        let connection = LazyCell::new(|| raw_database(&folder.path().join("raw.db"), synchronous));
        let engine = LazyCell::new(|| start(&runtime, &folder.path().join("ours.db"), durability));
        table.compare(
            (work, goal),
            1,
            |times| insert(&connection, &next, times),
            |times| push(&runtime, &engine, &next, times),
        );
    }
    floor(&mut table, &next);
    shared(&mut table, &runtime, &next);
    deep(&mut table, &runtime, &next);
}

fn start(runtime: &Runtime, path: &Path, durability: Durability) -> Engine<App> {
    runtime.block_on(engine(ScriptedRemote::new(), storage(path, durability)))
}

fn take(next: &Cell<u64>, times: u64) -> std::ops::Range<u64> {
    next.replace(next.get() + times)..next.get()
}

fn insert(connection: &Connection, next: &Cell<u64>, times: u64) -> Duration {
    let start = Instant::now();
    let mut statement = connection.prepare(INSERT).unwrap();
    for number in take(next, times) {
        let note = Note::number(number);
        statement.execute((&note.id, serde_json::to_string(&note).unwrap())).unwrap();
    }
    start.elapsed()
}

fn push(runtime: &Runtime, engine: &Engine<App>, next: &Cell<u64>, times: u64) -> Duration {
    let numbers = take(next, times);
    let start = Instant::now();
    runtime.block_on(async {
        for number in numbers {
            engine.push(&Note::number(number)).await.unwrap();
        }
    });
    start.elapsed()
}

/// What the way to another thread and back costs, when both sides do nothing but look for each other: less than that no storage
/// can take that does not block its caller's runtime.
fn floor(table: &mut Table, next: &Cell<u64>) {
    let folder = TempDir::new().unwrap();
    let connection = LazyCell::new(|| raw_database(&folder.path().join("raw.db"), "normal"));
    let (jobs, waiting) = std::sync::mpsc::sync_channel::<Note>(1);
    let (done, answers) = std::sync::mpsc::sync_channel::<()>(1);
    let path = folder.path().join("apart.db");
    let thread = std::thread::spawn(move || {
        let connection = raw_database(&path, "normal");
        let mut statement = connection.prepare(INSERT).unwrap();
        while let Some(note) = look_for(&waiting) {
            statement.execute((&note.id, serde_json::to_string(&note).unwrap())).unwrap();
            done.send(()).unwrap();
        }
    });
    table.compare(
        ("one insert, Normal, on a thread of its own", ""),
        1,
        |times| insert(&connection, next, times),
        |times| {
            let start = Instant::now();
            for number in take(next, times) {
                jobs.send(Note::number(number)).unwrap();
                look_for(&answers).unwrap();
            }
            start.elapsed()
        },
    );
    drop(jobs);
    thread.join().unwrap();
}

/// Waits without ever sleeping; `None` when nothing will come.
fn look_for<T>(channel: &std::sync::mpsc::Receiver<T>) -> Option<T> {
    loop {
        match channel.try_recv() {
            Ok(found) => return Some(found),
            Err(std::sync::mpsc::TryRecvError::Empty) => std::hint::spin_loop(),
            Err(std::sync::mpsc::TryRecvError::Disconnected) => return None,
        }
    }
}

/// 16 tasks against one, by the time per push; the goal is 8 times the throughput.
fn shared(table: &mut Table, runtime: &Runtime, next: &Cell<u64>) {
    let folder = TempDir::new().unwrap();
    let engine = LazyCell::new(|| start(runtime, &folder.path().join("ours.db"), Durability::Full));
    table.compare(
        ("16 tasks pushing, Full (raw: one task of ours)", "0.125"),
        1,
        |times| push(runtime, &engine, next, times.div_ceil(TASKS)) * u32::try_from(TASKS).unwrap(),
        |times| {
            let each = times.div_ceil(TASKS);
            let start = Instant::now();
            runtime.block_on(async {
                let tasks: Vec<_> = (0..TASKS)
                    .map(|_| {
                        let (engine, numbers) = (engine.clone(), take(next, each));
                        tokio::spawn(async move {
                            for number in numbers {
                                engine.push(&Note::number(number)).await.unwrap();
                            }
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.unwrap();
                }
            });
            start.elapsed()
        },
    );
}

/// A long queue against a short one.
fn deep(table: &mut Table, runtime: &Runtime, next: &Cell<u64>) {
    let queued = setting("SYNC_BENCH_QUEUED", 1_000_000);
    for (name, durability) in [("Full", Durability::Full), ("Normal", Durability::Normal)] {
        let folder = TempDir::new().unwrap();
        let open = |name: &str, records| {
            let path = folder.path().join(name);
            fill(runtime, &path, records);
            start(runtime, &path, durability)
        };
        let short = LazyCell::new(|| open("short.db", 1000));
        let long = LazyCell::new(|| open("long.db", queued));
        table.compare(
            (&format!("a push with {queued} queued, {name} (raw: with 1000)"), "1.2"),
            1,
            |times| push(runtime, &short, next, times),
            |times| push(runtime, &long, next, times),
        );
    }
}
