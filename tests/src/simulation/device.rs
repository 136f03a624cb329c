//! A device: its disk, the life of its process, and what its user does.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::{Either, select};
use sync::{
    AutoSync, Clock, Engine, EntityOf, Error, ManualConnectivity, MemoryStorage, Operation, Query, Receipt,
    RemoteError, RetryPolicy, SyncError,
};
use tokio::task::JoinHandle;

use super::app::{App, resolution};
use super::dice::Dice;
use super::disk::SimStorage;
use super::entities::{Doc, Draft, Folder, Kind, Name, Note, Sample, Setting, Task, for_kind};
use super::life::{Life, SimClock, intend};
use super::model::{Intent, MAX_ATTEMPTS};
use super::plan::{Action, Answer, Background, How};
use super::reader;
use super::wire::Wire;
use super::world::{World, principal};

/// How a device works in the background.
const AUTO: AutoSync = AutoSync {
    flush_after: Duration::from_millis(300),
    pull_every: Some(Duration::from_secs(300)),
    listen: false,
};

/// A device, whether its process runs or not.
pub(crate) struct Device {
    world: Arc<World>,
    number: usize,
    disk: MemoryStorage,
    pub(crate) account: usize,
    lives: u32,
    connectivity: ManualConnectivity,
    running: Option<(Arc<Life>, Engine<App>)>,
    /// What the user does, each until it has returned and its receipt was told.
    calls: Vec<JoinHandle<()>>,
    /// Those who watch.
    watches: Vec<JoinHandle<()>>,
}

impl Device {
    pub(crate) fn new(world: &Arc<World>, number: usize) -> Self {
        Self {
            world: Arc::clone(world),
            number,
            disk: MemoryStorage::new(),
            account: 0,
            lives: 0,
            connectivity: ManualConnectivity::new(true),
            running: None,
            calls: Vec::new(),
            watches: Vec::new(),
        }
    }

    /// The engine, if the process runs; it is started when it does not.
    pub(crate) async fn running(&mut self) -> Option<(Arc<Life>, Engine<App>)> {
        if self.running.as_ref().is_none_or(|(life, _)| life.is_dead()) {
            self.boot().await;
        }
        self.running.clone()
    }

    pub(crate) fn engine(&self) -> Option<&Engine<App>> {
        self.running.as_ref().map(|(_, engine)| engine)
    }

    async fn boot(&mut self) {
        self.bury();
        self.lives += 1;
        let life = Life::new(Arc::clone(&self.world), self.number, self.account, self.lives);
        life.note(format_args!("starts, as account {}", self.account));
        let plan = &self.world.plan.devices[self.number];
        let seed = Dice::for_purpose(self.world.plan.seed, &[3, self.number as u64, u64::from(self.lives)]);
        let retry = RetryPolicy { max_attempts: MAX_ATTEMPTS, ..RetryPolicy::default() };
        let storage = SimStorage::new(self.disk.clone(), Arc::clone(&life));
        let build = Engine::builder(App(Arc::clone(&life)), Wire(Arc::clone(&life)), storage)
            .principal(principal(self.account))
            .seed(seed.clone().next())
            .clock(SimClock(Arc::clone(&life)))
            .connectivity(self.connectivity.clone())
            .retry(retry)
            .page_size(plan.page_size)
            .max_in_flight(plan.max_in_flight)
            .build();
        let watched = Arc::clone(&life);
        let (build, died) = (std::pin::pin!(build), std::pin::pin!(watched.died()));
        let engine = match select(died, build).await {
            Either::Right((Ok(engine), _)) => engine,
            Either::Right((Err(error), _)) => {
                life.note(format_args!("does not start: {error}"));
                life.end();
                return;
            }
            Either::Left(_) => return,
        };
        life.hand_over(&engine);
        let counts = self.world.state().books[self.number][self.account].counts();
        let status = engine.status();
        let right = counts == (status.queue_len, status.parked) && counts.0 == engine.queue_len();
        let verdict = if right {
            Ok(())
        } else {
            let text =
                format!("counts {counts:?}, and the engine says {} and {}", status.queue_len, status.parked);
            Err(("12: ready means loaded", text))
        };
        self.world.state().judge(Some(self.number), verdict);
        let auto = AutoSync { listen: plan.listens, ..AUTO };
        match plan.background {
            Background::Nothing => {}
            Background::Flushes => engine.start(AutoSync { pull_every: None, ..auto }),
            Background::Everything => engine.start(auto),
        }
        self.watches.push(tokio::spawn(reader::follow::<Doc>(Arc::clone(&life), engine.watch(Query::new()))));
        self.watches
            .push(tokio::spawn(reader::follow::<Setting>(Arc::clone(&life), engine.watch(Query::new()))));
        self.running = Some((life, engine));
    }

