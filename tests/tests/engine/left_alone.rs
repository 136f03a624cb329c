//! Calls that are neither awaited to their end nor dropped, as a program does that waits a moment and goes on.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use sync::{Error, Resolution};
use sync_tests::app::{Answer, Hook};
use sync_tests::entities::{Note, Task, note};
use tokio::sync::Semaphore;

use crate::device::Device;

/// Far longer than anything here takes.
const WATCHDOG: Duration = Duration::from_secs(3600);

/// Ways to decide.
#[derive(Debug, Clone, Copy)]
enum Call {
    Discard,
    Answer,
    ClearQueue,
}

const CALLS: [Call; 3] = [Call::Discard, Call::Answer, Call::ClearQueue];

impl Call {
    async fn of(self, device: &Device) -> BoxFuture<'static, Result<(), Error>> {
        let engine = device.engine.clone();
        let refused = engine.parked::<Note>().await.unwrap()[0].operation;
        let conflict = engine.conflicts::<Task>().await.unwrap()[0].operation;
        async move {
            match self {
                Self::Discard => engine.discard(refused).await,
                Self::Answer => engine.answer(conflict, Resolution::<Task>::TakeRemote).await,
                Self::ClearQueue => engine.clear_queue().await.map(drop),
            }
        }
        .boxed()
    }
}

/// The edit of a note was refused, and the user is asked about the conflict of a task.
async fn undecided() -> Device {
    let device = Device::with_refused_creation().await;
    device.comes_into_conflict().await;
    device.app.will(Answer::Decide(Resolution::Defer));
    device.engine.pull().await.unwrap();
    device
}

/// A handler that waits for a permit.
fn waits(gate: &Arc<Semaphore>) -> Hook {
    let gate = Arc::clone(gate);
    Box::new(move || {
        let gate = Arc::clone(&gate);
        async move { gate.acquire().await.unwrap().forget() }.boxed()
    })
}

#[tokio::test(start_paused = true)]
async fn a_decision_that_is_left_alone_in_the_handler_holds_up_no_sync() {
    for call in CALLS {
        let (device, gate) = (undecided().await, Arc::new(Semaphore::new(0)));
        device.app.state().on_page = Some(waits(&gate));
        device.app.state().after_tasks = Some(waits(&gate));
        let mut decision = call.of(&device).await;
        assert!((&mut decision).now_or_never().is_none());
        gate.add_permits(2);
        device.server.put(&note("new", "theirs", 0));
        let sync = tokio::time::timeout(WATCHDOG, device.engine.full_sync()).await;
        assert!(sync.unwrap_or_else(|_| panic!("it waits for {call:?}")).unwrap().is_clean());
        decision.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_decision_that_is_left_alone_before_its_turn_holds_up_no_sync() {
    for call in CALLS {
        let (device, gate) = (undecided().await, Arc::new(Semaphore::new(0)));
        device.app.state().on_page = Some(waits(&gate));
        device.server.put(&note("first", "theirs", 0));
        let mut pull = device.engine.pull().boxed();
        assert!(tokio::time::timeout(Duration::from_secs(1), &mut pull).await.is_err(), "the handler waits");
        let mut decision = call.of(&device).await;
        assert!(tokio::time::timeout(Duration::from_secs(1), &mut decision).await.is_err());
        gate.add_permits(1);
        device.server.put(&note("second", "theirs", 0));
        let sync = tokio::time::timeout(WATCHDOG, device.engine.full_sync()).await;
        assert!(sync.unwrap_or_else(|_| panic!("it waits for {call:?}")).unwrap().is_clean());
        pull.await.unwrap();
        decision.await.unwrap();
    }
}
