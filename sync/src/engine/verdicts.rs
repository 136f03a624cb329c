//! What the user decides about edits that wait: to give them up, or how a conflict ends.
//!
//! The application is told of it first, and the row is written after that, as everywhere. What it does meanwhile is set right. All of it
//! takes a turn as a handler: it is called from outside of those, and runs by itself ([`by_itself`](super::to_its_end::by_itself)).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::core::Core;
use super::ledger::Ledger;
use super::outbox::{BATCH, Walk};
use super::outdated;
use super::port::{EntityPort, Shown};
use super::receipt::Fate;
use super::reconcile::{Consequence, Known, Rounds, Step, Surroundings, apply};
use super::showing::Showing;
use super::turn::Turn;
use crate::error::Error;
use crate::record::{
    Base, Decision, Dispute, GivenUp, Intention, OperationId, ParkReason, Record, RecordRef, Rules,
    ServerCopy, Stamp, Write, discard, resolve, supersede,
};
use crate::report::SyncReport;
use crate::storage::StorageError;

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

/// What became of giving a record's edits up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GivingUp {
    /// Those up to this one are.
    Done { revision: u64 },
    /// Those up to this one are, and the handler has made an edit of what it was told of that.
    BuiltOn { revision: u64 },
    /// A newer edit has taken their place before.
    TooLate,
}

/// An edit that the handler makes of what the user's decision about a record has it told.
struct HandlersEdit {
    name: RecordRef,
    /// What is decided about.
    which: GivenUpEdits,
    /// What the server was known to have when the handler was told.
    base: Option<Base>,
    told: ServerCopy,
    rules: Rules,
    showing: Arc<Showing>,
    stamp: Stamp,
}

impl HandlersEdit {
    /// Has it stand on what the handler was told, if it was made: there is nothing to decide between the two. Answers whether it was.
    fn stand(&self, ledger: &mut Ledger<'_>, before: &Record) -> Result<bool, StorageError> {
        let is_the_handlers = |edit: &&Intention| self.showing.is_edited(&self.name, edit.revision);
        let under_way = before.flight.as_ref().map(|flight| &flight.intention);
        // An answer that has come meanwhile is what the edit was made on then.
        let is_as_it_was =
            before.base == self.base && under_way.is_none_or(|under_way| self.which.is(under_way));
        let stands = supersede(before.clone());
        let edit = stands.queued.as_ref().filter(is_the_handlers).filter(|_| is_as_it_was);
        let Some(edit) = edit else { return Ok(false) };
        // What it was told is gone need not be deleted: that comes to nothing by itself.
        let needs_nothing = edit.write == Write::Delete && self.told == ServerCopy::Deleted;
        let after = if needs_nothing {
            stands.clone()
        } else {
            let dispute = stands.dispute(edit, self.told.clone());
            let (mut after, _) =
                resolve(stands.clone(), &dispute, Decision::KeepLocal, &self.rules, self.stamp);
            if let Some(queued) = &mut after.queued {
                // What was given up may have got through all the same.
                queued.echoes.clone_from(&edit.echoes);
            }
            after
        };
        ledger.put(&self.name, before, &after)?;
        Ok(true)
    }
}
impl Core {
    /// Gives a parked operation up. Where the server's state is known, the app is told to show that.
    pub(crate) async fn discard(&self, id: OperationId) -> Result<(), Error> {
        let found = self.transact::<_, Error, _>(move |ledger| Ok(ledger.tx.parked_by_id(id)?)).await?;
        let (name, _) = found.ok_or(Error::NotParked(id))?;
        if self.give_up(name, GivenUpEdits::Of(id)).await? { Ok(()) } else { Err(Error::NotParked(id)) }
    }

