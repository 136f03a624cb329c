//! What happens to the queue without a server: edits come in, and the user decides about parked ones.

use std::collections::HashSet;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::core::{Core, Stamper, outside_of_handlers};
use super::ledger::Ledger;
use super::port::{EntityPort, Shown};
use super::receipt::{Fate, Receipt, Receipts};
use super::reconcile::{Consequence, Known, Step, Surroundings, apply};
use crate::error::{Error, HandlerError};
use crate::record::{
    Decision, Dispute, Edit, Enqueued, EntityName, OperationId, ParkReason, Record, RecordRef, Rules,
    ServerCopy, discard, enqueue, reinstate,
};
use crate::report::SyncReport;
use crate::storage::StorageError;
use crate::telemetry::SyncEvent;

/// How many rows one transaction takes on when everything of a kind is concerned.
const BATCH: usize = 500;

/// Takes edits into the queue, inside a transaction that its caller makes durable.
pub(crate) fn take(
    ledger: &mut Ledger<'_>,
    stamper: &Stamper,
    receipts: &Arc<Receipts>,
    edits: Vec<(RecordRef, Edit)>,
) -> Result<Vec<Receipt>, StorageError> {
    let mut issued = Vec::with_capacity(edits.len());
    for (name, edit) in edits {
        let before = ledger.record(&name)?;
        let stamp = stamper.stamp();
        let (after, enqueued) = enqueue(before.clone(), edit, stamp);
        ledger.put(&name, &before, &after)?;
        issued.push(match enqueued {
            Enqueued::Queued => receipts.issue(stamp.id, name, stamp.seq),
            Enqueued::Withdrawn => {
                let under_way = after.flight.as_ref().map(|flight| flight.intention.revision);
                receipts.take_back(&name, under_way, stamp.seq);
                leaving(receipts, stamp.id, name, &after)
            }
            Enqueued::AlreadyLeaving => leaving(receipts, stamp.id, name, &after),
        });
    }
    Ok(issued)
}

/// The receipt of a deletion that adds nothing to what is under way, if anything is.
fn leaving(receipts: &Arc<Receipts>, id: OperationId, name: RecordRef, after: &Record) -> Receipt {
    match &after.flight {
        Some(flight) => receipts.issue(flight.intention.id, name, flight.intention.revision),
        None => Receipts::done(id, name),
    }
}

impl Core {
    /// Makes edits durable, all or none.
    pub(crate) async fn push(&self, edits: Vec<(RecordRef, Edit)>) -> Result<Vec<Receipt>, Error> {
        if self.is_closing() {
            return Err(Error::ShutDown);
        }
        let (stamper, receipts) = (self.stamper(), Arc::clone(&self.receipts));
        self.transact(move |ledger| Ok(take(ledger, &stamper, &receipts, edits)?)).await
    }

    /// When the next attempt to send something is to be made.
    pub(crate) async fn next_attempt(&self) -> Result<Option<DateTime<Utc>>, StorageError> {
        let (now, horizon) = (self.now(), self.settings.retry.horizon());
        let (sendable, due) = self
            .transact::<_, StorageError, _>(move |ledger| {
                Ok((!ledger.tx.sendable(now, horizon, 1, &HashSet::new())?.is_empty(), ledger.tx.next_due()?))
            })
            .await?;
        let pause = self.holding_pause(now).map(|pause| pause.until);
        Ok(match (sendable, due, pause) {
            (false, None, _) => None,
            (_, _, Some(until)) => Some(until),
            (true, _, None) => Some(self.retry_at(0)),
            (false, due, None) => due,
        })
    }

    /// Sends a parked operation again.
    pub(crate) async fn retry(&self, id: OperationId) -> Result<(), Error> {
        let now = self.now();
        self.transact(move |ledger| {
            let (name, before) = ledger.tx.parked_by_id(id)?.ok_or(Error::NotParked(id))?;
            let after = reinstate(before.clone(), now);
            Ok(ledger.put(&name, &before, &after)?)
        })
        .await
    }

    /// Sends every parked operation of an entity, or of all, again, except the conflicts that wait for an answer.
    pub(crate) async fn retry_all(&self, entity: Option<EntityName>) -> Result<u64, Error> {
        let now = self.now();
        let mut after = None;
        let mut retried = 0;
        loop {
            let entity = entity.clone();
            let (count, last) = self
                .transact::<_, Error, _>(move |ledger| {
                    let parked = ledger.tx.parked(entity.as_ref(), after, BATCH)?;
                    let last = parked.last().and_then(|(_, record)| record.lane().seq());
                    let mut count = 0;
                    for (name, before) in parked {
                        let deferred = matches!(
                            before.parked.as_ref().map(|parked| &parked.reason),
                            Some(ParkReason::Deferred { .. })
                        );
                        if !deferred {
                            let after = reinstate(before.clone(), now);
                            ledger.put(&name, &before, &after)?;
                            count += 1;
                        }
                    }
                    Ok((count, last))
                })
                .await?;
            retried += count;
            if last.is_none() {
                return Ok(retried);
            }
            after = last;
        }
    }

