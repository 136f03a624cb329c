//! What goes wrong by chance, how often, and how often it did.

use std::collections::BTreeMap;
use std::fmt;

use super::dice::Dice;

/// Something that can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the table of `simulate` shows their names")]
pub enum Fault {
    RequestLost,
    ResponseLost,
    Delayed,
    Duplicated,
    ArrivesLate,
    ConnectionRefused,
    Status408,
    Status425,
    Status429,
    Status503,
    Status500,
    Status500AfterTheWrite,
    RetryAfterDate,
    RetryAfterOnSuccess,
    Unauthorized,
    Refused422,
    ConflictWithoutBody,
    PageCutInHalf,
    BrokenItem,
    RepeatedItem,
    HintLost,
    ConnectionLost,
    HandlerFails,
    HandlerPanics,
    StorageFails,
    SlowCommit,
    SlowHandler,
    HandlerEdits,
    ClockWrong,
    Killed,
    Restored,
    CursorsForgotten,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RequestLost => "request lost",
            Self::ResponseLost => "response lost after the server committed",
            Self::Delayed => "delayed by seconds",
            Self::Duplicated => "duplicated by a proxy",
            Self::ArrivesLate => "given up, and arriving late",
            Self::ConnectionRefused => "connection refused",
            Self::Status408 => "408",
            Self::Status425 => "425",
            Self::Status429 => "429",
            Self::Status503 => "503",
            Self::Status500 => "500",
            Self::Status500AfterTheWrite => "500 after the server committed",
            Self::RetryAfterOnSuccess => "`Retry-After` on a success",
            Self::RetryAfterDate => "`Retry-After` as a date",
            Self::Unauthorized => "401 until a fresh token",
            Self::Refused422 => "422 for good",
            Self::ConflictWithoutBody => "409/412 without a body",
            Self::PageCutInHalf => "page cut in half",
            Self::BrokenItem => "item that does not decode",
            Self::RepeatedItem => "record twice in a page",
            Self::HintLost => "live hint lost",
            Self::ConnectionLost => "live connection lost",
            Self::HandlerFails => "handler fails",
            Self::HandlerPanics => "handler panics",
            Self::StorageFails => "storage fails",
            Self::SlowCommit => "slow commit",
            Self::SlowHandler => "slow handler",
            Self::HandlerEdits => "handler edits what it is told of",
            Self::ClockWrong => "device clock wrong",
            Self::Killed => "process killed",
            Self::Restored => "server restored from a backup",
            Self::CursorsForgotten => "410 on the cursor",
        })
    }
}

/// How often what goes wrong in one history: of a thousand, or whether at all.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each kind of trouble happens or does not")]
pub(crate) struct Rates {
    pub(crate) of: BTreeMap<Fault, u32>,
    /// Records that the server refuses for good.
    pub(crate) invalid: u32,
    pub(crate) kills: bool,
    pub(crate) clocks: bool,
    pub(crate) broken_items: bool,
    pub(crate) outages: bool,
    pub(crate) restores: bool,
    pub(crate) forgotten_cursors: bool,
    pub(crate) unauthorized: bool,
}

/// Those that are drawn for each request, page, commit or call of a handler, with the highest rate that they get.
const DRAWN: [(Fault, u64); 24] = [
    (Fault::RequestLost, 200),
    (Fault::ResponseLost, 200),
    (Fault::Delayed, 100),
    (Fault::Duplicated, 100),
    (Fault::ArrivesLate, 80),
    (Fault::ConnectionRefused, 100),
    (Fault::Status408, 60),
    (Fault::Status425, 60),
    (Fault::Status429, 60),
    (Fault::Status503, 60),
    (Fault::Status500, 150),
    (Fault::Status500AfterTheWrite, 60),
    (Fault::RetryAfterDate, 300),
    (Fault::RetryAfterOnSuccess, 40),
    (Fault::ConflictWithoutBody, 500),
    (Fault::PageCutInHalf, 60),
    (Fault::RepeatedItem, 300),
    (Fault::HintLost, 300),
    (Fault::ConnectionLost, 200),
    (Fault::HandlerFails, 100),
    (Fault::HandlerPanics, 40),
    (Fault::StorageFails, 30),
    (Fault::SlowCommit, 300),
    (Fault::SlowHandler, 500),
];

impl Rates {
    /// Each history has a few kinds of trouble, so that some go far and others go wrong all the time.
    /// `later`: for what was thought of later, so that the histories that were played before stay what they are.
    pub(crate) fn draw(dice: &mut Dice, later: &mut Dice) -> Self {
        let calm = dice.per_mille(150);
        let mut of = BTreeMap::new();
        for (fault, highest) in DRAWN {
            if !calm && dice.per_mille(350) {
                // Now and then, hardly anything goes well.
                let highest = if dice.per_mille(60) { 800 } else { highest };
                of.insert(fault, u32::try_from(dice.between(1, highest)).unwrap_or(0));
            }
        }
        if !calm && later.per_mille(200) {
            of.insert(Fault::HandlerEdits, u32::try_from(later.between(1, 400)).unwrap_or(0));
        }
        // A server that takes what it is sent and says that it failed: operations are given up that got through.
        if !calm && later.per_mille(60) {
            of.insert(Fault::Status500AfterTheWrite, u32::try_from(later.between(500, 950)).unwrap_or(0));
        }
        let mut sometimes = |rate: u32| !calm && dice.per_mille(rate);
        Self {
            of,
            invalid: if sometimes(300) { 120 } else { 0 },
            kills: sometimes(500),
            clocks: sometimes(300),
            broken_items: sometimes(300),
            outages: sometimes(400),
            restores: sometimes(120),
            forgotten_cursors: sometimes(150),
            unauthorized: sometimes(250),
        }
    }

    pub(crate) fn of(&self, fault: Fault) -> u32 {
        self.of.get(&fault).copied().unwrap_or(0)
    }
}

/// How often what went wrong.
#[derive(Debug, Clone, Default)]
pub struct Tally(BTreeMap<Fault, u64>);

impl Tally {
    pub(crate) fn count(&mut self, fault: Fault) {
        *self.0.entry(fault).or_default() += 1;
    }

    /// Adds another tally.
    pub fn add(&mut self, other: &Self) {
        for (fault, count) in &other.0 {
            *self.0.entry(*fault).or_default() += count;
        }
    }

    /// Each fault and how often it was injected.
    pub fn iter(&self) -> impl Iterator<Item = (Fault, u64)> {
        self.0.iter().map(|(fault, count)| (*fault, *count))
    }
}
