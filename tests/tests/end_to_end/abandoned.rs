//! Calls that nobody waits for any more.

use std::sync::mpsc;
use std::time::Duration;

use futures::FutureExt as _;
use sync::{AutoSync, BoxError};
use sync_examples::server::intercept::Intercept;
use sync_tests::device::{Device, Folder, server};
use sync_tests::entities::{Note, note};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Far longer than anything here takes: a watchdog.
const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps the storage busy until what is answered is dropped, so that nothing is done at the first look.
async fn keep_busy(device: &Device) -> mpsc::Sender<()> {
    let (let_go, held) = mpsc::channel::<()>();
    let (begun, has_begun) = oneshot::channel();
    let (storage, engine) = (device.storage.clone(), device.engine.clone());
    tokio::spawn(async move {
        let work = storage.transaction(&engine, move |_| {
            let _ = begun.send(());
            let _ = held.recv();
            Ok::<_, BoxError>(())
        });
        work.await.unwrap();
    });
    has_begun.await.unwrap();
    let_go
}

#[tokio::test]
async fn a_discard_that_nobody_waits_for_is_counted() {
    let (folder, server) = (Folder::new(), server());
    let device = Device::open(&folder.file("a.db"), &server.base_url()).await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    server.intercept(|_| Intercept::Answer { status: 422, headers: Vec::new(), body: String::new() });
    device.engine.flush().await.unwrap();
    let parked = device.engine.parked::<Note>().await.unwrap()[0].operation;
    let mut status = device.engine.watch_status();
    let busy = keep_busy(&device).await;
    assert!(device.engine.discard(parked).now_or_never().is_none());
    drop(busy);
    let counted = timeout(PATIENCE, status.wait_for(|status| status.parked == 0)).await;
    counted.expect("it is counted").unwrap();
    assert!(device.engine.parked::<Note>().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_push_that_nobody_waits_for_is_counted_and_sent() {
    let (folder, server) = (Folder::new(), server());
    let device = Device::open(&folder.file("a.db"), &server.base_url()).await;
    let mut status = device.engine.watch_status();
    // Looked at once, and dropped: as in a `select!`, or under a timeout.
    let busy = keep_busy(&device).await;
    assert!(device.engine.push(&note("a", "x", 0)).now_or_never().is_none());
    drop(busy);
    let counted = timeout(PATIENCE, status.wait_for(|status| status.queue_len == 1)).await;
    counted.expect("it is counted").unwrap();

    device.engine.start(AutoSync::default());
    timeout(PATIENCE, status.wait_for(|status| status.queue_len == 0)).await.expect("it is sent").unwrap();
    let busy = keep_busy(&device).await;
    assert!(device.engine.push(&note("b", "x", 0)).now_or_never().is_none());
    drop(busy);
    timeout(PATIENCE, status.wait_for(|status| status.queue_len == 1)).await.expect("it is counted").unwrap();
    timeout(PATIENCE, status.wait_for(|status| status.queue_len == 0)).await.expect("it is sent").unwrap();
    assert_eq!(server.records("/notes").len(), 2);
}
