//! From a write on one device to the handler of another: over the reference server and server-sent events, against the time of
//! the bare request. Prints the medians.

#![allow(clippy::unwrap_used, missing_docs, reason = "a bench that fails has nothing better to do")]

use std::time::{Duration, Instant};

use futures::StreamExt;
use sync::{AutoSync, Events, SyncEvent};
use sync_tests::device::{Device, Folder, server};
use sync_tests::entities::note;

const ROUNDS: usize = 200;

/// Nothing is pulled unless the server tells to.
const LISTENING: AutoSync = AutoSync { flush_after: Duration::ZERO, pull_every: None, listen: true };

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    // `cargo test` runs benches as well, to see that they start.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let (folder, server) = (Folder::new(), server());
    let url = server.base_url();
    let phone = Device::open(&folder.file("phone.db"), &url).await;
    let laptop = Device::open(&folder.file("laptop.db"), &url).await;
    let mut events = laptop.engine.events();
    phone.engine.start(LISTENING);
    laptop.engine.start(LISTENING);
    let mut pulled = 0;
    while pulled < 2 {
        pulled += usize::from(matches!(events.next().await, Some(SyncEvent::Pulled { .. })));
    }
    let (client, mut raw, mut ours) = (reqwest::Client::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let record = note(&format!("raw {round}"), "x", 0);
        let began = Instant::now();
        client
            .post(format!("{url}/notes"))
            .body(serde_json::to_vec(&record).unwrap())
            .send()
            .await
            .unwrap()
            .error_for_status()
            .unwrap();
        raw.push(began.elapsed());
        arrived(&laptop, &mut events, &record.id).await;

        let record = note(&format!("ours {round}"), "x", 0);
        let began = Instant::now();
        phone.engine.push(&record).await.unwrap();
        arrived(&laptop, &mut events, &record.id).await;
        ours.push(began.elapsed());
    }
    let (raw, ours) = (median(raw), median(ours));
    println!("| from a push here to the handler there | raw: one request | goal |\n| --- | --- | --- |");
    println!("| {ours:.1?} | {raw:.1?} | 100 ms |");
}

async fn arrived(device: &Device, events: &mut Events, id: &str) {
    while !device.app.state().notes.contains_key(id) {
        events.next().await.unwrap();
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
