//! Edits come in: the queue takes them over, and gives a receipt for each.

use std::sync::Arc;

use super::core::{Core, Stamper};
use super::ledger::Ledger;
use super::receipt::{Receipt, Receipts};
use super::showing::Showing;
use crate::error::Error;
use crate::record::{Edit, Enqueued, OperationId, Record, RecordRef, enqueue};
use crate::storage::StorageError;

/// Edits that a transaction took in.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) receipts: Vec<Receipt>,
    /// To be told once the transaction is durable.
    pub(crate) withdrawn: Vec<Withdrawn>,
}

/// Edits that a deletion took back.
#[derive(Debug)]
pub(crate) struct Withdrawn {
    record: RecordRef,
    under_way: Option<u64>,
    through: u64,
}

impl Withdrawn {
    pub(crate) fn tell(self, receipts: &Receipts) {
        receipts.take_back(&self.record, self.under_way, self.through);
    }
}

/// Takes edits into the queue, inside a transaction that its caller makes durable.
#[derive(Debug)]
pub(crate) struct Intake {
    stamper: Stamper,
    receipts: Arc<Receipts>,
    showing: Arc<Showing>,
    /// The edits are those of the handler that is being called: of a record that it is told of, they are made on what it was told.
    by_the_handler: bool,
}

impl Intake {
    /// For edits of whoever calls.
    pub(crate) fn new(core: &Core) -> Self {
        Self {
            stamper: core.stamper(),
            receipts: Arc::clone(&core.receipts),
            showing: Arc::clone(&core.showing),
            by_the_handler: core.id.is_in_a_handler() && !planted!(HandlersEditIsAConflict),
        }
    }

    pub(crate) fn receipts(&self) -> &Arc<Receipts> {
        &self.receipts
    }

    pub(crate) fn take(
        &self,
        ledger: &mut Ledger<'_>,
        edits: &[(RecordRef, Edit)],
    ) -> Result<Taken, StorageError> {
        let mut taken = Taken::default();
        for (name, edit) in edits {
            let before = ledger.record_to_replace(name)?;
            let stamp = self.stamper.stamp();
            let (after, enqueued) = enqueue(before.clone(), self.showing.meant(name, edit), stamp);
            ledger.put(name, &before, &after)?;
            if let Some(newest) = after.newest().filter(|_| self.by_the_handler) {
                self.showing.edited(name, newest.revision);
            }
            let name = name.clone();
            taken.receipts.push(match enqueued {
                Enqueued::Queued => self.receipts.issue(stamp.id, name, stamp.seq),
                Enqueued::Withdrawn => {
                    let under_way = after.flight.as_ref().map(|flight| flight.intention.revision);
                    if planted!(ReceiptBeforeTheCommit) {
                        self.receipts.take_back(&name, under_way, stamp.seq);
                    }
                    taken.withdrawn.push(Withdrawn { record: name.clone(), under_way, through: stamp.seq });
                    leaving(&self.receipts, stamp.id, name, &after)
                }
                Enqueued::AlreadyLeaving => leaving(&self.receipts, stamp.id, name, &after),
            });
        }
        Ok(taken)
    }
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
    pub(crate) async fn push(self: &Arc<Self>, edits: Vec<(RecordRef, Edit)>) -> Result<Vec<Receipt>, Error> {
        let intake = Intake::new(self);
        let taken = self.transact_together(move |ledger| intake.take(ledger, &edits)).await?;
        for withdrawn in taken.withdrawn {
            withdrawn.tell(&self.receipts);
        }
        Ok(taken.receipts)
    }
}
