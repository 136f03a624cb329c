//! What happens to the queue without a server: how it is walked over, when the next of it is due, and what is put back into it.

use std::collections::HashSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::core::Core;
use super::ledger::{Ledger, Rows, readable};
use crate::error::Error;
use crate::record::{OperationId, ParkReason, Record, RecordRef, reinstate};
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
    pub(crate) fn end(self, done: u64) -> Result<u64, Error> {
        self.damage.map_or(Ok(done), |damage| Err(damage.into()))
    }
}

/// When the next attempt to send something is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NextAttempt {
    /// Something can be sent right now.
    Now,
    /// What could be sent right now does not get out, since a person has to mend it first; nothing else before this time.
    Stuck(Option<DateTime<Utc>>),
    /// Nothing before this time.
    At(DateTime<Utc>),
}

/// Whether anything can be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sendable {
    Something,
    /// What could be cannot be upgraded.
    Stuck,
    Nothing,
}

fn sendable(
    ledger: &mut Ledger<'_>,
    now: DateTime<Utc>,
    horizon: TimeDelta,
) -> Result<Sendable, StorageError> {
    let (mut except, mut found) = (HashSet::new(), Sendable::Nothing);
    loop {
        let first = ledger.sendable(now, horizon, 1, &mut except)?.records.pop();
        let Some((name, record)) = first else { return Ok(found) };
        if readable(ledger.entities().upgraded(&name, record))?.is_some() {
            return Ok(Sendable::Something);
        }
        except.insert(name);
        found = Sendable::Stuck;
    }
}

impl Core {
    /// When the next attempt to send something is to be made.
    pub(crate) async fn next_attempt(&self) -> Result<Option<NextAttempt>, StorageError> {
        let (now, horizon) = (self.now(), self.settings.retry.horizon());
        let (sendable, due) = self
            .transact::<_, StorageError, _>(move |ledger| {
                Ok((sendable(ledger, now, horizon)?, ledger.tx.next_due()?))
            })
            .await?;
        let pause = self.holding_pause(now).map(|pause| pause.until);
        Ok(match (sendable, due, pause) {
            (Sendable::Nothing, None, _) => None,
            (_, _, Some(until)) => Some(NextAttempt::At(until)),
            (Sendable::Something, _, None) => Some(NextAttempt::Now),
            (Sendable::Stuck, due, None) => Some(NextAttempt::Stuck(due.filter(|due| *due > now))),
            // What is due and cannot be sent has a row that cannot be read: a person has to mend it first.
            (Sendable::Nothing, Some(due), None) if due <= now => {
                Some(NextAttempt::At(self.retry_patiently_at(0)))
            }
            (Sendable::Nothing, due, None) => due.map(NextAttempt::At),
        })
    }

    /// What is done step by step ends between two of them when the engine does.
    pub(crate) fn goes_on(&self) -> Result<(), Error> {
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
}
