//! A flush over HTTP, against reqwest with the same number of requests in flight.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench that fails has nothing better to do")]

mod support;

use std::time::{Duration, Instant};

use futures::StreamExt;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use sync::RestRemote;
use sync::storage::sqlite::Durability;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use self::support::{Note, Table, engine, runtime, server, setting, storage};

const IN_FLIGHT: usize = 16;

fn main() {
    let mut table = Table::new();
    let runtime = runtime();
    let records = setting("SYNC_BENCH_FLUSH", 5000);
    for (latency, goal) in [(0, "2"), (20, "1.1")] {
        let url = server::start(Duration::from_millis(latency), 0, 1);
        for (name, durability) in [("Full", Durability::Full), ("Normal", Durability::Normal)] {
            table.compare(
                (&format!("flush of {records}, latency {latency} ms, {name}"), goal),
                records,
                |times| (0..times).map(|_| raw(&runtime, &url, records)).sum(),
                |times| (0..times).map(|_| ours(&runtime, &url, records, durability)).sum(),
            );
        }
    }
}

fn raw(runtime: &Runtime, url: &str, records: u64) -> Duration {
    let client = reqwest::Client::new();
    let url = format!("{url}/notes");
    runtime.block_on(async {
        let start = Instant::now();
        futures::stream::iter(0..records)
            .map(|number| {
                let body = serde_json::to_vec(&Note::number(number)).unwrap();
                let request = client
                    .post(&url)
                    .header(CONTENT_TYPE, "application/json")
                    .header(ACCEPT, "application/json");
                async move {
                    let answer = request.body(body).send().await.unwrap().error_for_status().unwrap();
                    answer.bytes().await.unwrap()
                }
            })
            .buffer_unordered(IN_FLIGHT)
            .for_each(|body| async move { drop(body) })
            .await;
        start.elapsed()
    })
}

fn ours(runtime: &Runtime, url: &str, records: u64, durability: Durability) -> Duration {
    let folder = TempDir::new().unwrap();
    runtime.block_on(async {
        let storage = storage(&folder.path().join("ours.db"), durability);
        let engine = engine(RestRemote::new(url).unwrap(), storage).await;
        let notes: Vec<_> = (0..records).map(Note::number).collect();
        engine.push_all(&notes).await.unwrap();
        let start = Instant::now();
        let report = engine.flush().await.unwrap();
        let elapsed = start.elapsed();
        assert_eq!((report.pushed, report.remaining), (records, 0), "{report:?}");
        engine.shutdown().await;
        elapsed
    })
}
