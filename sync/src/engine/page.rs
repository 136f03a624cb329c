//! Puts one pulled page under the local edits that wait.
//!
//! The handler is told first, then the page and its cursor are written in one transaction. The user may edit in between,
//! so the transaction checks that what the handler was told is still what it would be told now; where it is not, the
//! handler is told again, and nothing is written before.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::core::{Core, Stamper};
use super::entities::Scope;
use super::ledger::{Ledger, Stored, readable};
use super::outdated;
use super::port::{EntityPort, ReadPage, Shown, TypedPage};
use super::reconcile::{Consequence, Known, Rounds, Step, Surroundings, observe};
use super::turn::Turn;
use crate::error::{Chain, HandlerError, SyncError};
use crate::record::{
    Base, Dispute, EntityName, Payload, Record, RecordRef, Rules, ServerCopy, Stamp, Version,
};
use crate::report::SyncReport;
use crate::storage::{Cursor, SetAside, StorageError};

/// Why a page was not written.
pub(crate) enum Trouble {
    /// The user's code failed; the page comes again.
    Handler(HandlerError),
    /// The storage failed.
    Storage(StorageError),
    /// The page is of a scope that was set no longer.
    OfAnotherScope,
}

impl From<StorageError> for Trouble {
    fn from(error: StorageError) -> Self {
        Self::Storage(error)
    }
}

impl From<HandlerError> for Trouble {
    fn from(error: HandlerError) -> Self {
        Self::Handler(error)
    }
}

/// What the handler was told of the page so far.
#[derive(Debug, Clone, Default)]
struct Told {
    /// Of every item that is not in `except`.
    everything: Option<Shown>,
    except: HashMap<usize, Known>,
    /// The conflicts that nobody could decide, since this program cannot read what is stored here of their records, and why not.
    undecided: HashMap<usize, (Dispute, String)>,
}

impl Told {
    fn of(&self, index: usize) -> Known {
        self.except
            .get(&index)
            .cloned()
            .unwrap_or_else(|| Known { decision: None, shown: self.everything.clone() })
    }

    fn entry(&mut self, index: usize) -> &mut Known {
        let everything = self.everything.clone();
        self.except.entry(index).or_insert(Known { decision: None, shown: everything })
    }

    /// Why nobody could decide this very conflict, if that is so.
    fn undecided(&self, index: usize, dispute: &Dispute) -> Option<&str> {
        self.undecided.get(&index).filter(|(of, _)| of == dispute).map(|(_, reason)| reason.as_str())
    }
}

/// What is done with once a page is written.
#[derive(Debug, Clone)]
pub(crate) enum Covers {
    /// Everything up to this cursor, of a list of the records in this scope.
    UpTo(Option<Cursor>, Scope),
    /// The question after this one record.
    Outdated(RecordRef),
    /// Nothing but the page itself.
    Itself,
}

/// Hands a page over, and writes it down with what it covers.
pub(crate) async fn apply(
    core: &Core,
    port: &Arc<dyn EntityPort>,
    read: &ReadPage,
    covers: Covers,
    has_more: bool,
    report: &mut SyncReport,
) -> Result<(), Trouble> {
    let entity = port.info().entity_name();
    if planted!(OneBadItemStopsThePage) && !read.unreadable.is_empty() {
        return Err(StorageError::Aborted.into());
    }
    let aside = unreadable(core, &entity, read, report);
    let mut told = Told::default();
    let turn = core.turn().await;
    if !port.keeps() {
        let named = |index| RecordRef::new(entity.clone(), read.page.key(index).clone());
        turn.is_about_a_page((0..read.page.len()).map(|index| (named(index), read.page.is_there(index))));
    }
    let mut rounds = Rounds::default();
    loop {
        let writing = Writing {
            entity: entity.clone(),
            port: Arc::clone(port),
            page: Arc::clone(&read.page),
            told: told.clone(),
            covers: covers.clone(),
            aside: aside.clone(),
            rules: match covers {
                Covers::UpTo(..) => port.rules(),
                Covers::Outdated(_) | Covers::Itself => port.rules().of_an_answer(),
            },
            stamper: core.stamper(),
        };
        match core.transact(move |ledger| writing.run(ledger)).await? {
            Written::Done { consequences, aside } => {
                report.set_aside += aside;
                report.pulled += u64::try_from(read.page.len()).unwrap_or(u64::MAX).saturating_sub(aside);
                for (name, consequence) in consequences {
                    core.publish(&name, consequence, report);
                }
                return Ok(());
            }
            Written::TellEverything => {
                let everything: Vec<_> = (0..read.page.len()).map(|index| (index, Shown::AsPulled)).collect();
                let delivered = deliver(&turn, read, &everything, has_more).await;
                if !planted!(CursorMovesOnAnError) {
                    delivered?;
                }
                told.everything = Some(Shown::AsPulled);
            }
            Written::OfAnotherScope => return Err(Trouble::OfAnotherScope),
            Written::Missing(steps) => {
                let first = steps.first().map_or(0, |(index, _)| *index);
                rounds.another(|| RecordRef::new(entity.clone(), read.page.key(first).clone()))?;
                for unread in supply(&turn, port, read, has_more, steps, &mut told).await? {
                    core.fail(report, unread.into());
                }
            }
        }
    }
}

