//! Over HTTP: conflicts, lost answers, an outage, credentials.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use sync::{RestRemote, State};
use sync_examples::server::intercept::Intercept;
use sync_examples::server::{Config, Server};
use sync_tests::entities::{note, task};

use sync_tests::device::{Device, Folder, server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_devices_end_with_the_same_records() {
    let (folder, server) = (Folder::new(), server());
    let phone = Device::open(&folder.file("phone.db"), &server.base_url()).await;
    let laptop = Device::open(&folder.file("laptop.db"), &server.base_url()).await;
    for number in 0..50 {
        phone.engine.push(&note(&format!("p{number}"), "from the phone", number)).await.unwrap();
        laptop.engine.push(&note(&format!("l{number}"), "from the laptop", number)).await.unwrap();
    }
    phone.engine.push(&note("both", "earlier", 1)).await.unwrap();
    laptop.engine.push(&note("both", "later", 2)).await.unwrap();
    for device in [&phone, &laptop, &phone, &laptop] {
        assert!(device.engine.full_sync().await.unwrap().is_clean());
    }
    assert_eq!(phone.app.state().notes.len(), 101);
    assert_eq!(phone.app.state().notes, laptop.app.state().notes);
    assert_eq!(phone.app.state().notes["both"].title, "later");
    assert_eq!(server.records("/notes").len(), 101);
}

#[tokio::test]
async fn a_lost_answer_makes_no_second_record() {
    let (folder, server) = (Folder::new(), server());
    let device = Device::open(&folder.file("a.db"), &server.base_url()).await;
    device.engine.push(&task(1, None, "x")).await.unwrap();
    let first = AtomicUsize::new(0);
    server.intercept(move |_| match first.fetch_add(1, Ordering::Relaxed) {
        0 => Intercept::CutAfter,
        _ => Intercept::Pass,
    });
    let report = device.engine.flush().await.unwrap();
    assert_eq!((report.pushed, report.remaining), (0, 1));
    device.engine.flush().await.unwrap();
    assert_eq!(device.engine.queue_len(), 0);
    let keys: Vec<_> =
        server.requests().into_iter().map(|request| request.idempotency_key.unwrap()).collect();
    assert_eq!(keys[0], keys[1]);
    assert_eq!(device.app.state().conflicts.len(), 0);
}

#[tokio::test]
async fn a_server_that_goes_away_in_the_middle_of_a_flush_loses_nothing() {
    let (folder, data) = (Folder::new(), Folder::new());
    let config = Config::new(["/notes", "/tasks"]).file(data.file("server.db"));
    let server = Server::start(config.clone()).unwrap();
    let device = Device::open(&folder.file("a.db"), &server.base_url()).await;
    let notes: Vec<_> = (0..200).map(|number| note(&format!("n{number}"), "x", number)).collect();
    device.engine.push_all(&notes).await.unwrap();
    let arrived = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&arrived);
    server.intercept(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        0..50 => Intercept::Pass,
        50..60 => Intercept::CutAfter,
        _ => Intercept::Cut,
    });
    device.engine.flush().await.unwrap();
    let port = server.port();
    server.stop().await;
    device.engine.flush().await.unwrap();
    assert_eq!(device.engine.status().state, State::Offline);
    let server = Server::start(config.port(port)).unwrap();
    let report = device.engine.full_sync().await.unwrap();
    assert!(report.is_clean(), "{:?}", report.errors);
    assert_eq!(server.records("/notes").len(), 200);
    assert_eq!(device.engine.status().parked, 0, "being offline costs no attempt");
}

#[tokio::test]
async fn operations_that_wait_for_a_token_are_sent_with_it_later() {
    let folder = Folder::new();
    let server = Server::start(Config::new(["/notes", "/tasks"]).token("right")).unwrap();
    let remote = |token: &str| RestRemote::builder(server.base_url()).bearer(token).build().unwrap();
    let device = Device::with(&folder.file("a.db"), remote("wrong")).await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    let report = device.engine.full_sync().await.unwrap();
    assert_eq!(report.remaining, 1);
    assert_eq!(device.engine.status().state, State::Unauthorized);
    device.engine.shutdown().await;
    drop(device);
    let device = Device::with(&folder.file("a.db"), remote("right")).await;
    assert!(device.engine.full_sync().await.unwrap().is_clean());
    assert_eq!(server.records("/notes").len(), 1);
}

#[tokio::test]
async fn pages_of_a_large_collection_arrive_whole() {
    let (folder, server) = (Folder::new(), server());
    for number in 0..1234 {
        let record = serde_json::to_value(task(number, None, "x")).unwrap();
        server.write_as_other_client("/tasks", &number.to_string(), Some(&record));
    }
    server.write_as_other_client("/tasks", "7", None);
    let device = Device::open(&folder.file("a.db"), &server.base_url()).await;
    let report = device.engine.pull().await.unwrap();
    assert!(report.is_clean(), "{:?}", report.errors);
    assert_eq!(device.app.state().tasks.len(), 1233);
    assert_eq!(device.engine.pull().await.unwrap().pulled, 0, "the cursor is past everything");
}