    fn listens(&self) -> bool {
        let plan = &self.world.plan.devices[self.number];
        self.world.plan.habits.live && plan.listens && plan.background != Background::Nothing
    }

    /// The first engine has the disk, so that a second one must not get it.
    async fn build_a_second(&self, first: &Arc<Life>) {
        let life = Life::new(Arc::clone(&self.world), self.number, self.account, u32::MAX);
        let storage = SimStorage::new(self.disk.clone(), Arc::clone(&life));
        let (app, wire) = (App(Arc::clone(&life)), Wire(Arc::clone(&life)));
        let built = Engine::builder(app, wire, storage).build().await;
        life.end();
        if built.is_ok() && !first.is_dead() {
            let text = "a second engine was built on the same disk".to_owned();
            self.world.state().judge(Some(self.number), Err(("12: one engine owns the storage", text)));
        }
    }

    /// Everything is settled, so that every call has returned and every receipt was told.
    pub(crate) fn nothing_is_open(&self) {
        if self.calls.iter().any(|task| !task.is_finished()) {
            let text = "a call has not returned, or a receipt was not told".to_owned();
            self.world.state().judge(Some(self.number), Err(("7: liveness", text)));
        }
    }

    /// Takes what is left of a dead process away.
    pub(crate) fn bury(&mut self) {
        if let Some((life, engine)) = self.running.take() {
            life.end();
            drop(engine);
        }
        for task in self.calls.drain(..).chain(self.watches.drain(..)) {
            task.abort();
        }
    }

    /// Ends the process in an orderly way.
    pub(crate) async fn shut_down(&mut self) {
        if let Some((life, engine)) = self.running.take() {
            life.note(format_args!("shuts down"));
            life.closing.store(true, Ordering::Relaxed);
            let (shutdown, died) = (std::pin::pin!(engine.shutdown()), std::pin::pin!(life.died()));
            select(died, shutdown).await;
            life.end();
        }
        self.bury();
    }

    pub(crate) async fn log_in(&mut self, account: usize) {
        if self.account != account {
            self.shut_down().await;
            self.account = account;
        }
    }

    pub(crate) fn set_online(&self, online: bool) {
        self.connectivity.set_online(online);
    }

    /// Lets the user do something. It goes on by itself while other things happen.
    pub(crate) async fn play(&mut self, action: Action) {
        match action {
            Action::LogIn { account } => {
                self.log_in(account).await;
                self.running().await;
                return;
            }
            Action::Restart => {
                self.shut_down().await;
                self.running().await;
                return;
            }
            _ => {}
        }
        let Some((life, engine)) = self.running().await else { return };
        match action {
            Action::Kill { places } => life.doom(places),
            Action::SecondEngine => self.build_a_second(&life).await,
            // Those that listen wait for the connectivity in several tasks, and tokio wakes these in an order of its own.
            Action::Offline(_) if self.listens() => {}
            Action::Offline(millis) => {
                let connectivity = self.connectivity.clone();
                connectivity.set_online(false);
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(millis)).await;
                    connectivity.set_online(true);
                });
            }
            action => {
                self.calls.retain(|task| !task.is_finished());
                self.calls.push(tokio::spawn(async move {
                    let (done, died) =
                        (std::pin::pin!(perform(&life, &engine, action)), std::pin::pin!(life.died()));
                    select(died, done).await;
                }));
            }
        }
    }
}