/// Asks the strategy where it has to decide; when nothing is left to decide, tells the handler the rest. Where this program cannot read
/// what is stored here of a record, that concerns this one alone, and is answered.
async fn supply(
    turn: &Turn<'_>,
    port: &Arc<dyn EntityPort>,
    read: &ReadPage,
    has_more: bool,
    steps: Steps,
    told: &mut Told,
) -> Result<Vec<HandlerError>, HandlerError> {
    let mut shows = Vec::new();
    let mut unread = Vec::new();
    let mut decided = false;
    for (index, step) in steps {
        match step {
            Step::Decide(dispute) => {
                let name = RecordRef::new(port.info().entity_name(), read.page.key(index).clone());
                decided = true;
                let decision = match turn.decide(port, &name, &dispute, &told.of(index)).await {
                    Err(error) if error.is_about_what_is_stored() => {
                        told.undecided.insert(index, (*dispute, Chain(&error).to_string()));
                        unread.push(error);
                        continue;
                    }
                    decision => decision?,
                };
                // The record has changed since the handler was told of it, if it was: it is told anew.
                *told.entry(index) = Known { decision: Some((*dispute, decision)), shown: None };
            }
            Step::Show(shown, _) => shows.push((index, shown)),
            Step::Write(..) => {}
        }
    }
    if decided {
        return Ok(unread);
    }
    while let Err(error) = deliver(turn, read, &shows, has_more).await {
        // The edit that the handler would be told of stays as it is, and so does what the application shows of it.
        let of = |(index, _): &(usize, Shown)| error.unread() == Some(read.page.key(*index).as_str());
        let Some(place) = shows.iter().position(of) else { return Err(error) };
        let (index, shown) = shows.remove(place);
        told.entry(index).shown = Some(shown);
        unread.push(error);
    }
    for (index, shown) in shows {
        told.entry(index).shown = Some(shown);
    }
    Ok(unread)
}

async fn deliver(
    turn: &Turn<'_>,
    read: &ReadPage,
    shown: &[(usize, Shown)],
    has_more: bool,
) -> Result<(), HandlerError> {
    if shown.is_empty() {
        return Ok(());
    }
    turn.call(read.page.deliver(shown, has_more)).await
}

/// Reports what could not be read, and prepares it to be kept aside.
fn unreadable(core: &Core, entity: &EntityName, read: &ReadPage, report: &mut SyncReport) -> Vec<SetAside> {
    let mut aside = Vec::with_capacity(read.unreadable.len());
    for (item, unreadable) in &read.unreadable {
        report.set_aside += 1;
        let key = unreadable.key.as_ref().map(ToString::to_string);
        core.fail(
            report,
            SyncError::Unreadable { entity: entity.clone(), key, reason: unreadable.reason.clone() },
        );
        aside.push(SetAside {
            entity: entity.clone(),
            key: unreadable.key.clone(),
            item: item.clone(),
            error: unreadable.reason.clone(),
            since: core.now(),
        });
    }
    aside
}

/// What is missing, by the place in the page.
type Steps = Vec<(usize, Step)>;

