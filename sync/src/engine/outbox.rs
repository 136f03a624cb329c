//! What happens to the queue without a server: the user looks at it, and decides about parked edits.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};

use super::core::Core;
use super::ledger::{Ledger, Rows};
use super::outdated;
use super::port::{EntityPort, Shown};
use super::receipt::Fate;
use super::reconcile::{Consequence, Known, Rounds, Step, Surroundings, apply};
use super::turn::Turn;
use crate::error::Error;
use crate::record::{
    Decision, Dispute, GivenUp, Intention, OperationId, ParkReason, Record, RecordRef, ServerCopy, Write,
    discard, reinstate, resolve,
};
use crate::report::SyncReport;
use crate::storage::{StorageError, Transaction};

/// How many rows one transaction takes on when everything of a kind is concerned.
pub(crate) const BATCH: usize = 500;

/// A walk over many rows, a page in each transaction, around those that cannot be read.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// The place of the last row.
    after: Option<u64>,
    /// Those that cannot be read, and why the first of them cannot.
    damaged: HashSet<RecordRef>,
    damage: Option<StorageError>,
}

impl Walk {
    /// The next page, which is empty at the end.
    pub(crate) fn next(
        &mut self,
        ledger: &mut Ledger<'_>,
        ask: impl Fn(
            &mut dyn Transaction,
            Option<u64>,
            &HashSet<RecordRef>,
        ) -> Result<Vec<(RecordRef, Record)>, StorageError>,
    ) -> Result<Vec<(RecordRef, Record)>, StorageError> {
        let after = self.after;
        let Rows { records, damaged } =
            ledger.around_damage(&mut self.damaged, |tx, except| ask(tx, after, except))?;
        self.damage = self.damage.take().or_else(|| damaged.into_iter().next());
        if let Some((_, last)) = records.last() {
            self.after = last.lane().seq();
        }
        Ok(records)
    }

    /// What was done, unless a row could not be read.
    fn end(self, done: u64) -> Result<u64, Error> {
        self.damage.map_or(Ok(done), |damage| Err(damage.into()))
    }
}

/// Which edits of a record are given up.
#[derive(Debug, Clone, Copy)]
enum GivenUpEdits {
    /// Those in this operation.
    Of(OperationId),
    /// Those up to this revision, under whatever id: a conflict that is decided meanwhile gives them another one.
    UpTo(u64),
}

impl GivenUpEdits {
    fn is(self, newest: &Intention) -> bool {
        match self {
            Self::Of(id) => newest.id == id,
            Self::UpTo(revision) => newest.revision <= revision,
        }
    }
}

/// When the next attempt to send something is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextAttempt {
    /// Something can be sent right now.
    Now,
    /// Nothing before this time.
    At(DateTime<Utc>),
}

impl Core {
    /// When the next attempt to send something is to be made.
    pub(crate) async fn next_attempt(&self) -> Result<Option<NextAttempt>, StorageError> {
        let (now, horizon) = (self.now(), self.settings.retry.horizon());
        let (sendable, due) = self
            .transact::<_, StorageError, _>(move |ledger| {
                let sendable = ledger.sendable(now, horizon, 1, &mut HashSet::new())?;
                Ok((!sendable.records.is_empty(), ledger.tx.next_due()?))
            })
            .await?;
        let pause = self.holding_pause(now).map(|pause| pause.until);
        Ok(match (sendable, due, pause) {
            (false, None, _) => None,
            (_, _, Some(until)) => Some(NextAttempt::At(until)),
            (true, _, None) => Some(NextAttempt::Now),
            // What is due and cannot be sent has a row that cannot be read: a person has to mend it first.
            (false, Some(due), None) if due <= now => Some(NextAttempt::At(self.retry_patiently_at(0))),
            (false, due, None) => due.map(NextAttempt::At),
        })
    }

    /// What is done step by step ends between two of them when the engine does.
    fn goes_on(&self) -> Result<(), Error> {
        if self.is_closing() { Err(Error::ShutDown) } else { Ok(()) }
    }

    /// Sends a parked operation again.
    pub(crate) async fn retry(&self, id: OperationId) -> Result<(), Error> {
        self.transact(move |ledger| {
            let (name, before) = ledger.tx.parked_by_id(id)?.ok_or(Error::NotParked(id))?;
            let after = reinstate(before.clone());
            Ok(ledger.put(&name, &before, &after)?)
        })
        .await
    }