async fn perform(life: &Arc<Life>, engine: &Engine<App>, action: Action) {
    if life.dice().per_mille(250) {
        reader::look::<Doc>(life, engine).await;
        reader::look::<Setting>(life, engine).await;
    }
    let result = match action {
        Action::Save { kind, key, bad, how } => {
            for_kind!(kind, T => save::<T>(life, engine, key, bad, how).await)
        }
        Action::Delete { kind, key } => for_kind!(kind, T => delete::<T>(life, engine, key).await),
        Action::Flush => flush(life, engine).await,
        Action::Pull => engine.pull().await.map(drop),
        Action::PullOnly(kind) => for_kind!(kind, T => engine.pull_only::<T>().await.map(drop)),
        Action::FullSync => engine.full_sync().await.map(drop),
        Action::Retry(nth) => match nth_parked(engine, nth).await {
            Some(operation) => intend(Intent::Retry, engine.retry(operation)).await,
            None => Ok(()),
        },
        Action::RetryAll => intend(Intent::Retry, engine.retry_all()).await.map(drop),
        Action::Discard(nth) => match nth_parked(engine, nth).await {
            Some(operation) => intend(Intent::GiveUp, engine.discard(operation)).await,
            None => Ok(()),
        },
        Action::Answer(nth, answer) => answer_one(life, engine, nth, answer).await,
        Action::ClearQueue => intend(Intent::GiveUp, engine.clear_queue()).await.map(drop),
        _ => Ok(()),
    };
    if let Err(error) = result {
        life.note(format_args!("  gets {error}"));
    }
}

async fn save<T: Sample + EntityOf<App>>(
    life: &Arc<Life>,
    engine: &Engine<App>,
    key: u64,
    bad: bool,
    how: How,
) -> Result<(), Error> {
    let (record, name, json) = draft::<T>(life, key, bad);
    let edits = vec![(name.clone(), Some(json.clone()))];
    life.note(format_args!("saves {json} ({})", name.kind.name()));
    let receipt = match how {
        How::Push => life.edit(edits, engine.push(&record)).await?,
        How::Create => life.edit(edits, engine.push_as(&record, Operation::Create)).await?,
        How::Update => life.edit(edits, engine.push_as(&record, Operation::Update)).await?,
        How::PushAll => {
            let (second, other, text) = draft::<T>(life, key + 1, false);
            let edits = vec![(name.clone(), Some(json)), (other, Some(text))];
            let mut receipts = life.edit(edits, engine.push_all(&[record, second])).await?;
            receipts.swap_remove(0)
        }
    };
    watch(life, name, receipt).await;
    Ok(())
}

/// Sends what waits, and looks whether anything was held back by another record's failure.
///
/// Whether the flush was stopped, its report says. The status does not: the next sync may have begun by now.
async fn flush(life: &Arc<Life>, engine: &Engine<App>) -> Result<(), Error> {
    let ready = life.world.state().books[life.device][life.account].ready();
    let report = engine.flush().await?;
    let stopped = report.errors.iter().any(|error| match &**error {
        SyncError::Push { source, .. } => !matches!(
            source,
            RemoteError::Transient { .. } | RemoteError::Refused { .. } | RemoteError::Protocol { .. }
        ),
        _ => true,
    });
    if !stopped && !life.closing.load(Ordering::Relaxed) {
        let state = &mut *life.world.state();
        let verdict = state.books[life.device][life.account].all_were_sent(&ready);
        state.judge(Some(life.device), verdict);
    }
    Ok(())
}

/// A record that nobody wrote before.
pub(crate) fn draft<T: Sample>(life: &Arc<Life>, key: u64, bad: bool) -> (T, Name, String) {
    let now = SimClock(Arc::clone(life)).now();
    let plan = &life.world.plan;
    let parent = T::KIND.parent().filter(|parent| plan.kinds.contains(parent));
    let parent = parent.filter(|_| life.dice().per_mille(700)).map(|_| {
        let keys = plan.keys;
        life.dice().between(1, keys).to_string()
    });
    let nests = T::KIND == Kind::Folder && plan.trees && life.later_dice().per_mille(500);
    let parent = if nests { Some(life.later_dice().between(1, plan.keys).to_string()) } else { parent };
    let mut state = life.world.state();
    let name = Name { kind: T::KIND, key: key.to_string() };
    let before = state.books[life.device][life.account].view.get(&name).cloned();
    let tag = state.fresh_tag();
    state.saves(life.account, &name);
    let record = T::write(&Draft { key: key.to_string(), before, parent, tag, bad, now });
    let json = serde_json::to_string(&record).expect("the records of the histories are JSON");
    (record, name, json)
}

async fn delete<T: Sample + EntityOf<App>>(
    life: &Arc<Life>,
    engine: &Engine<App>,
    key: u64,
) -> Result<(), Error> {
    let name = Name { kind: T::KIND, key: key.to_string() };
    life.note(format_args!("deletes {name}"));
    let edits = vec![(name.clone(), None)];
    let receipt = life.edit(edits, engine.delete::<T>(&T::id_of(&key.to_string()))).await?;
    watch(life, name, receipt).await;
    Ok(())
}

