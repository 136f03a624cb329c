//! Waiting without going to sleep, where that is quicker.
//!
//! Waking a thread takes longer than a commit that does not wait for the disk. So as long as commits are short, both sides
//! look for each other a moment before they sleep. With a disk to wait for, nobody spins.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};

/// Commits up to this long are short.
const SHORT: Duration = Duration::from_micros(80);

/// How long the thread looks for the next job before it sleeps.
const LINGER: Duration = Duration::from_micros(50);

/// How long the newest transactions took; shared by the thread and those who wait for it.
#[derive(Debug, Clone)]
pub(super) struct Pace(Arc<AtomicU64>);

impl Pace {
    /// Knows nothing yet, so nobody spins.
    pub(super) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(u64::MAX)))
    }

    /// The thread notes how long a batch took.
    pub(super) fn took(&self, time: Duration) {
        self.0.store(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn short(&self) -> Option<Duration> {
        let newest = Duration::from_nanos(self.0.load(Ordering::Relaxed));
        (newest <= SHORT).then_some(newest)
    }

    /// The thread waits for the next job; `None` when there will be none.
    pub(super) fn receive<T>(&self, jobs: &mut mpsc::Receiver<T>) -> Option<T> {
        if self.short().is_some() {
            let found = spin(LINGER, || match jobs.try_recv() {
                Ok(job) => Some(Some(job)),
                Err(mpsc::error::TryRecvError::Empty) => None,
                Err(mpsc::error::TryRecvError::Disconnected) => Some(None),
            });
            if let Some(found) = found {
                return found;
            }
        }
        jobs.blocking_recv()
    }

    /// A caller waits for its answer; `None` when the thread died.
    pub(super) async fn answer<T>(&self, mut reply: oneshot::Receiver<T>) -> Option<T> {
        if let Some(newest) = self.short() {
            let found = spin(newest * 2, || match reply.try_recv() {
                Ok(answer) => Some(Some(answer)),
                Err(oneshot::error::TryRecvError::Empty) => None,
                Err(oneshot::error::TryRecvError::Closed) => Some(None),
            });
            if let Some(found) = found {
                return found;
            }
        }
        reply.await.ok()
    }
}

fn spin<T>(time: Duration, mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return Some(found);
        }
        if began.elapsed() >= time {
            return None;
        }
        std::hint::spin_loop();
    }
}
