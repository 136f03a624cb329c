//! Plays one history from its first step to the end of the quiet time.

use std::panic;
use std::sync::{Arc, Once};
use std::time::Duration;

use sync::{Engine, Resolution};
use tokio::time::{Instant, sleep, timeout};

use super::app::{App, PLANNED};
use super::device::{Device, mend};
use super::entities::Name;
use super::faults::{Fault, Tally};
use super::life::listen_to_the_user;
use super::model::{Defect, alike};
use super::plan::{Action, Plan};
use super::trace::Keep;
use super::world::World;

/// How a history ended.
#[derive(Debug)]
pub struct Outcome {
    /// The first rule that was broken, if any.
    pub defect: Option<Defect>,
    /// What went wrong on purpose, and how often.
    pub tally: Tally,
    /// How many steps were played.
    pub steps: usize,
    /// A number that stands for the whole trace.
    pub hash: u64,
    /// The trace, if it was kept.
    pub trace: Vec<String>,
}

/// How often everything may be given time before it has to be settled.
const ROUNDS: usize = 60;

/// Longer than any history takes, on its own clock.
const FOREVER: Duration = Duration::from_secs(10 * 86_400);

/// Plays a history on a runtime of its own, on this thread.
///
/// # Panics
/// When there is no thread of the system's left for a runtime.
#[must_use]
pub fn play(plan: &Plan, keep: Keep) -> Outcome {
    hush();
    let _listening = listen_to_the_user();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O needs nothing");
    runtime.block_on(async {
        let world = World::new(plan.clone(), keep);
        let mut devices: Vec<_> = (0..plan.devices.len()).map(|number| Device::new(&world, number)).collect();
        let whole = async {
            steps(&world, &mut devices).await;
            if world.state().defect.is_none() {
                settle(&world, &mut devices).await;
            }
        };
        if timeout(FOREVER, whole).await.is_err() {
            let verdict = Err(("7: liveness", "a call never returns".to_owned()));
            world.state().judge(None, verdict);
        }
        for device in &mut devices {
            device.bury();
        }
        let mut state = world.state();
        let trace = std::mem::replace(&mut state.trace, super::trace::Trace::new(Keep::Nothing));
        let (hash, trace) = trace.into_parts();
        Outcome {
            defect: state.defect.take(),
            tally: std::mem::take(&mut state.tally),
            steps: plan.steps.len(),
            hash,
            trace,
        }
    })
}

/// Keeps planned panics from being printed.
fn hush() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let payload = info.payload().downcast_ref::<String>();
            if payload.is_none_or(|message| message != PLANNED) {
                print(info);
            }
        }));
    });
}

async fn steps(world: &Arc<World>, devices: &mut [Device]) {
    for (number, step) in world.plan.steps.iter().enumerate() {
        match step.after {
            // Not at all, or for a moment: long enough for others to have their turn.
            0 => tokio::task::yield_now().await,
            millis => sleep(Duration::from_millis(millis)).await,
        }
        world.state().step = number;
        world.note(None, format_args!("step {number}: device {} {:?}", step.device, step.action));
        if !on_the_server(world, step.device, &step.action) {
            devices[step.device].play(step.action.clone()).await;
        }
        if world.state().defect.is_some() {
            return;
        }
    }
}

/// What happens outside of the devices' processes.
fn on_the_server(world: &Arc<World>, device: usize, action: &Action) -> bool {
    let now = world.now();
    let state = &mut *world.state();
    match *action {
        Action::Foreign { kind, key, account } => {
            let tag = state.fresh_tag();
            let name = Name { kind, key: key.to_string() };
            let value = super::device::foreign(&name, tag, now);
            state.change(account, &name, Some(value));
        }
        Action::ForeignDelete { kind, key, account } => {
            let name = Name { kind, key: key.to_string() };
            if state.server.records(account).contains_key(&name) {
                state.change(account, &name, None);
            }
        }
        Action::Broken { kind, account } => {
            let number = state.fresh_tag() % 3;
            state.server.break_one(account, kind, number, now);
            state.tally.count(Fault::BrokenItem);
        }
        Action::Outage(millis) => state.take_down(millis),
        Action::BackUp => state.server.back_up(),
        Action::Restore => {
            state.server.restore();
            state.tally.count(Fault::Restored);
        }
        Action::ForgetCursors => state.server.forget_cursors(),
        Action::ExpireToken(millis) => {
            state.bodies[device].locked_out_until = Some(Instant::now() + Duration::from_millis(millis));
        }
        Action::Clock(seconds) => {
            state.bodies[device].skew += seconds;
            state.tally.count(Fault::ClockWrong);
        }
        _ => return false,
    }
    true
}