/// Sometimes waits for what becomes of an edit, and looks whether it is true.
async fn watch(life: &Arc<Life>, name: Name, receipt: Receipt) {
    let operation = receipt.id();
    let fate = receipt.synced().await;
    let state = &mut *life.world.state();
    let verdict = state.books[life.device][life.account].is_true(&name, operation, &fate);
    state.judge(Some(life.device), verdict);
}

async fn nth_parked(engine: &Engine<App>, nth: u64) -> Option<sync::OperationId> {
    let mut all = Vec::new();
    for kind in Kind::ALL {
        let parked = for_kind!(kind, T => engine.parked::<T>().await.map(|list| list.iter().map(|one| one.operation).collect::<Vec<_>>()));
        all.extend(parked.unwrap_or_default());
    }
    all.extend(engine.conflicts::<Task>().await.unwrap_or_default().iter().map(|one| one.operation));
    let index = usize::try_from(nth).unwrap_or(0);
    if all.is_empty() { None } else { Some(all[index % all.len()]) }
}

async fn answer_one(life: &Arc<Life>, engine: &Engine<App>, nth: u64, answer: Answer) -> Result<(), Error> {
    let conflicts = engine.conflicts::<Task>().await?;
    if conflicts.is_empty() {
        return Ok(());
    }
    let deferred = &conflicts[usize::try_from(nth).unwrap_or(0) % conflicts.len()];
    let tag = life.world.state().fresh_tag();
    let (resolution, merged) = resolution(&deferred.conflict, answer, tag);
    life.note(format_args!("answers {}: {answer:?}", deferred.conflict.id));
    let intent = Intent::Answer(merged);
    intend(intent, engine.answer::<Task>(deferred.operation, resolution)).await
}

impl Device {
    /// What the user decides in the quiet time: what was refused is given up, what failed is tried again, what was left
    /// open is answered.
    pub(crate) async fn decide(&self) {
        let Some((_, engine)) = &self.running else { return };
        if engine.status().parked == 0 {
            return;
        }
        let answer = Intent::Answer(None);
        intend(answer, super::history::answer_all(engine)).await;
        for kind in Kind::ALL {
            for_kind!(kind, T => give_up_or_retry::<T>(engine).await);
        }
    }

    /// Those that do not work by themselves sync when they are told to.
    pub(crate) async fn sync_by_hand(&self) {
        let Some((life, engine)) = &self.running else { return };
        let report = match self.world.plan.devices[self.number].background {
            Background::Everything => return,
            Background::Flushes => engine.pull().await,
            Background::Nothing => engine.full_sync().await,
        };
        if let Ok(report) = report {
            for error in &report.errors {
                life.note(format_args!("  reports {error}"));
            }
        }
    }
}

async fn give_up_or_retry<T: Sample + EntityOf<App>>(engine: &Engine<App>) {
    for parked in engine.parked::<T>().await.unwrap_or_default() {
        let bad = serde_json::to_string(&parked.record).is_ok_and(|json| json.contains(r#""bad":true"#));
        let _ = if bad {
            intend(Intent::GiveUp, engine.discard(parked.operation)).await
        } else {
            intend(Intent::Retry, engine.retry(parked.operation)).await
        };
    }
}

/// A record as somebody else writes it.
pub(crate) fn foreign(name: &Name, tag: u64, now: chrono::DateTime<chrono::Utc>) -> String {
    let draft = Draft { key: name.key.clone(), before: None, parent: None, tag, bad: false, now };
    for_kind!(name.kind, T => serde_json::to_string(&T::write(&draft)).expect("the records of the histories are JSON"))
}

/// Whoever wrote records that nobody can read corrects them.
pub(crate) fn mend(world: &Arc<World>, account: usize) -> bool {
    let now = world.now();
    let state = &mut *world.state();
    let records = state.server.records(account);
    let broken: Vec<_> = records.iter().filter(|(_, value)| value.contains("broken")).collect();
    for (name, _) in &broken {
        let tag = state.fresh_tag();
        let key = name.key.replace("broken", "mended");
        let value = foreign(&Name { kind: name.kind, key }, tag, now);
        if name.kind == Kind::Task {
            state.change(account, name, Some(value));
        } else {
            state.change(account, name, None);
        }
    }
    !broken.is_empty()
}
