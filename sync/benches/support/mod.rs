//! What the benches share: the records, the raw database, a server, and the table of ratios at the end.
//!
//! Every sample runs the raw program and ours one after the other, so that a busy machine slows both. Criterion is given
//! our time; the table shows the medians of both, and the median of the samples' ratios.

#![allow(dead_code, missing_docs, unreachable_pub, reason = "each bench uses a part of it")]
#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    reason = "a bench that fails has nothing better to do"
)]

pub mod server;

use std::path::Path;
use std::time::{Duration, Instant};

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, SamplingMode, Throughput};
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use sync::remote::Remote;
use sync::storage::sqlite::Durability;
use sync::{Engine, OnPull, Schema, SqliteStorage, Syncable};
use tokio::runtime::Runtime;

/// A record of ordinary size.
#[derive(Debug, Clone, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = ServerWins)]
pub struct Note {
    pub id: String,
    pub title: String,
    pub text: String,
    pub done: bool,
}

/// The same, in an entity that keeps what the server has of each record.
#[derive(Debug, Clone, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/drafts", conflict = Merge)]
pub struct Draft {
    pub id: String,
    pub title: String,
    pub text: String,
    pub done: bool,
}

/// The same, kept to be read.
#[derive(Debug, Clone, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/kept", conflict = ServerWins, replica)]
pub struct Kept {
    pub id: String,
    pub title: String,
    pub text: String,
    pub done: bool,
}

/// The same, kept and found by its title.
#[derive(Debug, Clone, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/indexed", conflict = ServerWins, replica)]
pub struct Indexed {
    pub id: String,
    #[sync(index)]
    pub title: String,
    pub text: String,
    pub done: bool,
}

#[derive(Schema)]
#[sync(entities(Note, Draft, Kept, Indexed))]
pub struct App;
impl OnPull<Note> for App {}
impl OnPull<Draft> for App {}

impl Note {
    /// The record with this number; its id is a UUID that tells nothing of the order.
    pub fn number(number: u64) -> Self {
        let mix = |mut x: u64| {
            x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            x ^ (x >> 31)
        };
        let (high, low) = (mix(number.wrapping_add(0x9e37_79b9_7f4a_7c15)), mix(!number));
        Self {
            id: uuid::Uuid::from_u64_pair(high, low).to_string(),
            title: format!("Note number {number}"),
            text: "Milk, bread, butter, six eggs, and the letter for the post office. ".repeat(2),
            done: false,
        }
    }
}

pub fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

pub fn storage(path: &Path, durability: Durability) -> SqliteStorage {
    let builder = SqliteStorage::builder(path).durability(durability);
    match setting("SYNC_BENCH_LOG", 0) {
        0 => builder.open().unwrap(),
        kib => builder.log_bytes(u32::try_from(kib * 1024).unwrap()).open().unwrap(),
    }
}

pub async fn engine(remote: impl Remote, storage: SqliteStorage) -> Engine<App> {
    Engine::builder(App, remote, storage).page_size(1000).build().await.unwrap()
}

/// Fills the queue of a file.
pub fn fill(runtime: &Runtime, path: &Path, records: u64) {
    runtime.block_on(async {
        let engine = engine(sync::testing::ScriptedRemote::new(), storage(path, Durability::Normal)).await;
        let mut next = 0;
        while next < records {
            let chunk: Vec<_> = (next..records.min(next + 10_000)).map(Note::number).collect();
            next += chunk.len() as u64;
            engine.push_all(&chunk).await.unwrap();
        }
        engine.shutdown().await;
    });
}

/// A record into the queue of such a program.
pub const INSERT: &str = "insert into queue (key, body) values (?1, ?2)";

/// What a program without the framework would open.
pub fn raw_database(path: &Path, synchronous: &str) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "journal_mode", "wal").unwrap();
    connection.pragma_update(None, "synchronous", synchronous).unwrap();
    connection
        .execute_batch(
            "create table queue (seq integer primary key, key text not null, body text not null) strict;
             create table notes (id integer primary key, key text not null unique, version integer not null,
                                 title text not null, text text not null, done integer not null) strict;
             create table cursors (entity text primary key, cursor text not null) strict;",
        )
        .unwrap();
    connection
}

