//! When the device is said to be online, and what counts as coming online.

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use sync::testing::{Fault, Gate, ScriptedRemote};
use sync::{AutoSync, Connectivity, Events, MemoryStorage, SyncEvent};
use tokio::sync::watch;

use crate::device::{Device, NO_PULLS};

const RARELY: AutoSync = AutoSync { pull_every: Some(Duration::from_secs(86_400)), ..NO_PULLS };

/// As tokio's `watch::Sender::send` does, it tells also what has not changed.
#[derive(Debug)]
struct Repeating(Arc<watch::Sender<bool>>);

impl Connectivity for Repeating {
    fn watch(&self) -> watch::Receiver<bool> {
        self.0.subscribe()
    }
}

/// How many syncs there are without anybody waiting for a timer.
async fn syncs(events: &mut Events) -> usize {
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut syncs = 0;
    while let Some(Some(event)) = events.next().now_or_never() {
        syncs += usize::from(matches!(event, SyncEvent::SyncComplete(_)));
    }
    syncs
}

#[tokio::test(start_paused = true)]
async fn who_is_said_to_be_online_again_and_again_has_come_online_once() {
    let online = Arc::new(watch::Sender::new(true));
    let (server, connectivity) = (ScriptedRemote::new(), Repeating(Arc::clone(&online)));
    let storage = MemoryStorage::new();
    let device = Device::with(&server, storage, |builder| builder.connectivity(connectivity)).await;
    let mut events = device.engine.events();
    device.engine.start(RARELY);
    assert_eq!(syncs(&mut events).await, 1, "as it begins");
    for _ in 0..10 {
        online.send(true).unwrap();
        assert_eq!(syncs(&mut events).await, 0);
    }
    online.send(false).unwrap();
    assert_eq!(syncs(&mut events).await, 0);
    for expected in [1, 0] {
        online.send(true).unwrap();
        assert_eq!(syncs(&mut events).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_comes_online_while_a_sync_runs_syncs_once_more() {
    let device = Device::new().await;
    let mut events = device.engine.events();
    device.engine.start(RARELY);
    assert_eq!(syncs(&mut events).await, 1, "as it begins");
    let gate = Gate::new();
    device.server.once(Fault::Hold(gate.clone()));
    let engine = device.engine.clone();
    let pulling = tokio::spawn(async move { engine.pull().await });
    gate.reached(1).await;
    device.switch.set_online(false);
    assert_eq!(syncs(&mut events).await, 0);
    device.switch.set_online(true);
    gate.open();
    pulling.await.unwrap().unwrap();
    assert_eq!(syncs(&mut events).await, 2);
}
