//! How long a pause is, and what it says of the sync before it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use sync::remote::{Reply, WriteAnswer, WriteRequest};
use sync::testing::{Call, Fault, ManualClock, ScriptedRemote};
use sync::{AutoSync, Clock, Engine, MemoryStorage, Remote, RemoteError};
use sync_tests::app::App;
use sync_tests::entities::note;
use tokio::sync::Barrier;
use tokio::time::Instant;

use crate::device::Device;
use crate::peculiar::{Peculiar, Server};

#[tokio::test]
async fn a_sync_that_did_everything_is_one_although_a_pause_follows() {
    let device = Device::new().await;
    device.server.once(Fault::Transient(500));
    device.engine.pull().await.unwrap();
    assert!(device.engine.status().last_error.is_some());
    device.server.script(|call| match call {
        Call::Pull { entity: "Task", .. } => Fault::ThenWait(Duration::from_secs(1)),
        _ => Fault::None,
    });
    let report = device.engine.full_sync().await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    let calls = device.server.calls();
    let status = device.engine.status();
    assert!(status.last_sync_at.is_some() && status.last_error.is_none(), "{status:?} {calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_after_a_complete_pull_is_no_reason_to_pull_again() {
    let server = ScriptedRemote::new();
    let device =
        Device::with(&server, MemoryStorage::new(), |builder| builder.clock(Ticking::default())).await;
    // Only the last page of a sync asks for it.
    server.script(|call| match call {
        Call::Pull { entity, .. } if entity.starts_with('T') => Fault::ThenWait(Duration::from_secs(1)),
        _ => Fault::None,
    });
    device.engine.start(AutoSync {
        flush_after: Duration::from_millis(300),
        pull_every: Some(Duration::from_secs(300)),
        listen: false,
    });
    tokio::time::sleep(Duration::from_secs(290)).await;
    let calls = device.server.calls();
    assert!(calls.len() <= 4, "{} requests in five minutes, {:?}", calls.len(), calls.first());
}

/// A clock that goes with the paused time of the test.
#[derive(Debug)]
struct Ticking(Instant);

impl Default for Ticking {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for Ticking {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::from_std(self.0.elapsed()).unwrap()
    }
}

/// A server that is there until all requests of a burst are on their way.
#[derive(Debug, Clone)]
struct Breaking(ScriptedRemote, Arc<Barrier>);

#[async_trait]
impl Peculiar for Breaking {
    fn server(&self) -> &ScriptedRemote {
        &self.0
    }

    async fn send(&self, request: WriteRequest) -> Result<Reply<WriteAnswer>, RemoteError> {
        self.1.wait().await;
        self.0.send(request).await
    }
}

#[tokio::test]
async fn requests_that_are_lost_together_are_one_failure() {
    let (server, clock) = (ScriptedRemote::new(), ManualClock::default());
    let remote = Server(Breaking(server.clone(), Arc::new(Barrier::new(16))));
    let engine = Engine::builder(App::default(), remote, MemoryStorage::new())
        .clock(clock.clone())
        .seed(7)
        .build()
        .await
        .unwrap();
    for number in 0..16 {
        engine.push(&note(&number.to_string(), "x", 0)).await.unwrap();
    }
    server.script(|_| Fault::RequestLost);
    engine.flush().await.unwrap();
    let wait = engine.status().next_attempt_at.unwrap() - clock.now();
    assert!(
        wait <= TimeDelta::seconds(1),
        "after {} requests that were lost at once it waits for {wait}",
        server.calls().len()
    );
}

#[tokio::test]
async fn an_hour_holds_though_the_clock_is_corrected() {
    let device = Device::new().await;
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.server.once(Fault::Throttled(Some(Duration::from_secs(3600))));
    device.engine.flush().await.unwrap();
    device.clock.advance(TimeDelta::milliseconds(-100));
    device.engine.push(&note("b", "x", 0)).await.unwrap();
    device.engine.flush().await.unwrap();
    assert_eq!(device.server.calls().len(), 1, "the pause is forgotten");
}

#[tokio::test]
async fn a_lost_connection_does_not_shorten_the_pause_for_want_of_credentials() {
    let device =
        Device::with(&ScriptedRemote::new(), MemoryStorage::new(), |builder| builder.max_in_flight(2)).await;
    // Several rejections in a row, so that the pause has grown.
    device.engine.push(&note("a", "x", 0)).await.unwrap();
    device.server.script(|_| Fault::Unauthorized);
    for _ in 0..8 {
        device.engine.flush().await.unwrap();
    }
    let until = device.engine.status().next_attempt_at.unwrap();
    device.server.script(|_| Fault::RequestLost);
    device.engine.flush().await.unwrap();
    let status = device.engine.status();
    assert!(status.next_attempt_at.unwrap() >= until, "{until} {status:?}");
}