    /// Sends every parked operation again, except the conflicts that wait for an answer. Fails for a row that cannot be read once all
    /// others were seen to.
    pub(crate) async fn retry_all(&self) -> Result<u64, Error> {
        let (mut walk, mut retried) = (Walk::default(), 0);
        loop {
            self.goes_on()?;
            let count;
            (walk, count) = self
                .transact::<_, Error, _>(move |ledger| {
                    let parked =
                        walk.next(ledger, |tx, after, except| tx.parked(None, after, BATCH, except))?;
                    let mut count = 0;
                    for (name, before) in &parked {
                        let deferred = matches!(
                            before.parked.as_ref().map(|parked| &parked.reason),
                            Some(ParkReason::Deferred { .. })
                        );
                        if !deferred {
                            ledger.put(name, before, &reinstate(before.clone()))?;
                            count += 1;
                        }
                    }
                    Ok((walk, (!parked.is_empty()).then_some(count)))
                })
                .await?;
            match count {
                Some(count) => retried += count,
                None => return walk.end(retried),
            }
        }
    }

    /// Gives a parked operation up. Where the server's state is known, the app is told to show that.
    pub(crate) async fn discard(&self, id: OperationId) -> Result<(), Error> {
        self.id.outside_of_handlers()?;
        let found = self.transact::<_, Error, _>(move |ledger| Ok(ledger.tx.parked_by_id(id)?)).await?;
        let (name, _) = found.ok_or(Error::NotParked(id))?;
        self.give_up(name, GivenUpEdits::Of(id)).await.map(drop)
    }

    /// Gives every operation up that waits or is parked by now. Answers how many records there were. Fails for a row that cannot be
    /// read once all others were seen to.
    pub(crate) async fn clear_queue(&self) -> Result<u64, Error> {
        self.id.outside_of_handlers()?;
        let newest_edit = self.seq.load(Ordering::Relaxed);
        let (mut walk, mut cleared) = (Walk::default(), 0);
        loop {
            self.goes_on()?;
            let page;
            (walk, page) = self
                .transact::<_, Error, _>(move |ledger| {
                    let page =
                        walk.next(ledger, |tx, after, except| tx.pending(None, after, BATCH, except))?;
                    Ok((walk, page))
                })
                .await?;
            // Edits that were made meanwhile come last.
            if page.first().and_then(|(_, record)| record.lane().seq()).is_none_or(|seq| seq > newest_edit) {
                return walk.end(cleared);
            }
            for (name, record) in page {
                if record.is_pending() {
                    cleared += u64::from(self.give_up(name, GivenUpEdits::UpTo(newest_edit)).await?);
                }
            }
        }
    }

    /// Gives a record's edits up, unless a newer one was made meanwhile; answers whether it did. The app is told first; when what the
    /// server has is not known, it is asked for at the next pull.
    async fn give_up(&self, name: RecordRef, which: GivenUpEdits) -> Result<bool, Error> {
        let port = self.port(name.entity.as_str());
        let rules = port.map(|port| port.rules()).unwrap_or_default().of_an_answer();
        let turn = self.turn().await;
        turn.is_about([name.clone()]);
        let record = name.clone();
        let now = self.transact::<_, Error, _>(move |ledger| Ok(ledger.record_to_replace(&record)?)).await?;
        if !now.newest().is_some_and(|newest| which.is(newest)) {
            return Ok(false);
        }
        let (_, known) = discard(now, &rules);
        let mut ask = known == GivenUp::Unknown;
        let told = match (port, &known) {
            (Some(port), GivenUp::Known(copy)) => {
                match turn.call(port.tell(&name.key, copy, &Shown::AsPulled)).await {
                    Ok(()) => Some((port, copy)),
                    // What an earlier version of the program kept of the server's state says nothing to this one.
                    Err(error) if error.is_about_what_is_stored() => {
                        ask = true;
                        None
                    }
                    Err(error) => return Err(Error::Handler(Arc::new(error))),
                }
            }
            _ => None,
        };
        let record = name.clone();
        let count = Arc::clone(&self.given_up);
        let (showing, stamper) = (Arc::clone(&self.showing), self.stamper());
        let shown = told.as_ref().map(|(_, copy)| (*copy).clone());
        let revision = self
            .transact::<_, Error, _>(move |ledger| {
                let before = ledger.record_to_replace(&record)?;
                // An edit that was made meanwhile is none of those that are given up.
                let Some(newest) = before.newest().filter(|newest| which.is(newest)) else {
                    // And what the handler has made of what it was just told stands on that.
                    let is_alone = before.flight.is_none();
                    let edited =
                        before.queued.as_ref().filter(|edit| is_alone && edit.write != Write::Delete);
                    if let (Some(edited), Some(shown)) = (edited, shown)
                        && showing.is_edited(&record, edited.revision)
                    {
                        let dispute = before.dispute(edited, shown);
                        let (after, _) =
                            resolve(before.clone(), &dispute, Decision::KeepLocal, &rules, stamper.stamp());
                        ledger.put(&record, &before, &after)?;
                    }
                    return Ok(None);
                };
                let revision = newest.revision;
                count.fetch_add(1, Ordering::Relaxed);
                let (after, _) = discard(before.clone(), &rules);
                ledger.put(&record, &before, &after)?;
                if ask && !planted!(DiscardedIsNotAskedFor) {
                    outdated::note(ledger, &record)?;
                }
                Ok(Some(revision))
            })
            .await?;
        match (revision, told) {
            (Some(revision), _) => self.receipts.tell(&name, revision, Fate::TakenBack),
            (None, Some((port, copy))) => self.set_right(&turn, port, &name, copy).await?,
            (None, None) => {}
        }
        Ok(revision.is_some())
    }

