//! Many tasks that push, edit and delete while the engine flushes, pulls and is watched.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sync::{BoxError, Engine};
use sync_examples::server::Server;
use sync_examples::server::intercept::Intercept;
use tokio::task::JoinSet;

use crate::app::App;
use crate::device::Device;
use crate::entities::{Note, note};

/// How many records each task has.
const RECORDS: u32 = 20;

/// A soak with a crowd.
#[derive(Debug, Clone)]
pub struct Crowd {
    /// How many tasks edit.
    pub tasks: u32,
    /// How many edits each of them makes.
    pub edits: u32,
    /// What the dice start from.
    pub seed: u64,
    /// A crowd that takes longer has come to a standstill.
    pub watchdog: Duration,
}

/// What came of it.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The title that each record was given last, by id; deleted ones are not in it.
    pub intended: BTreeMap<String, String>,
    /// What the server has.
    pub arrived: BTreeMap<String, String>,
    /// What the application was shown. Deleted records may be among them: a deletion that takes back what was never sent is
    /// the application's own, and no pull tells of it.
    pub shown: BTreeMap<String, String>,
    /// How many operations were left, parked ones included.
    pub left: u64,
    /// How many times a watcher saw the status change.
    pub looks: u64,
}

impl Outcome {
    /// The records that are not on the server, or not shown, as they were left.
    #[must_use]
    pub fn lost(&self) -> Vec<&str> {
        let ids = self.intended.keys().chain(self.arrived.keys());
        let lost = ids.filter(|id| {
            let intended = self.intended.get(*id);
            self.arrived.get(*id) != intended || intended.is_some() && self.shown.get(*id) != intended
        });
        lost.map(String::as_str).collect()
    }
}

/// Lets the crowd loose.
///
/// # Errors
/// When a call fails, and when the watchdog finds a standstill.
pub async fn run(crowd: &Crowd, server: &Server, device: &Device) -> Result<Outcome, BoxError> {
    let mut dice = StdRng::seed_from_u64(crowd.seed);
    server.intercept(move |_| match dice.random_range(0..40) {
        0 => fault(500),
        1 => Intercept::CutAfter,
        _ => Intercept::Pass,
    });
    let at_work = tokio::time::timeout(crowd.watchdog, work(crowd, server, device));
    at_work.await.map_err(|_| format!("no end after {:?}: a standstill", crowd.watchdog))?
}

fn fault(status: u16) -> Intercept {
    Intercept::Answer { status, headers: Vec::new(), body: String::new() }
}

async fn work(crowd: &Crowd, server: &Server, device: &Device) -> Result<Outcome, BoxError> {
    let engine = &device.engine;
    let done = Arc::new(AtomicBool::new(false));
    let mut companions = JoinSet::new();
    for flushes in [true, false] {
        let (engine, done) = (engine.clone(), Arc::clone(&done));
        companions.spawn(async move {
            while !done.load(Ordering::SeqCst) {
                let report = if flushes { engine.flush().await } else { engine.pull().await };
                report.map_err(|error| error.to_string())?;
                tokio::task::yield_now().await;
            }
            Ok::<_, String>(0)
        });
    }
    for _ in 0..4 {
        let (mut status, done) = (engine.watch_status(), Arc::clone(&done));
        companions.spawn(async move {
            let mut looks = 0;
            while !done.load(Ordering::SeqCst) && status.changed().await.is_ok() {
                let _ = status.borrow_and_update().queue_len;
                looks += 1;
            }
            Ok(looks)
        });
    }
    let mut editors = JoinSet::new();
    for task in 0..crowd.tasks {
        let dice = StdRng::seed_from_u64(crowd.seed ^ u64::from(task + 1).rotate_left(32));
        editors.spawn(edit(engine.clone(), task, crowd.edits, dice));
    }
    let mut intended = BTreeMap::new();
    while let Some(edited) = editors.join_next().await {
        intended.extend(edited??);
    }
    done.store(true, Ordering::SeqCst);
    server.heal();
    while engine.queue_len() > 0 {
        engine.flush().await?;
    }
    // Wakes the watchers a last time.
    engine.full_sync().await?;
    let mut looks = 0;
    while let Some(companion) = companions.join_next().await {
        looks += companion??;
    }
    let report = engine.pull().await?;
    if !report.is_clean() {
        return Err(format!("{:?}", report.errors).into());
    }
    let arrived = server.records("/notes").into_iter();
    let arrived = arrived.map(|(id, record)| (id, record["title"].as_str().unwrap_or_default().to_owned()));
    let shown = device.app.state().notes.iter().map(|(id, note)| (id.clone(), note.title.clone())).collect();
    let left = engine.queue_len() + engine.status().parked;
    Ok(Outcome { intended, arrived: arrived.collect(), shown, left, looks })
}

/// Edits the records of one task; tells how it left them.
async fn edit(
    engine: Engine<App>,
    task: u32,
    edits: u32,
    mut dice: StdRng,
) -> Result<BTreeMap<String, String>, sync::Error> {
    let mut left = BTreeMap::new();
    for number in 0..edits {
        let id = format!("t{task}-{}", dice.random_range(0..RECORDS));
        if dice.random_range(0..4) == 0 {
            engine.delete::<Note>(&id).await?;
            left.remove(&id);
        } else {
            let title = format!("edit {number}");
            engine.push(&note(&id, &title, number.into())).await?;
            left.insert(id, title);
        }
        if dice.random_range(0..8) == 0 {
            tokio::task::yield_now().await;
        }
    }
    Ok(left)
}