/// What a transaction over a page came to.
enum Written {
    /// The page and its cursor are written.
    Done {
        consequences: Vec<(RecordRef, Consequence)>,
        /// So many of its items were kept aside instead.
        aside: u64,
    },
    /// No local edit of the entity waits, so the handler is to be told everything as it came.
    TellEverything,
    /// These have to be asked or told first.
    Missing(Steps),
    /// The scope was changed since the page was asked for: it is of no use, and its cursor least of all.
    OfAnotherScope,
}

/// One transaction over a page.
struct Writing {
    entity: EntityName,
    port: Arc<dyn EntityPort>,
    page: Arc<dyn TypedPage>,
    told: Told,
    covers: Covers,
    aside: Vec<SetAside>,
    rules: Rules,
    stamper: Stamper,
}

impl Writing {
    fn run(&self, ledger: &mut Ledger<'_>) -> Result<Written, Trouble> {
        if let Covers::UpTo(_, scope) = &self.covers
            && !ledger.entities().scope(&self.entity).is(scope)
        {
            return Ok(Written::OfAnotherScope);
        }
        if let (Covers::UpTo(cursor, _), true) = (&self.covers, planted!(CursorBeforeTheHandler)) {
            ledger.tx.set_cursor(&self.entity, cursor.as_ref())?;
        }
        // A row that cannot be read waits, too.
        let waiting = readable(ledger.tx.pending(Some(&self.entity), None, 1, &HashSet::new()))?;
        let nothing_waits = waiting.is_some_and(|waiting| waiting.is_empty());
        let (mut unread, mut damaged) = (Vec::new(), Vec::new());
        let consequences = if nothing_waits && self.told.except.is_empty() {
            if !self.port.keeps() && self.told.everything.is_none() && self.page.len() > 0 {
                return Ok(Written::TellEverything);
            }
            self.put_as_pulled(ledger)?;
            Vec::new()
        } else {
            let looked = self.look(ledger)?;
            if !looked.missing.is_empty() {
                return Ok(Written::Missing(looked.missing));
            }
            for row in &looked.rows {
                row.put(ledger)?;
            }
            (unread, damaged) = (looked.aside, looked.damaged);
            looked.rows.into_iter().map(|row| (row.name, row.consequence)).collect()
        };
        if !ledger.tx.items_aside(&self.entity, 1)?.is_empty() {
            for index in 0..self.page.len() {
                ledger.tx.forget_aside(&self.name(index))?;
            }
        }
        for item in self.aside.iter().chain(&unread) {
            if !planted!(BadItemIsDropped) {
                ledger.tx.set_aside(item)?;
            }
        }
        match &self.covers {
            Covers::UpTo(cursor, _) => ledger.tx.set_cursor(&self.entity, cursor.as_ref())?,
            Covers::Outdated(record) if !damaged.contains(record) => outdated::forget(ledger, record)?,
            Covers::Outdated(_) | Covers::Itself => {}
        }
        // What was pulled beside a row that cannot be read is asked for, until it can be put there.
        for record in &damaged {
            outdated::note(ledger, record)?;
        }
        Ok(Written::Done { consequences, aside: u64::try_from(unread.len()).unwrap_or(u64::MAX) })
    }

    fn name(&self, index: usize) -> RecordRef {
        RecordRef::new(self.entity.clone(), self.page.key(index).clone())
    }

    /// The bulk of all pulls: no row of the entity has a pending edit, so none has to be read, where the list tells versions.
    fn put_as_pulled(&self, ledger: &mut Ledger<'_>) -> Result<(), Trouble> {
        for index in 0..self.page.len() {
            let name = self.name(index);
            let mut base = self.page.base(index, &self.rules)?;
            if let Some(Base { version: version @ None, value: Some(value) }) = &mut base {
                *version = self.known_version(ledger, &name, value)?;
            }
            let record = Record { base, ..Record::default() };
            ledger.put_pulled(&*self.port, &name, &record, self.page.index(index))?;
        }
        Ok(())
    }

    /// The version that an answer told, of a record that the list shows as it was then, and without a version.
    fn known_version(
        &self,
        ledger: &mut Ledger<'_>,
        name: &RecordRef,
        value: &Payload,
    ) -> Result<Option<Version>, StorageError> {
        let known = readable(ledger.tx.record(name))?.flatten().and_then(|record| record.base);
        let Some(known) = known.filter(|known| known.version.is_some()) else { return Ok(None) };
        let shown = ServerCopy::Present { version: None, value: value.clone() };
        Ok(if shown.is_base(Some(&known), &self.rules) { known.version } else { None })
    }