    /// The app was told what a record looks like while that changed: it is told anew. Where no edit waits, what the
    /// server has is asked for at the next pull.
    async fn set_right(
        &self,
        turn: &Turn<'_>,
        port: &Arc<dyn EntityPort>,
        name: &RecordRef,
        copy: &ServerCopy,
    ) -> Result<(), Error> {
        let mut shown = None;
        let mut rounds = Rounds::default();
        loop {
            let record = name.clone();
            let now = self
                .transact::<_, Error, _>(move |ledger| {
                    let local =
                        ledger.record(&record)?.newest().map(|newest| newest.write.payload().cloned());
                    if local.is_none() {
                        outdated::note(ledger, &record)?;
                    }
                    Ok(local.map(Shown::Local))
                })
                .await?;
            match &now {
                Some(local) if shown != now => {
                    let another = rounds.another(|| name.clone());
                    another.map_err(|error| Error::Handler(Arc::new(error)))?;
                    self.tell(turn, port, name, copy, local).await?;
                }
                _ => return Ok(()),
            }
            shown = now;
        }
    }

    async fn tell(
        &self,
        turn: &Turn<'_>,
        port: &Arc<dyn EntityPort>,
        name: &RecordRef,
        copy: &ServerCopy,
        shown: &Shown,
    ) -> Result<(), Error> {
        turn.call(port.tell(&name.key, copy, shown)).await.map_err(|error| Error::Handler(Arc::new(error)))
    }

    /// Answers a conflict that was deferred to the user.
    pub(crate) async fn answer(
        &self,
        port: &Arc<dyn EntityPort>,
        id: OperationId,
        decision: Decision,
    ) -> Result<(), Error> {
        self.id.outside_of_handlers()?;
        let turn = self.turn().await;
        let mut told: Option<(RecordRef, ServerCopy, Shown)> = None;
        loop {
            let (rules, stamper) = (port.rules().of_an_answer(), self.stamper());
            let (decision, earlier) = (decision.clone(), told.clone());
            let result = self
                .transact::<_, Error, _>(move |ledger| {
                    let (name, before) = ledger.tx.parked_by_id(id)?.ok_or(Error::NotParked(id))?;
                    let dispute = dispute(&before).ok_or(Error::NotAConflict(id))?;
                    // What the app was told of an earlier version of the server's is told anew.
                    let shown =
                        earlier.filter(|(_, copy, _)| *copy == dispute.remote).map(|(.., shown)| shown);
                    let known = Known { decision: None, shown };
                    let around = Surroundings { rules: &rules, stamp: stamper.stamp() };
                    let step = apply(before.clone(), &dispute, decision, &known, around);
                    if let Step::Write(after, _) = &step {
                        ledger.put(&name, &before, after)?;
                    }
                    Ok((name, step))
                })
                .await;
            let (name, step) = match (result, told) {
                (Ok(found), _) => found,
                // A newer edit took the place of the conflict while the app was told.
                (Err(error @ Error::NotParked(_)), Some((name, copy, _))) => {
                    self.set_right(&turn, port, &name, &copy).await?;
                    return Err(error);
                }
                (Err(error), _) => return Err(error),
            };
            match step {
                Step::Write(_, consequence) => {
                    self.announce_answer(&name, consequence);
                    return Ok(());
                }
                Step::Show(shown, copy) => {
                    self.tell(&turn, port, &name, &copy, &shown).await?;
                    told = Some((name, copy, shown));
                }
                Step::Decide(_) => return Err(Error::NotParked(id)),
            }
        }
    }

    fn announce_answer(&self, name: &RecordRef, consequence: Consequence) {
        let mut unused = SyncReport::default();
        self.publish(name, consequence, &mut unused);
        self.announce_status();
    }
}

/// The conflict that a deferred operation is about.
pub(crate) fn dispute(record: &Record) -> Option<Dispute> {
    let parked = record.parked.as_ref()?;
    let ParkReason::Deferred { remote } = &parked.reason else { return None };
    Some(record.dispute(&parked.intention, remote.clone()))
}
