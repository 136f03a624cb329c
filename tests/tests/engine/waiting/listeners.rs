//! Those who listen ask the server too.

use std::time::Duration;

use async_trait::async_trait;
use chrono::TimeDelta;
use futures::StreamExt;
use sync::remote::{Changed, Changes, Heard, ListenRequest};
use sync::testing::{Call, Fault, ManualClock, ScriptedRemote};
use sync::{AutoSync, Engine, MemoryStorage, Remote, RemoteError, State};
use sync_tests::app::App;
use sync_tests::entities::note;

use super::{MINUTE, says_only_that_it_waits};
use crate::device::Device;
use crate::peculiar::{Peculiar, Server};

/// Nothing but listening happens by itself.
const LISTENING: AutoSync =
    AutoSync { flush_after: Duration::from_secs(36_000), pull_every: None, listen: true };

/// A device that listens to a server, as that is made beforehand.
async fn listener(prepare: impl FnOnce(&ScriptedRemote)) -> Device {
    let server = ScriptedRemote::new();
    server.tell_changes();
    prepare(&server);
    let device = Device::with(&server, MemoryStorage::new(), |builder| builder).await;
    device.engine.start(LISTENING);
    device
}

/// A device to which the server says `fault` when it wants to listen.
async fn refused_listener(fault: Fault) -> Device {
    let device = listener(|server| {
        server.script(move |call| match call {
            Call::Listen { .. } => fault.clone(),
            _ => Fault::None,
        });
    })
    .await;
    while device.server.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    device
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_is_asked_of_a_listener_holds_for_everything() {
    let device = refused_listener(Fault::Throttled(Some(MINUTE))).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let before = device.server.calls().len();
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    let report = device.engine.full_sync().await.unwrap();
    assert!(says_only_that_it_waits(&report), "{report:?}");
    assert_eq!(device.server.calls().len(), before);
}

#[tokio::test(start_paused = true)]
async fn nobody_connects_to_listen_while_the_server_is_to_be_left_alone() {
    let device = refused_listener(Fault::RequestLost).await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.server.script(|_| Fault::ThenWait(Duration::from_secs(600)));
    device.engine.flush().await.unwrap();
    let before = device.server.calls().len();
    for _ in 0..500 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        device.clock.advance(TimeDelta::seconds(1));
    }
    assert_eq!(device.server.calls().len(), before);
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        device.clock.advance(TimeDelta::seconds(1));
    }
    assert!(device.server.listeners() > 0, "it listens when the pause is over");
}

#[tokio::test(start_paused = true)]
async fn other_entities_wait_for_what_a_listener_was_asked() {
    let device = listener(|_| {}).await;
    let server = &device.server;
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(server.listeners(), 2);
    server.put(&note("a", "theirs", 0));
    let told = server.clone();
    device.app.state().on_page = Some(Box::new(move || {
        let told = told.clone();
        Box::pin(async move {
            told.script(|call| match call {
                Call::Listen { .. } => Fault::Throttled(Some(MINUTE)),
                _ => Fault::None,
            });
            told.hang_up();
            tokio::time::sleep(Duration::from_secs(10)).await;
        })
    }));
    let before = server.calls().len();
    let _ = device.engine.pull().await;
    let calls = server.calls();
    let since: Vec<_> =
        calls[before..].iter().skip_while(|call| !matches!(call, Call::Listen { .. })).collect();
    assert!(!since.is_empty(), "somebody was asked: {calls:?}");
    assert!(since.iter().all(|call| matches!(call, Call::Listen { .. })), "{since:?}");
}

#[tokio::test(start_paused = true)]
async fn a_listener_notices_that_the_device_slept() {
    let device = listener(|server| server.once(Fault::Throttled(Some(Duration::from_secs(3000))))).await;
    let server = &device.server;
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(server.listeners(), 0);
    device.clock.advance(TimeDelta::hours(8));
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(server.listeners(), 2, "{:?}", server.calls());
}

#[tokio::test]
async fn the_status_says_that_a_listener_was_asked_to_wait() {
    let device = refused_listener(Fault::Throttled(Some(MINUTE))).await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let status = device.engine.status();
    assert_eq!(status.state, State::Paused, "{status:?}");
}

/// A server that is asked again and again for what changed.
#[derive(Debug, Clone)]
struct Polled(ScriptedRemote);

#[async_trait]
impl Peculiar for Polled {
    fn server(&self) -> &ScriptedRemote {
        &self.0
    }

    /// As `long_poll.rs` does: each item of the stream is the answer to a request of its own.
    async fn changes(&self, _: ListenRequest) -> Result<Option<Changes>, RemoteError> {
        let polls = futures::stream::unfold(self.0.clone(), |server| async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            let heard =
                server.probe().await.map(|()| Heard::Hint { event: None, changed: Changed::Anything });
            Some((heard, server))
        });
        Ok(Some(polls.boxed()))
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_polls_for_changes_while_the_server_is_to_be_left_alone() {
    let server = ScriptedRemote::new();
    let engine = Engine::builder(App::default(), Server(Polled(server.clone())), MemoryStorage::new())
        .clock(ManualClock::default())
        .seed(7)
        .build()
        .await
        .unwrap();
    engine.start(LISTENING);
    tokio::time::sleep(Duration::from_secs(12)).await;
    engine.push(&note("a", "x", 0)).await.unwrap();
    server.script(|call| match call {
        Call::Write { .. } => Fault::ThenWait(Duration::from_secs(600)),
        _ => Fault::None,
    });
    engine.flush().await.unwrap();
    assert_eq!(engine.status().state, State::Paused);
    // The polls that are out come to their end.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let before = server.calls().len();
    tokio::time::sleep(MINUTE).await;
    assert_eq!(server.calls().len(), before, "{:?}", server.calls().last());
}
