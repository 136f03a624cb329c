//! Waiting without going to sleep, where that is quicker.
//!
//! Waking a thread can take as long as a short commit. So as long as commits are short, both sides look for each other a
//! moment before they sleep. With a slow disk to wait for, or on one processor, nobody does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;

/// Commits up to this long are short.
const SHORT: Duration = Duration::from_micros(300);

/// How long the thread looks for the next job before it sleeps.
const LINGER: Duration = Duration::from_micros(150);

/// How long a caller holds its runtime's thread; after that it lets other tasks run between two looks.
const HOLD: Duration = Duration::from_micros(30);

/// How long commits take of late, shared by the thread and those who wait for it.
#[derive(Debug, Clone)]
pub(super) struct Pace(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// A running mean, in nanoseconds.
    mean: AtomicU64,
    callers: AtomicUsize,
    parallel: bool,
}

impl Pace {
    /// Knows nothing yet, so nobody spins.
    pub(super) fn new() -> Self {
        let parallel = std::thread::available_parallelism().is_ok_and(|processors| processors.get() > 1);
        let mean = AtomicU64::new(nanos(SHORT * 2));
        Self(Arc::new(Shared { mean, callers: AtomicUsize::new(0), parallel }))
    }

    /// The thread notes how long a batch took. One that moved the log into the file is rare and long; it counts as one that
    /// was not short, and no more.
    pub(super) fn took(&self, time: Duration) {
        let mean = self.0.mean.load(Ordering::Relaxed);
        let time = nanos(time.min(SHORT * 2));
        self.0.mean.store((mean * 7 + time) / 8, Ordering::Relaxed);
    }

    fn short(&self) -> Option<Duration> {
        let mean = Duration::from_nanos(self.0.mean.load(Ordering::Relaxed));
        (self.0.parallel && mean <= SHORT).then_some(mean)
    }

    /// Whether it is quicker to look for each other than to sleep.
    pub(super) fn is_short(&self) -> bool {
        self.short().is_some()
    }

    /// The thread looks for the next job for a moment.
    pub(super) fn linger<T>(jobs: &mut mpsc::Receiver<T>) -> Option<T> {
        let began = Instant::now();
        while began.elapsed() < LINGER {
            match jobs.try_recv() {
                Ok(job) => return Some(job),
                Err(mpsc::error::TryRecvError::Empty) => make_way(),
                Err(mpsc::error::TryRecvError::Disconnected) => return None,
            }
        }
        None
    }

    /// A caller waits for its answer; `None` when the thread died.
    pub(super) async fn answer<T>(&self, mut reply: oneshot::Receiver<T>) -> Option<T> {
        let caller = Caller::new(&self.0.callers);
        // Several callers share a commit, and would only keep each other from asking for it.
        if caller.alone
            && let Some(mean) = self.short()
        {
            let began = Instant::now();
            let limit = mean * 2 + HOLD;
            loop {
                match reply.try_recv() {
                    Ok(answer) => return Some(answer),
                    Err(oneshot::error::TryRecvError::Closed) => return None,
                    Err(oneshot::error::TryRecvError::Empty) => {}
                }
                match began.elapsed() {
                    time if time > limit => break,
                    time if time > HOLD => yield_now().await,
                    _ => make_way(),
                }
            }
        }
        reply.await.ok()
    }
}

/// One who waits for an answer.
struct Caller<'a> {
    callers: &'a AtomicUsize,
    alone: bool,
}

impl<'a> Caller<'a> {
    fn new(callers: &'a AtomicUsize) -> Self {
        let alone = callers.fetch_add(1, Ordering::Relaxed) == 0;
        Self { callers, alone }
    }
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        self.callers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lets another thread have this processor: it may well be the one that is waited for.
fn make_way() {
    std::thread::yield_now();
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
