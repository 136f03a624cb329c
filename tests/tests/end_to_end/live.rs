//! From one device to another while both listen.

use std::time::Duration;

use futures::StreamExt;
use sync::{AutoSync, Events, SyncEvent};
use sync_tests::device::{Device, Folder, server};
use sync_tests::entities::note;

/// Nothing is pulled unless the server tells to.
const LISTENING: AutoSync = AutoSync { flush_after: Duration::ZERO, pull_every: None, listen: true };

async fn listening(folder: &Folder, name: &str, url: &str) -> (Device, Events) {
    let device = Device::open(&folder.file(name), url).await;
    let mut events = device.engine.events();
    device.engine.start(LISTENING);
    // Once connected, each of the two entities is pulled.
    let mut pulled = 0;
    while pulled < 2 {
        pulled += usize::from(matches!(events.next().await, Some(SyncEvent::Pulled { .. })));
    }
    (device, events)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_device_writes_reaches_the_handler_of_another_without_a_timer() {
    let (folder, server) = (Folder::new(), server());
    let (phone, _) = listening(&folder, "phone.db", &server.base_url()).await;
    let (laptop, mut events) = listening(&folder, "laptop.db", &server.base_url()).await;
    phone.engine.push(&note("a", "from the phone", 0)).await.unwrap();
    while !laptop.app.state().notes.contains_key("a") {
        events.next().await.unwrap();
    }
    phone.engine.delete::<sync_tests::entities::Note>(&"a".to_owned()).await.unwrap();
    while laptop.app.state().notes.contains_key("a") {
        events.next().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn listening_goes_on_after_the_server_was_away() {
    let (folder, data) = (Folder::new(), Folder::new());
    let config = sync_examples::server::Config::new(["/notes", "/tasks"]).file(data.file("server.db"));
    let server = sync_examples::server::Server::start(config.clone()).unwrap();
    let (port, url) = (server.port(), server.base_url());
    let (laptop, mut events) = listening(&folder, "laptop.db", &url).await;
    server.stop().await;
    let server = sync_examples::server::Server::start(config.port(port)).unwrap();
    server.write_as_other_client("/notes", "a", Some(&serde_json::to_value(note("a", "x", 0)).unwrap()));
    while !laptop.app.state().notes.contains_key("a") {
        events.next().await.unwrap();
    }
}