/// Nothing goes wrong any more: everything has to settle, and all have to agree.
async fn settle(world: &Arc<World>, devices: &mut [Device]) {
    {
        let state = &mut *world.state();
        state.quiet = true;
        state.step = world.plan.steps.len();
        state.note(None, format_args!("quiet"));
    }
    for account in 0..world.plan.accounts {
        for device in devices.iter_mut() {
            device.set_online(true);
            device.log_in(account).await;
            if device.running().await.is_none() {
                let verdict = Err(("7: liveness", "it does not start in quiet times".to_owned()));
                world.state().judge(None, verdict);
                return;
            }
        }
        // First with the records that nobody can read, which are in nobody's way, and then without.
        if !agree(world, devices, account).await {
            return;
        }
        if mend(world, account) && !agree(world, devices, account).await {
            return;
        }
        for device in devices.iter() {
            device.nothing_is_open();
        }
    }
}

/// Gives everything time until all queues are empty, and everybody has seen everything.
async fn agree(world: &Arc<World>, devices: &mut [Device], account: usize) -> bool {
    let mut seen_all = 0;
    for round in 0..ROUNDS {
        world.note(None, format_args!("round {round} for account {account}"));
        let mut waiting = Vec::new();
        for device in devices.iter() {
            device.decide().await;
            device.sync_by_hand().await;
            let Some(engine) = device.engine() else { continue };
            let status = engine.status();
            // A `Retry-After` with a date makes a device whose clock is wrong leave the server alone for up to an hour.
            if status.queue_len > 0 || status.parked > 0 || status.next_attempt_at.is_some() {
                waiting.push(status);
            }
        }
        if world.state().defect.is_some() {
            return false;
        }
        // Those that work by themselves get time, and nothing else.
        sleep(Duration::from_secs(if waiting.is_empty() && round < 3 { 20 } else { 310 })).await;
        seen_all = if waiting.is_empty() { seen_all + 1 } else { 0 };
        if seen_all >= 2 && differences(world, account).is_none() {
            return true;
        }
        if seen_all >= 6 {
            break;
        }
    }
    let text = differences(world, account);
    let text = text.unwrap_or_else(|| {
        let state = world.state();
        let waits = |number: usize| {
            let rows = state.books[number][account].rows();
            let waiting = rows.filter(|(_, row)| row.is_pending());
            waiting.map(|(name, row)| format!("d{number} {name}: {row:?}")).collect::<Vec<_>>()
        };
        (0..devices.len()).flat_map(waits).collect::<Vec<_>>().join("; ")
    });
    let rule = if seen_all == 0 { "7: what waits has a timer" } else { "8: all hold the same records" };
    world.state().judge(None, Err((rule, text)));
    false
}

/// The first record that does not look the same everywhere.
fn differences(world: &Arc<World>, account: usize) -> Option<String> {
    let state = world.state();
    let records = state.server.records(account);
    for (device, books) in state.books.iter().enumerate() {
        let view = &books[account].view;
        let around = state.around(device, account);
        if let Some(name) = books[account].unseen() {
            return Some(format!("{name}: a watch on d{device} did not tell how it looks now"));
        }
        for name in records.keys().chain(view.keys()) {
            let (there, here) = (records.get(name), view.get(name));
            if there.is_some_and(|there| there.contains("broken")) {
                continue;
            }
            // What a restored backup does not have leaves no tombstone: nobody can be told that it is gone.
            if there.is_none() && state.server.lost(account, name) {
                continue;
            }
            if !alike(&around, name, there.map(String::as_str), here.map(String::as_str)) {
                return Some(format!("{name}: the server has {there:?}, and d{device} shows {here:?}"));
            }
        }
    }
    None
}

/// The answers of a user who wants to be done.
pub(crate) async fn answer_all(engine: &Engine<App>) {
    let conflicts = engine.conflicts::<super::entities::Task>().await.unwrap_or_default();
    for (number, deferred) in conflicts.into_iter().enumerate() {
        let resolution = if number % 2 == 0 { Resolution::KeepLocal } else { Resolution::TakeRemote };
        let _ = engine.answer::<super::entities::Task>(deferred.operation, resolution).await;
    }
}
