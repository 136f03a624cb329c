//! How a change reaches a device that runs in the background: told by the server, or found by asking.

use std::time::Duration;

use futures::StreamExt;
use sync::AutoSync;
use tokio::time::timeout;

use crate::app::{Note, Page};
use crate::backend::Backend;
use crate::servers::{CouchDb, JsonServer, Kinto, Postgrest, V1};
use crate::story::World;

/// One device writes; another one, in the background, has it in the end.
async fn reaches<B: Backend>(background: AutoSync) {
    let world = World::<B>::new().await;
    let (a, b) = (world.device("a").await, world.device("b").await);
    let mut events = b.engine.events();
    b.engine.start(background);
    // What is written before the device has begun to listen is left to its next pull: so more than once, if need be.
    for attempt in 0..40 {
        a.write(Note::page("n", &format!("written {attempt}"), "", attempt)).await;
        a.engine.flush().await.unwrap();
        let heard = async {
            while !b.app.titles::<Note>().contains_key("n") {
                events.next().await.unwrap();
            }
        };
        if timeout(Duration::from_millis(500), heard).await.is_ok() {
            return;
        }
    }
    panic!("it never came");
}

const LISTENING: AutoSync = AutoSync { flush_after: Duration::ZERO, pull_every: None, listen: true };
const ASKING: AutoSync =
    AutoSync { flush_after: Duration::ZERO, pull_every: Some(Duration::from_millis(200)), listen: true };

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn couchdb_tells_of_changes_while_a_request_is_open() {
    reaches::<CouchDb>(LISTENING).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kinto_is_asked_from_time_to_time() {
    reaches::<Kinto>(ASKING).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_server_is_asked_from_time_to_time() {
    reaches::<JsonServer<V1>>(ASKING).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgrest_is_asked_from_time_to_time() {
    reaches::<Postgrest>(ASKING).await;
}