/// A number that a shorter run may set smaller.
pub fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

/// How long something took.
pub fn timed<R>(work: impl FnOnce() -> R) -> Duration {
    let start = Instant::now();
    std::hint::black_box(work());
    start.elapsed()
}

/// The highest resident memory of this process so far, in MiB.
pub fn peak_memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("0");
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

/// Runs this bench in another process, which does `what` and prints a number.
pub fn in_child(what: &str, argument: &str) -> f64 {
    let this = std::env::current_exe().unwrap();
    let output =
        std::process::Command::new(this).env("SYNC_BENCH_CHILD", what).arg(argument).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().parse().unwrap()
}

/// What this process is to do in place of the bench, and with what.
pub fn child() -> Option<(String, String)> {
    Some((std::env::var("SYNC_BENCH_CHILD").ok()?, std::env::args().nth(1)?))
}

/// Collects the rows, and prints them when it is dropped.
pub struct Table {
    criterion: Criterion,
    rows: Vec<[String; 5]>,
}

impl Table {
    pub fn new() -> Self {
        let criterion = Criterion::default()
            .sample_size(10)
            .warm_up_time(Duration::from_millis(200))
            .measurement_time(Duration::from_secs(3))
            .without_plots()
            .configure_from_args();
        Self { criterion, rows: Vec::new() }
    }

    /// Measures one row. Both programs are told how often to do the work, and answer how long it took; `per` says how
    /// many things one piece of work does.
    pub fn compare(
        &mut self,
        (work, goal): (&str, &str),
        per: u64,
        mut raw: impl FnMut(u64) -> Duration,
        mut ours: impl FnMut(u64) -> Duration,
    ) {
        let mut samples: Vec<(u64, f64, f64)> = Vec::new();
        let mut group: BenchmarkGroup<'_, WallTime> = self.criterion.benchmark_group("sync");
        group.sampling_mode(SamplingMode::Flat).throughput(Throughput::Elements(per));
        group.bench_function(work, |bencher| {
            bencher.iter_custom(|times| {
                #[expect(clippy::cast_precision_loss, reason = "the times are few")]
                let each = |time: Duration| time.as_secs_f64() / times as f64;
                let (raw, ours) = (raw(times), ours(times));
                samples.push((times, each(raw), each(ours)));
                ours
            });
        });
        group.finish();
        let Some(&(times, ..)) = samples.last() else { return };
        // Criterion warms up with one, two, four … and then measures with the same number each time.
        let warm_up = samples.len().saturating_sub(10);
        let measured: Vec<_> =
            samples.split_off(warm_up).into_iter().filter(|sample| sample.0 == times).collect();
        let raw = median(measured.iter().map(|(_, raw, _)| *raw));
        let ours = median(measured.iter().map(|(_, _, ours)| *ours));
        let ratio = median(measured.iter().map(|(_, raw, ours)| ours / raw));
        self.row(work, &time(raw), &time(ours), &format!("{ratio:.2}"), goal);
    }

    pub fn row(&mut self, work: &str, raw: &str, ours: &str, ratio: &str, goal: &str) {
        self.rows.push([work, raw, ours, ratio, goal].map(str::to_owned));
    }
}

impl Drop for Table {
    fn drop(&mut self) {
        if std::thread::panicking() || self.rows.is_empty() {
            return;
        }
        println!("\n| work | raw | ours | ratio | goal |\n| --- | --- | --- | --- | --- |");
        for row in &self.rows {
            println!("| {} |", row.join(" | "));
        }
    }
}

fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    if numbers.len() % 2 == 1 { numbers[middle] } else { f64::midpoint(numbers[middle - 1], numbers[middle]) }
}

fn time(seconds: f64) -> String {
    match seconds {
        seconds if seconds >= 1.0 => format!("{seconds:.2} s"),
        seconds if seconds >= 1e-3 => format!("{:.2} ms", seconds * 1e3),
        seconds => format!("{:.1} µs", seconds * 1e6),
    }
}
