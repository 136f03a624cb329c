//! One life of a device's process, from its start to its end or its death.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sync::storage::StorageLock;
use sync::{Clock, Engine, Error, StorageError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::dispatcher::DefaultGuard;
use tracing::span::Id;
use tracing::{Dispatch, Instrument, Span};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;

use super::app::App;
use super::dice::Dice;
use super::disk::Written;
use super::entities::Name;
use super::faults::Fault;
use super::model::{Content, Intent};
use super::world::{State, World};

tokio::task_local! {
    /// What the user is doing in this task; unset in the engine's own.
    static INTENT: Intent;
}

thread_local! {
    /// What the user is doing within these spans, which go with it into a task of the engine's.
    static SPANS: RefCell<HashMap<Id, Intent>> = RefCell::default();
}

/// Knows in which of these spans something is done, and of nothing else.
static SUBSCRIBER: LazyLock<Dispatch> = LazyLock::new(|| {
    let ours = filter_fn(|metadata| metadata.target() == module_path!());
    Dispatch::new(tracing_subscriber::registry().with(ours))
});

/// Knows what the user intends, on this thread, until the answer is dropped.
pub(crate) fn listen_to_the_user() -> DefaultGuard {
    SPANS.with_borrow_mut(HashMap::clear);
    tracing::dispatcher::set_default(&SUBSCRIBER)
}

/// Does something for the user.
pub(crate) async fn intend<R>(intent: Intent, what: impl Future<Output = R>) -> R {
    let span = tracing::info_span!("intent");
    if let Some(id) = span.id() {
        SPANS.with_borrow_mut(|spans| spans.insert(id, intent.clone()));
    }
    INTENT.scope(intent, what).instrument(span).await
}

/// What the user is doing here.
fn intent() -> Intent {
    let of_the_span = || SPANS.with_borrow(|spans| spans.get(&Span::current().id()?).cloned());
    INTENT.try_with(Clone::clone).ok().or_else(of_the_span).unwrap_or(Intent::Engine)
}

/// One life of a device's process. What it holds does nothing any more once it is dead, as if the power were gone.
pub(crate) struct Life {
    pub(crate) world: Arc<World>,
    pub(crate) device: usize,
    pub(crate) account: usize,
    pub(crate) number: u32,
    pub(crate) in_handler: AtomicBool,
    /// It is coming to an orderly end, and begins nothing new.
    pub(crate) closing: AtomicBool,
    /// How many requests are out.
    pub(crate) out: AtomicUsize,
    /// When the last answer came that may lead to a question.
    led: Mutex<Option<Instant>>,
    /// How many edits were asked for.
    edits: AtomicU64,
    /// The edits that were asked for and are not known to be written. One transaction may hold edits of several tasks.
    asked: Mutex<Vec<(u64, Name, Content)>>,
    dead: watch::Sender<bool>,
    dice: Mutex<Dice>,
    /// For faults that were thought of later: the stories of older seeds stay as they are where none of these strikes.
    later_dice: Mutex<Dice>,
    /// How many more places it lives to see.
    places: Mutex<Option<u64>>,
    /// For the application, as long as it lives.
    engine: Mutex<Option<Engine<App>>>,
}

impl Life {
    pub(crate) fn new(world: Arc<World>, device: usize, account: usize, number: u32) -> Arc<Self> {
        let dice = Dice::for_purpose(world.plan.seed, &[2, device as u64, u64::from(number)]);
        let later_dice = Dice::for_purpose(world.plan.seed, &[7, device as u64, u64::from(number)]);
        Arc::new(Self {
            world,
            device,
            account,
            number,
            in_handler: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            out: AtomicUsize::new(0),
            led: Mutex::default(),
            edits: AtomicU64::new(0),
            asked: Mutex::default(),
            dead: watch::Sender::new(false),
            dice: Mutex::new(dice),
            later_dice: Mutex::new(later_dice),
            places: Mutex::new(None),
            engine: Mutex::default(),
        })
    }

    pub(crate) fn dice(&self) -> std::sync::MutexGuard<'_, Dice> {
        self.dice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn later_dice(&self) -> std::sync::MutexGuard<'_, Dice> {
        self.later_dice.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn is_dead(&self) -> bool {
        *self.dead.borrow()
    }

    /// Waits for the death.
    pub(crate) async fn died(&self) {
        // The sender is in `self`, so the channel is open.
        let _ = self.dead.subscribe().wait_for(|dead| *dead).await;
    }

    pub(crate) fn end(&self) {
        self.dead.send_replace(true);
        let engine = self.engine.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(engine);
    }

    /// Gives the application the engine, which it is a part of.
    pub(crate) fn hand_over(&self, engine: &Engine<App>) {
        *self.engine.lock().unwrap_or_else(PoisonError::into_inner) = Some(engine.clone());
    }

    /// The engine, for the application.
    pub(crate) fn engine(&self) -> Option<Engine<App>> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn doom(&self, places: u64) {
        *self.places.lock().unwrap_or_else(PoisonError::into_inner) = Some(places);
    }

    /// A place where the process can die. The dead never go on.
    pub(crate) async fn place(&self, place: &str) {
        if !self.is_dead() && self.world.state().is_exhausted() {
            self.end();
        }
        if !self.is_dead() {
            let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
            match &mut *places {
                Some(0) if !self.world.state().quiet => {
                    self.world.state().tally.count(Fault::Killed);
                    self.note(format_args!("dies {place}"));
                    self.end();
                }
                Some(left) => *left = left.saturating_sub(1),
                None => {}
            }
        }
        if self.is_dead() {
            pending::<()>().await;
        }
    }

    /// An answer has come that may lead to a question.
    pub(crate) fn led_to_a_question(&self) {
        *self.led.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether a question may be about to be asked because of an answer: there are a few commits between the two.
    pub(crate) fn may_ask(&self) -> bool {
        let led = *self.led.lock().unwrap_or_else(PoisonError::into_inner);
        led.is_some_and(|led| led.elapsed() < Duration::from_secs(1))
    }

    /// Whether this fault strikes now.
    pub(crate) fn strikes(&self, fault: Fault) -> bool {
        self.strikes_by(fault, Self::dice)
    }

    /// The same, with dice of its own.
    pub(crate) fn strikes_by(
        &self,
        fault: Fault,
        dice: impl FnOnce(&Self) -> std::sync::MutexGuard<'_, Dice>,
    ) -> bool {
        let rate = self.world.plan.rates.of(fault);
        let struck = rate > 0 && dice(self).per_mille(rate) && !self.world.state().quiet;
        if struck {
            self.world.state().tally.count(fault);
            self.note(format_args!("! {fault}"));
        }
        struck
    }

    /// Lets so many milliseconds pass.
    pub(crate) async fn pass(&self, from: u64, to: u64) {
        let millis = self.dice().between(from, to);
        sleep(Duration::from_millis(millis)).await;
        if self.is_dead() {
            pending::<()>().await;
        }
    }

    pub(crate) fn note(&self, what: std::fmt::Arguments<'_>) {
        self.world.note(Some(self.device), what);
    }

    /// A transaction was committed: the moment of truth for everything that is checked.
    pub(crate) fn committed(&self, written: &Written) {
        self.world.state().committed(self, &intent(), written);
    }

    /// Makes edits of the user's.
    pub(crate) async fn edit<R>(
        &self,
        edits: Vec<(Name, Content)>,
        work: impl Future<Output = Result<R, Error>>,
    ) -> Result<R, Error> {
        let mut numbers = Vec::new();
        for (name, value) in &edits {
            let number = self.edits.fetch_add(1, Ordering::Relaxed);
            self.asked().push((number, name.clone(), value.clone()));
            numbers.push(number);
        }
        let result = work.await;
        for (number, (name, value)) in numbers.into_iter().zip(edits) {
            // What still stands there changed no row: it deleted what was on its way out.
            let left = self.take_asked(|asked, _, _| asked == number).is_some();
            if left && result.is_ok() {
                self.world.state().books[self.device][self.account].edited(&name, value);
            }
        }
        result
    }

    /// The edit that a row was written for: that with this content, or else any of the record.
    pub(crate) fn written_for(&self, name: &Name, value: &Content) -> Option<Content> {
        self.take_asked(|_, other, content| other == name && content == value)
            .or_else(|| self.take_asked(|_, other, _| other == name))
    }

    fn take_asked(&self, fits: impl Fn(u64, &Name, &Content) -> bool) -> Option<Content> {
        let mut asked = self.asked();
        let place = asked.iter().position(|(number, name, value)| fits(*number, name, value))?;
        Some(asked.remove(place).2)
    }

    fn asked(&self) -> std::sync::MutexGuard<'_, Vec<(u64, Name, Content)>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn take_possession(self: &Arc<Self>) -> Result<StorageLock, StorageError> {
        let mut state = self.world.state();
        let owner = &mut state.bodies[self.device].owner;
        if owner.as_ref().is_some_and(|owner| !owner.is_dead()) {
            return Err(StorageError::Locked { name: format!("the disk of device {}", self.device) });
        }
        *owner = Some(Arc::clone(self));
        Ok(StorageLock::new(Possession(Arc::clone(self))))
    }
}

struct Possession(Arc<Life>);

impl Drop for Possession {
    fn drop(&mut self) {
        let mut state = self.0.world.state();
        let owner: &mut Option<Arc<Life>> = &mut state.bodies[self.0.device].owner;
        if owner.as_ref().is_some_and(|owner| owner.number == self.0.number) {
            *owner = None;
        }
    }
}

/// The clock of a device: that of the world, and by how much it is wrong.
pub(crate) struct SimClock(pub(crate) Arc<Life>);

impl std::fmt::Debug for SimClock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SimClock")
    }
}

impl Clock for SimClock {
    fn now(&self) -> DateTime<Utc> {
        let skew = self.0.world.state().bodies[self.0.device].skew;
        self.0.world.now() + TimeDelta::seconds(skew)
    }
}

impl State {
    pub(crate) fn is_alive(&self, life: &Life) -> bool {
        !life.is_dead() && self.defect.is_none()
    }
}
