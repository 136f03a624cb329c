//! A pull over HTTP, against reqwest, `serde_json` and upserts with a commit per page.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench that fails has nothing better to do")]

mod support;

use std::time::{Duration, Instant};

use rusqlite::params;
use serde::Deserialize;
use sync::storage::sqlite::Durability;
use sync::{EntityOf, RestRemote};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use self::support::{
    App, Draft, Indexed, Kept, Note, Table, child, engine, in_child, peak_memory, raw_database, runtime,
    server, setting, storage,
};

const PER_PAGE: u64 = 1000;

fn main() {
    let runtime = runtime();
    if let Some((what, url)) = child() {
        match what.as_str() {
            "note" => drop(ours::<Note>(&runtime, &url)),
            "draft" => drop(ours::<Draft>(&runtime, &url)),
            "kept" => drop(ours::<Kept>(&runtime, &url)),
            _ => drop(raw(&runtime, &url, "")),
        }
        return println!("{}", peak_memory());
    }
    let mut table = Table::new();
    let records = setting("SYNC_BENCH_PULL", 100_000);
    let url = server::start(Duration::ZERO, records, PER_PAGE);
    let work = format!("pull of {records}");
    table.compare(
        (&work, "1.3"),
        records,
        |times| (0..times).map(|_| raw(&runtime, &url, "")).sum(),
        |times| (0..times).map(|_| ours::<Note>(&runtime, &url)).sum(),
    );
    table.compare(
        (&format!("{work}, of an entity that keeps the base"), "1.3"),
        records,
        |times| (0..times).map(|_| raw(&runtime, &url, "")).sum(),
        |times| (0..times).map(|_| ours::<Draft>(&runtime, &url)).sum(),
    );
    table.compare(
        (&format!("{work}, into a replica"), "1.5"),
        records,
        |times| (0..times).map(|_| raw(&runtime, &url, "")).sum(),
        |times| (0..times).map(|_| ours::<Kept>(&runtime, &url)).sum(),
    );
    table.compare(
        (&format!("{work}, into a replica with an index (raw: with one, too)"), "1.5"),
        records,
        |times| (0..times).map(|_| raw(&runtime, &url, "create index by_title on notes (title, key)")).sum(),
        |times| (0..times).map(|_| ours::<Indexed>(&runtime, &url)).sum(),
    );
    let memory = |what| format!("{:.1} MiB", in_child(what, &url));
    table.row("its peak memory", &memory("raw"), &memory("note"), "", "40 MiB");
    table.row("its peak memory, base kept", &memory("raw"), &memory("draft"), "", "40 MiB");
    table.row("its peak memory, into a replica", &memory("raw"), &memory("kept"), "", "40 MiB");
}

/// What a program by hand reads of an item.
#[derive(Deserialize)]
struct Item {
    id: String,
    version: i64,
    title: String,
    text: String,
    done: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    items: Vec<Item>,
    cursor: String,
    has_more: bool,
}

fn raw(runtime: &Runtime, url: &str, index: &str) -> Duration {
    let folder = TempDir::new().unwrap();
    let mut connection = raw_database(&folder.path().join("raw.db"), "full");
    connection.execute_batch(index).unwrap();
    let client = reqwest::Client::new();
    runtime.block_on(async {
        let start = Instant::now();
        let mut query = format!("limit={PER_PAGE}");
        loop {
            let answer = client.get(format!("{url}/notes?{query}")).send().await.unwrap();
            let page: Page = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
            let transaction = connection.transaction().unwrap();
            for item in &page.items {
                let sql = "insert into notes (key, version, title, text, done) values (?1, ?2, ?3, ?4, ?5)
                           on conflict (key) do update set version = excluded.version, title = excluded.title,
                               text = excluded.text, done = excluded.done";
                let mut statement = transaction.prepare_cached(sql).unwrap();
                statement.execute(params![item.id, item.version, item.title, item.text, item.done]).unwrap();
            }
            let sql = "insert into cursors values ('note', ?1)
                       on conflict (entity) do update set cursor = excluded.cursor";
            transaction.prepare_cached(sql).unwrap().execute([&page.cursor]).unwrap();
            transaction.commit().unwrap();
            if !page.has_more {
                return start.elapsed();
            }
            query = format!("since={}&limit={PER_PAGE}", page.cursor);
        }
    })
}

fn ours<T: EntityOf<App>>(runtime: &Runtime, url: &str) -> Duration {
    let folder = TempDir::new().unwrap();
    runtime.block_on(async {
        let storage = storage(&folder.path().join("ours.db"), Durability::Full);
        let engine = engine(RestRemote::new(url).unwrap(), storage).await;
        let start = Instant::now();
        let report = engine.pull_only::<T>().await.unwrap();
        let elapsed = start.elapsed();
        assert!(report.errors.is_empty() && report.pulled > 0, "{report:?}");
        engine.shutdown().await;
        elapsed
    })
}