    /// Looks at each record, and says what is to be written, or what is missing before that.
    fn look(&self, ledger: &mut Ledger<'_>) -> Result<Looked, Trouble> {
        let mut looked = Looked::default();
        for index in 0..self.page.len() {
            let name = self.name(index);
            let copy = self.page.copy(index)?;
            let stamp = self.stamper.stamp();
            let before = match ledger.stored(&name)? {
                Stored::Current(before) => before,
                // What cannot be upgraded is replaced, and what waits for the user is only told what was seen.
                Stored::Outdated(before, _) if before.flight.is_none() && before.queued.is_none() => before,
                Stored::Outdated(before, reason) => {
                    looked.aside.push(beside(name.clone(), &copy, reason, stamp.now));
                    looked.rows.push(crossed(name, before));
                    continue;
                }
                Stored::Damaged(reason) => {
                    looked.aside.push(beside(name.clone(), &copy, reason, stamp.now));
                    looked.damaged.push(name);
                    continue;
                }
            };
            let step = self.step(index, &before, &copy, stamp);
            if let Step::Decide(dispute) = &step
                && let Some(reason) = self.told.undecided(index, dispute)
            {
                looked.aside.push(beside(name.clone(), &copy, reason.to_owned(), stamp.now));
                looked.rows.push(crossed(name, before));
                continue;
            }
            match step {
                Step::Write(after, consequence) => {
                    looked.rows.push(Row { name, before, after: *after, consequence });
                }
                step => looked.missing.push((index, step)),
            }
        }
        Ok(looked)
    }

    fn step(&self, index: usize, before: &Record, copy: &ServerCopy, stamp: Stamp) -> Step {
        let around = Surroundings { rules: &self.rules, stamp };
        let mut known = self.told.of(index);
        loop {
            match observe(before.clone(), copy, &known, around) {
                // There is nobody to be told.
                Step::Show(shown, _) if self.port.keeps() => known.shown = Some(shown),
                step => return step,
            }
        }
    }
}

/// The row of a record of which a pulled version was not taken in: what the server has is asked for once the edit is through, or given up.
fn crossed(name: RecordRef, before: Record) -> Row {
    let mut after = before.clone();
    if let Some(flight) = &mut after.flight {
        flight.cross();
    }
    let parked = after.parked.as_mut().map(|parked| &mut parked.intention);
    for intention in parked.into_iter().chain(&mut after.queued) {
        intention.crossed = true;
    }
    Row { name, before, after, consequence: Consequence::default() }
}

/// A pulled version of a record whose own row cannot be read: it is kept aside, and the rest of the page goes through.
fn beside(name: RecordRef, copy: &ServerCopy, reason: String, since: DateTime<Utc>) -> SetAside {
    let item = copy.value().map_or("null", Payload::as_str).to_owned();
    SetAside { entity: name.entity, key: Some(name.key), item, error: reason, since }
}

/// What a look at the records of a page came to.
#[derive(Default)]
struct Looked {
    rows: Vec<Row>,
    missing: Steps,
    aside: Vec<SetAside>,
    /// Those whose rows cannot be read.
    damaged: Vec<RecordRef>,
}

/// A record of the page, as it is to be written.
struct Row {
    name: RecordRef,
    before: Record,
    after: Record,
    consequence: Consequence,
}

impl Row {
    fn put(&self, ledger: &mut Ledger<'_>) -> Result<(), StorageError> {
        if self.before.blocked_on.is_none() {
            return ledger.put(&self.name, &self.before, &self.after);
        }
        // What it waits for may be a row of the same page, which has let it go since it was looked at. Nothing else of it has changed.
        let blocked_on = ledger.tx.record(&self.name)?.and_then(|row| row.blocked_on);
        let after = self.after.blocked_on.clone().filter(|_| blocked_on.is_some());
        let before = Record { blocked_on, ..self.before.clone() };
        ledger.put(&self.name, &before, &Record { blocked_on: after, ..self.after.clone() })
    }
}
