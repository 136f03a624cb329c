//! A long queue on disk, flushed to a server that fails now and then.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use sync::{BoxError, Durability, Engine, RestRemote, RetryPolicy, SqliteStorage};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::memory;
use super::server::Tally;
use crate::app::App;
use crate::entities::note;

/// How many records are pushed in one transaction, and how many bytes of text.
const BATCH: u64 = 1000;
const BATCH_BYTES: u64 = 1 << 20;

/// A soak of the queue.
#[derive(Debug, Clone)]
pub struct Load {
    /// How many operations are queued.
    pub operations: u64,
    /// How long the text of each is.
    pub text_bytes: u64,
    /// What the server's dice start from.
    pub seed: u64,
    /// How many requests of a hundred fail.
    pub failing_percent: u32,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// What the server saw.
    pub tally: Tally,
    /// How many operations were left, parked ones included.
    pub left: u64,
    /// How long it took to queue them.
    pub filled_in: Duration,
    /// How long it took to flush them.
    pub flushed_in: Duration,
    /// The memory of the idle process, in KiB, before anything was queued.
    pub idle: Option<u64>,
    /// The most memory while the queue was filled and flushed, in KiB.
    pub peak: Option<u64>,
}

impl Outcome {
    /// How much more memory than the idle process was held at most, in KiB.
    #[must_use]
    pub fn above_idle(&self) -> Option<u64> {
        Some(self.peak?.saturating_sub(self.idle?))
    }
}

/// Queues operations in a new file and flushes them to a server that `program` serves in a process of its own, so that
/// this process's memory is that of the client alone.
///
/// The file is opened with `Durability::Normal`: what is measured is the queue, and not the disk.
///
/// # Errors
/// When a push, a flush or the server's process fails.
pub async fn run(load: &Load, program: &Path, file: &Path) -> Result<Outcome, BoxError> {
    let (_server, url) = serve(load, program).await?;
    let storage = SqliteStorage::builder(file).durability(Durability::Normal).open()?;
    // Failed attempts are due again at once: what is measured is not the waiting.
    let at_once = RetryPolicy { base: Duration::ZERO, ..RetryPolicy::default() };
    let engine =
        Engine::builder(App::default(), RestRemote::new(&url)?, storage).retry(at_once).build().await?;
    let idle = memory::resident();
    let _ = memory::forget_peak();

    let start = Instant::now();
    let text = "x".repeat(usize::try_from(load.text_bytes)?);
    let batch = (BATCH_BYTES / load.text_bytes.max(1)).clamp(1, BATCH);
    let mut next = 0;
    while next < load.operations {
        let end = (next + batch).min(load.operations);
        let notes: Vec<_> = (next..end).map(|number| note(&format!("n{number}"), &text, 0)).collect();
        engine.push_all(&notes).await?;
        next = end;
    }
    let filled_in = start.elapsed();

    let start = Instant::now();
    while engine.queue_len() > 0 {
        engine.flush().await?;
    }
    let flushed_in = start.elapsed();
    let peak = memory::peak();
    let left = engine.queue_len() + engine.status().parked;
    let tally = reqwest::get(format!("{url}/tally")).await?.bytes().await?;
    let tally = serde_json::from_slice(&tally)?;
    engine.shutdown().await;
    Ok(Outcome { tally, left, filled_in, flushed_in, idle, peak })
}

async fn serve(load: &Load, program: &Path) -> Result<(Child, String), BoxError> {
    let mut child = Command::new(program)
        .args(["serve", "--seed", &load.seed.to_string()])
        .args(["--failing-percent", &load.failing_percent.to_string()])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = child.stdout.take().ok_or("the server has no output")?;
    let url = BufReader::new(output).lines().next_line().await?.ok_or("the server did not start")?;
    Ok((child, url))
}
