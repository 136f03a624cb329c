//! What happens in a history: everything that is decided before it begins.

use std::fmt::Write as _;

use super::dice::Dice;
use super::entities::Kind;
use super::faults::Rates;

/// A history, as it will be played. It follows from its seed alone; shrinking takes things out of it.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(crate) seed: u64,
    pub(crate) devices: Vec<DevicePlan>,
    pub(crate) kinds: Vec<Kind>,
    /// How many records of each entity there are.
    pub(crate) keys: u64,
    /// Folders stand in folders.
    pub(crate) trees: bool,
    pub(crate) accounts: usize,
    pub(crate) habits: Habits,
    pub(crate) rates: Rates,
    pub(crate) steps: Vec<Step>,
}

#[derive(Debug, Clone)]
pub(crate) struct DevicePlan {
    pub(crate) background: Background,
    /// It hears what the server tells, if the server tells anything.
    pub(crate) listens: bool,
    pub(crate) page_size: u32,
    pub(crate) max_in_flight: usize,
    /// By how much its clock is wrong at first, in seconds.
    pub(crate) skew: i64,
}

/// How much a device does by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Background {
    /// Nothing: it syncs when it is told to.
    Nothing,
    /// It sends, and pulls when it is told to.
    Flushes,
    /// It sends and pulls.
    Everything,
}

/// What the server does that others do not.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "a server has each habit or does not")]
pub(crate) struct Habits {
    /// It tells and checks versions.
    pub(crate) versions: bool,
    /// It tells them in lists, too, and not only in its answers.
    pub(crate) listed: bool,
    /// It remembers idempotency keys.
    pub(crate) keys: bool,
    /// It answers an accepted write with the record.
    pub(crate) echoes: bool,
    /// It sets `updated_at` itself.
    pub(crate) stamps: bool,
    /// It tells changes while they happen.
    pub(crate) live: bool,
    /// A page tells a record that changed twice once for each change that is new.
    pub(crate) repeats: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// How long after the step before, in milliseconds.
    pub(crate) after: u64,
    pub(crate) device: usize,
    pub(crate) action: Action,
}

#[derive(Debug, Clone)]
pub(crate) enum Action {
    Save {
        kind: Kind,
        key: u64,
        bad: bool,
        how: How,
    },
    Delete {
        kind: Kind,
        key: u64,
    },
    Flush,
    Pull,
    PullOnly(Kind),
    FullSync,
    /// Sends a parked operation again.
    Retry(u64),
    RetryAll,
    Discard(u64),
    Answer(u64, Answer),
    ClearQueue,
    /// Logs out, and in under this account.
    LogIn {
        account: usize,
    },
    /// Ends the program in an orderly way and starts it again.
    Restart,
    /// A second engine is built on the device's disk.
    SecondEngine,
    /// The process dies at the so-manieth place from now at which it can.
    Kill {
        places: u64,
    },
    /// The device's clock jumps by this many seconds.
    Clock(i64),
    /// The device is offline for this many milliseconds.
    Offline(u64),
    /// Somebody without a device of ours writes on the server.
    Foreign {
        kind: Kind,
        key: u64,
        account: usize,
    },
    ForeignDelete {
        kind: Kind,
        key: u64,
        account: usize,
    },
    /// Somebody writes a record that no device can read.
    Broken {
        kind: Kind,
        account: usize,
    },
    /// The server cannot be reached for this many milliseconds.
    Outage(u64),
    /// The server keeps a backup.
    BackUp,
    /// The server comes back as the backup has it.
    Restore,
    /// The server forgets what its cursors meant.
    ForgetCursors,
    /// The server takes no token of the device's for this many milliseconds.
    ExpireToken(u64),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum How {
    Push,
    PushAll,
    Create,
    Update,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    TakeRemote,
    KeepLocal,
    Merged,
    Delete,
    Defer,
}

impl Answer {
    pub(crate) const ALL: [Self; 5] =
        [Self::TakeRemote, Self::KeepLocal, Self::Merged, Self::Delete, Self::Defer];
}

impl Plan {
    /// The history of a seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::for_purpose(seed, &[1]);
        let kinds = some_kinds(&mut dice);
        let devices: Vec<_> = (0..dice.between(2, 5)).map(|_| device(&mut dice)).collect();
        let accounts = if dice.per_mille(250) { 2 } else { 1 };
        let habits = Habits {
            versions: dice.per_mille(800),
            // With dice of its own, so that the histories that were played before stay what they are.
            listed: Dice::for_purpose(seed, &[2]).per_mille(850),
            keys: dice.per_mille(850),
            echoes: dice.per_mille(400),
            stamps: dice.per_mille(200),
            live: dice.per_mille(300),
            repeats: dice.per_mille(150),
        };
        let rates = Rates::draw(&mut dice, &mut Dice::for_purpose(seed, &[8]));
        let keys = dice.between(1, 4);
        let trees = Dice::for_purpose(seed, &[5]).per_mille(250);
        let mut plan = Self { seed, devices, kinds, keys, trees, accounts, habits, rates, steps: Vec::new() };
        // Short histories are cheap and find most; long ones find the rest.
        let length = if dice.per_mille(80) { dice.between(60, 200) } else { dice.between(10, 50) };
        plan.steps = (0..length).map(|_| plan.step(&mut dice)).collect();
        plan
    }

