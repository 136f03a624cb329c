//! The model of what a device owes its user. It never coalesces: every edit is a fact of its own, known by its number,
//! until it is known what became of it.
//!
//! `commits` looks at every row that is written, `fate` at what became of the edits in it, `requests` at what is sent, and
//! `handlers` at what the application is told, `replica` at what the engine keeps, `waiting` at when it leaves the server alone;
//! `facts` is what they ask the server's history.

mod commits;
mod facts;
mod fate;
mod handlers;
mod order;
mod replica;
mod requests;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};

use sync::record::{Intention, OperationId, Record, Version, Write};
use sync::storage::IndexEntry;

use super::entities::{Kind, Name};
use super::plan::Answer;

pub(crate) use self::commits::edited_to;
pub(crate) use self::facts::{Around, alike};
pub(crate) use self::waiting::Moment;
use self::waiting::Waiting;

/// What the histories let a failing operation try at most.
pub(crate) const MAX_ATTEMPTS: u32 = 4;

/// A record as JSON; `None` when there is none.
pub(crate) type Content = Option<String>;

/// What the user is doing while a transaction runs.
#[derive(Debug, Clone)]
pub(crate) enum Intent {
    /// Nothing: the engine works by itself.
    Engine,
    /// The record is to look like that.
    Edit(Content),
    /// A parked operation is sent again.
    Retry,
    /// Edits are given up.
    GiveUp,
    /// A conflict is answered, with this record if it is a merged one.
    Answer(Option<String>),
}

/// A rule was broken: which one, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Defect {
    /// The rule, as `docs/design.md` numbers the invariants.
    pub rule: &'static str,
    /// What happened.
    pub text: String,
    /// The first step of the history after which it was so.
    pub step: usize,
}

pub(crate) type Verdict = Result<(), (&'static str, String)>;

macro_rules! ensure {
    ($holds:expr, $rule:expr, $($what:tt)*) => {
        if !$holds {
            return Err(($rule, format!($($what)*)));
        }
    };
}
use ensure;

/// How the last attempt of an operation ended, as far as the device knows.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Last {
    Unknown,
    Accepted(Option<Version>),
    /// The server has another version, or none: it did not take the operation.
    Conflict,
    Refused,
    /// It failed in a way that counts.
    Failed,
}

/// An operation that was sent.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) name: Name,
    pub(crate) revision: u64,
    pub(crate) write: Write,
    pub(crate) if_match: Option<Version>,
    pub(crate) last: Last,
    /// Attempts that counted since it was first sent, or sent again by the user.
    pub(crate) failed: u32,
    /// The device has seen something else on the server since.
    pub(crate) looked: bool,
    /// In which life it is on its way.
    pub(crate) out: Option<u32>,
}

impl Letter {
    /// What the server had was decided about, whatever became of this one: no version kept it from writing over that.
    fn is_looked_past(&self) -> bool {
        self.looked && self.if_match.is_none()
    }
}

/// Answers to a conflict, with the record of a merge.
type Decisions = Vec<(Answer, Content)>;

/// The records of a page.
pub(crate) type Items = Vec<(Name, Content)>;

/// What is known of one account on one device.
#[derive(Debug, Default)]
pub(crate) struct Book {
    /// Every row, as it was last committed.
    rows: BTreeMap<Name, Record>,
    /// The records as the application shows them.
    pub(crate) view: BTreeMap<Name, String>,
    /// By what the records of replicas are found.
    index: BTreeMap<Name, Vec<IndexEntry>>,
    /// What watches of replicas told.
    watched: BTreeMap<Name, String>,
    letters: BTreeMap<OperationId, Letter>,
    /// What a handler decided about an edit.
    decided: BTreeMap<(Name, Content), Decisions>,
    /// What every page that came held, by the cursor after it.
    pages: BTreeMap<(Kind, String), Items>,
    /// What the handler was last told that the server has.
    told: BTreeMap<Name, Content>,
    /// What the server had, as a handler was told, by the edit that this made of it.
    pub(crate) made_on: BTreeMap<(Name, Content), Content>,
    /// The newest edit of each record that took effect on the server, and when.
    arrived: BTreeMap<Name, (u64, u64)>,
    /// Operations that the user gave up.
    given_up: BTreeSet<OperationId>,
    /// The number of each edit, by the id that its receipt has, and whether it is a deletion.
    numbers: BTreeMap<OperationId, (u64, bool)>,
    /// The records that each referred to before the operation at this place in the outbox, and not with it.
    left: BTreeMap<(Name, u64), BTreeSet<Name>>,
    /// How long the server asked to be left alone.
    pub(crate) waiting: Waiting,
    /// The texts of all edits of this device's user.
    pub(crate) edits: BTreeMap<Name, Vec<Content>>,
}

fn text(intention: &Intention) -> Option<String> {
    intention.write.payload().map(|payload| payload.as_str().to_owned())
}

impl Book {
    pub(crate) fn row(&self, name: &Name) -> Option<&Record> {
        self.rows.get(name)
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = (&Name, &Record)> {
        self.rows.iter()
    }

    /// How many records have edits that wait, and how many are parked.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let count = |wanted: fn(&Record) -> bool| {
            u64::try_from(self.rows.values().filter(|row| wanted(row)).count()).unwrap_or(0)
        };
        (
            count(|row| row.oldest_waiting().is_some()),
            count(|row| row.parked.is_some() && row.oldest_waiting().is_none()),
        )
    }
}