    /// Gives a parked operation up. Where the server's state is known, the app is told to show that.
    pub(crate) async fn discard(&self, id: OperationId) -> Result<(), Error> {
        outside_of_handlers()?;
        let found = self.transact::<_, Error, _>(move |ledger| Ok(ledger.tx.parked_by_id(id)?)).await?;
        let (name, record) = found.ok_or(Error::NotParked(id))?;
        self.give_up(name, record).await
    }

    /// Gives every waiting and parked operation up. Answers how many records there were.
    pub(crate) async fn clear_queue(&self) -> Result<u64, Error> {
        outside_of_handlers()?;
        let mut cleared = 0;
        let mut after = None;
        loop {
            let page = self
                .transact::<_, Error, _>(move |ledger| Ok(ledger.tx.pending(None, after, BATCH)?))
                .await?;
            let Some(last) = page.last().and_then(|(_, record)| record.lane().seq()) else {
                return Ok(cleared);
            };
            after = Some(last);
            for (name, record) in page {
                self.give_up(name, record).await?;
                cleared += 1;
            }
        }
    }

    async fn give_up(&self, name: RecordRef, expected: Record) -> Result<(), Error> {
        let port = self.port(name.entity.as_str());
        let rules = port.map(|port| port.rules()).unwrap_or_default();
        let known = server_copy(&expected, &rules);
        if let (Some(port), Some(copy)) = (port, &known) {
            self.tell(port, &name, copy).await?;
        }
        let (record, id) = (name.clone(), expected.newest().map(|newest| newest.id));
        let revision = self
            .transact::<_, Error, _>(move |ledger| {
                let before = ledger.record(&name)?;
                // An edit that was made meanwhile is none of those that are given up.
                if before.newest().map(|newest| newest.id) != id {
                    return Ok(None);
                }
                let revision = before.newest().map(|newest| newest.revision);
                let (after, _) = discard(before.clone(), &rules);
                ledger.put(&name, &before, &after)?;
                Ok(revision)
            })
            .await?;
        if let Some(revision) = revision {
            self.receipts.tell(&record, revision, Fate::TakenBack);
        }
        Ok(())
    }

    async fn tell(
        &self,
        port: &Arc<dyn EntityPort>,
        name: &RecordRef,
        copy: &ServerCopy,
    ) -> Result<(), Error> {
        self.call(port.tell(&name.key, copy, &Shown::AsPulled))
            .await
            .map_err(|error| Error::Handler(Arc::new(error)))
    }

    /// Answers a conflict that was deferred to the user.
    pub(crate) async fn answer(
        &self,
        port: &Arc<dyn EntityPort>,
        id: OperationId,
        decision: Decision,
    ) -> Result<(), Error> {
        outside_of_handlers()?;
        let mut known = Known::default();
        loop {
            let (rules, stamper) = (port.rules(), self.stamper());
            let (decision, now_known) = (decision.clone(), known.clone());
            let (name, step) = self
                .transact::<_, Error, _>(move |ledger| {
                    let (name, before) = ledger.tx.parked_by_id(id)?.ok_or(Error::NotParked(id))?;
                    let dispute = dispute(&before).ok_or(Error::NotAConflict(id))?;
                    let around = Surroundings { rules: &rules, stamp: stamper.stamp() };
                    let step = apply(before.clone(), &dispute, decision, &now_known, around);
                    if let Step::Write(after, _) = &step {
                        ledger.put(&name, &before, after)?;
                    }
                    Ok((name, step))
                })
                .await?;
            match step {
                Step::Write(_, consequence) => {
                    self.announce_answer(&name, consequence);
                    return Ok(());
                }
                Step::Show(shown, copy) => {
                    let told = self.call(port.tell(&name.key, &copy, &shown)).await;
                    told.map_err(|error: HandlerError| Error::Handler(Arc::new(error)))?;
                    known.shown = Some(shown);
                }
                Step::Decide(_) => return Err(Error::NotParked(id)),
            }
        }
    }

    fn announce_answer(&self, name: &RecordRef, consequence: Consequence) {
        let mut unused = SyncReport::default();
        self.publish(name, consequence, &mut unused);
        self.announcer.announce(SyncEvent::Status(self.status.borrow().clone()));
    }
}

/// The conflict that a deferred operation is about.
pub(crate) fn dispute(record: &Record) -> Option<Dispute> {
    let parked = record.parked.as_ref()?;
    let ParkReason::Deferred { remote } = &parked.reason else { return None };
    Some(record.dispute(&parked.intention, remote.clone()))
}

/// The server's state of a record whose local edits are given up, as far as it is known.
fn server_copy(record: &Record, rules: &Rules) -> Option<ServerCopy> {
    let (given_up, seen) = discard(record.clone(), rules);
    seen.or_else(|| match given_up.base {
        Some(base) => base.value.map(|value| ServerCopy::Present { version: base.version, value }),
        None => Some(ServerCopy::Deleted),
    })
}