    /// What happens, one line for each step.
    #[must_use]
    pub fn script(&self) -> String {
        let Self { devices, accounts, trees, habits, rates, steps, .. } = self;
        let mut script = format!(
            "{} devices, {accounts} accounts, folders in folders: {trees}, {habits:?}\n",
            devices.len()
        );
        for device in devices {
            let _ = writeln!(script, "  {device:?}");
        }
        let _ = writeln!(script, "  faults of a thousand: {:?}", rates.of);
        for (number, Step { after, device, action }) in steps.iter().enumerate() {
            let _ = writeln!(script, "{number:>4}: after {after} ms, device {device}: {action:?}");
        }
        script
    }

    fn step(&self, dice: &mut Dice) -> Step {
        let after = match dice.below(10) {
            0..=3 => 0,
            4..=6 => dice.between(1, 60),
            7..=8 => dice.between(60, 3_000),
            _ => dice.between(3_000, 90_000),
        };
        let device = dice.index(self.devices.len());
        Step { after, device, action: self.action(dice) }
    }

    fn action(&self, dice: &mut Dice) -> Action {
        let kind = *dice.one_of(&self.kinds);
        let key = dice.between(1, self.keys);
        let account = dice.index(self.accounts);
        let rates = &self.rates;
        match dice.below(1000) {
            0..=349 => Action::Save { kind, key, bad: dice.per_mille(rates.invalid), how: how(dice) },
            350..=429 => Action::Delete { kind, key },
            430..=549 => Action::Flush,
            550..=589 => Action::Pull,
            590..=609 => Action::PullOnly(kind),
            610..=679 => Action::FullSync,
            680..=699 => Action::Retry(dice.below(8)),
            700..=709 => Action::RetryAll,
            710..=729 => Action::Discard(dice.below(8)),
            730..=759 => Action::Answer(dice.below(8), *dice.one_of(&Answer::ALL)),
            760..=764 => Action::ClearQueue,
            765..=784 if self.accounts > 1 => Action::LogIn { account },
            785..=797 => Action::Restart,
            798..=799 => Action::SecondEngine,
            805..=844 if rates.kills => Action::Kill { places: dice.below(24) },
            845..=864 if rates.clocks => Action::Clock(wrong_by(dice)),
            865..=879 => Action::Offline(dice.between(10, 60_000)),
            880..=919 => Action::Foreign { kind, key, account },
            920..=939 => Action::ForeignDelete { kind, key, account },
            940..=949 if rates.broken_items => Action::Broken { kind, account },
            950..=964 if rates.outages => Action::Outage(dice.between(100, 120_000)),
            965..=974 if rates.restores => Action::BackUp,
            975..=981 if rates.restores => Action::Restore,
            982..=989 if rates.forgotten_cursors => Action::ForgetCursors,
            990..=999 if rates.unauthorized => Action::ExpireToken(dice.between(100, 60_000)),
            _ => Action::Save { kind, key, bad: false, how: How::Push },
        }
    }
}

/// One to four entities, each with those that it refers to.
fn some_kinds(dice: &mut Dice) -> Vec<Kind> {
    let mut kinds = Vec::new();
    for _ in 0..dice.between(1, 4) {
        let kind = *dice.one_of(&Kind::ALL);
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds.sort_unstable();
    kinds
}

fn device(dice: &mut Dice) -> DevicePlan {
    DevicePlan {
        background: *dice.one_of(&[
            Background::Nothing,
            Background::Nothing,
            Background::Flushes,
            Background::Everything,
        ]),
        listens: dice.per_mille(500),
        page_size: *dice.one_of(&[1, 2, 3, 500]),
        max_in_flight: *dice.one_of(&[1, 2, 16]),
        skew: if dice.per_mille(250) { wrong_by(dice) } else { 0 },
    }
}

/// Seconds by which a clock is wrong: up to ten days either way.
fn wrong_by(dice: &mut Dice) -> i64 {
    let range = *dice.one_of(&[2_u64, 600, 86_400, 864_000]);
    let amount = i64::try_from(dice.between(1, range)).unwrap_or(1);
    if dice.per_mille(500) { amount } else { -amount }
}

fn how(dice: &mut Dice) -> How {
    match dice.below(20) {
        0 => How::Create,
        1 => How::Update,
        2 => How::PushAll,
        _ => How::Push,
    }
}