    /// Gives every operation up that waits or is parked by now. Answers how many records there were. Fails for a row that cannot be
    /// read once all others were seen to.
    pub(crate) async fn clear_queue(&self) -> Result<u64, Error> {
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

    /// Gives a record's edits up, unless a newer one was made meanwhile; answers whether it did. The app is told first what the server
    /// had; where it may have something else by now, it is asked for at the next pull.
    async fn give_up(&self, name: RecordRef, which: GivenUpEdits) -> Result<bool, Error> {
        let port = self.port(name.entity.as_str());
        let rules = port.map(|port| port.rules()).unwrap_or_default().of_an_answer();
        let turn = self.turn().await;
        turn.is_about(name.clone());
        let record = name.clone();
        let now = self.transact::<_, Error, _>(move |ledger| Ok(ledger.record_to_replace(&record)?)).await?;
        let Some(up_to) = now.newest().filter(|newest| which.is(newest)).map(|newest| newest.revision) else {
            return Ok(false);
        };
        let base = now.base.clone();
        let (_, known) = discard(now, &rules);
        let mut ask = !matches!(known, GivenUp::Known(_));
        let told = match (port, &known) {
            (Some(port), GivenUp::Known(copy) | GivenUp::InDoubt(copy)) => {
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
        let of_the_handler =
            told.as_ref().map(|(_, copy)| self.what_the_handler_made_of(&name, which, base, copy, rules));
        let became = self
            .transact::<_, Error, _>(move |ledger| {
                let before = ledger.record_to_replace(&record)?;
                count.fetch_add(1, Ordering::Relaxed);
                // An edit that was made meanwhile is none of those that are given up.
                let Some(newest) = before.newest().filter(|newest| which.is(newest)) else {
                    let is_built_on = of_the_handler.map_or(Ok(false), |edit| edit.stand(ledger, &before))?;
                    return Ok(if is_built_on {
                        GivingUp::BuiltOn { revision: up_to }
                    } else {
                        GivingUp::TooLate
                    });
                };
                let revision = newest.revision;
                let (after, _) = discard(before.clone(), &rules);
                ledger.put(&record, &before, &after)?;
                if ask && !planted!(DiscardedIsNotAskedFor) {
                    outdated::note(ledger, &record)?;
                }
                Ok(GivingUp::Done { revision })
            })
            .await?;
        if let GivingUp::Done { revision } | GivingUp::BuiltOn { revision } = became {
            self.receipts.tell(&name, revision, Fate::TakenBack);
            self.forgive(&name);
        }
        if let (GivingUp::BuiltOn { .. } | GivingUp::TooLate, Some((port, copy))) = (became, told) {
            self.set_right(&turn, port, &name, copy).await?;
        }
        Ok(became != GivingUp::TooLate)
    }

    /// The edit that the handler makes of a record as it is being told of it, if it does.
    fn what_the_handler_made_of(
        &self,
        name: &RecordRef,
        which: GivenUpEdits,
        base: Option<Base>,
        told: &ServerCopy,
        rules: Rules,
    ) -> HandlersEdit {
        let (showing, stamp) = (Arc::clone(&self.showing), self.stamper().stamp());
        HandlersEdit { name: name.clone(), which, base, told: told.clone(), rules, showing, stamp }
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
        let turn = self.turn().await;
        let found = self.transact::<_, Error, _>(move |ledger| Ok(ledger.tx.parked_by_id(id)?)).await?;
        let (name, Record { base, .. }) = found.ok_or(Error::NotParked(id))?;
        turn.is_about(name);
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
                    let which = GivenUpEdits::Of(id);
                    let edit = self.what_the_handler_made_of(&name, which, base, &copy, rules);
                    let is_built_on = self
                        .transact::<_, Error, _>(move |ledger| {
                            let before = ledger.record_to_replace(&edit.name)?;
                            Ok(edit.stand(ledger, &before)?)
                        })
                        .await?;
                    self.set_right(&turn, port, &name, &copy).await?;
                    return if is_built_on { Ok(()) } else { Err(error) };
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
