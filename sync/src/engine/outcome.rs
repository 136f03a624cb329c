//! From what an attempt brought to the row.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::task::yield_now;

use super::claim::Claimed;
use super::core::Core;
use super::ledger::Ledger;
use super::port::{EntityPort, Shown};
use super::reconcile::{Consequence, Known, Rounds, Step, Surroundings, answered};
use super::sweep;
use super::to_its_end::ToItsEnd;
use crate::record::{Outcome, RecordRef, ServerCopy};
use crate::report::SyncReport;
use crate::storage::StorageError;

/// What an attempt brought, and what goes with it into the row.
pub(super) struct Observed {
    pub(super) outcome: Outcome,
    /// The record as it was right after the answer, where it had to be asked for.
    pub(super) fetched: Option<ServerCopy>,
}

/// Writes the row, after everybody who has a say was asked and everybody who has to know was told.
pub(super) async fn write_down(
    core: &Arc<Core>,
    port: &Arc<dyn EntityPort>,
    claimed: &Claimed,
    observed: Observed,
    report: &mut SyncReport,
) -> Result<(), StorageError> {
    let mut known = Known::default();
    let observed = Arc::new(observed);
    let mut turn = None;
    let mut rounds = Rounds::default();
    loop {
        let step = commit(core, port, claimed, Arc::clone(&observed), known.clone()).await?;
        // What is missing is found out anew once nobody else calls the user's code.
        let turn = match (&step, &turn) {
            (Written::Missing(_), None) => {
                let mine = core.turn().await;
                mine.is_about(claimed.name.clone());
                turn = Some(mine);
                continue;
            }
            (_, turn) => turn,
        };
        let asked = match (step, turn) {
            (Written::Done(consequence), _) => {
                core.publish(&claimed.name, consequence, report);
                return Ok(());
            }
            (Written::Missing(Step::Decide(dispute)), Some(turn)) => {
                let decided = turn.decide(port, &claimed.name, &dispute, &known).await;
                // The record has changed since the handler was told of it, if it was: it is told anew.
                decided.map(|decision| known = Known { decision: Some((*dispute, decision)), shown: None })
            }
            (Written::Missing(Step::Show(shown, copy)), Some(turn)) => {
                let told = turn.call(port.tell(&claimed.name.key, &copy, &shown)).await;
                let told = match (told, &shown) {
                    // The edit that the handler would be told of stays as it is, and so does what the application shows of it.
                    (Err(error), Shown::Local(_)) if error.is_about_what_is_stored() => {
                        core.fail(report, error.into());
                        Ok(())
                    }
                    (told, _) => told,
                };
                told.map(|()| known.shown = Some(shown))
            }
            (Written::Missing(_), _) => Ok(()),
        };
        if let Err(error) = asked.and_then(|()| rounds.another(|| claimed.name.clone())) {
            // It costs no attempt, so nothing counts how often that was.
            let until = core.retry_patiently_at(claimed.flight.attempts.saturating_add(1));
            core.fail(report, error.into());
            return put_off(core, &claimed.name, until).await;
        }
    }
}

enum Written {
    Done(Consequence),
    Missing(Step),
}

async fn commit(
    core: &Arc<Core>,
    port: &Arc<dyn EntityPort>,
    claimed: &Claimed,
    observed: Arc<Observed>,
    known: Known,
) -> Result<Written, StorageError> {
    let (name, operation) = (claimed.name.clone(), claimed.flight.intention.id);
    let rules = port.rules().of_an_answer();
    let stamper = core.stamper();
    let work = move |ledger: &mut Ledger<'_>| {
        let record = ledger.record(&name)?;
        let Some(flight) = record.flight.as_ref().filter(|flight| flight.intention.id == operation) else {
            return Ok(Written::Done(Consequence::default()));
        };
        let accepted = matches!(observed.outcome, Outcome::Accepted { .. });
        let is_unknown = accepted && flight.intention.crossed && observed.fetched.is_none();
        let around = Surroundings { rules: &rules, stamp: stamper.stamp() };
        Ok(match answered(record.clone(), &observed.outcome, observed.fetched.as_ref(), &known, around) {
            Step::Write(after, consequence) => {
                ledger.put(&name, &record, &after)?;
                if is_unknown {
                    // What was pulled beside it was not kept, and the server does not tell of one record alone.
                    sweep::pull_anew(ledger, &name.entity)?;
                }
                Written::Done(consequence)
            }
            missing => Written::Missing(missing),
        })
    };
    let engine = Arc::clone(core);
    // It is written down whoever stops waiting. Answers that have come at the same time share a transaction.
    ToItsEnd::new(core, async move {
        yield_now().await;
        engine.transact_together(work).await
    })
    .await
}

/// The user's code did not answer: the operation is sent again later, which the idempotency key makes harmless.
pub(super) async fn put_off(core: &Core, name: &RecordRef, until: DateTime<Utc>) -> Result<(), StorageError> {
    let name = name.clone();
    core.transact(move |ledger| {
        let before = ledger.record(&name)?;
        let mut after = before.clone();
        if let Some(flight) = &mut after.flight {
            flight.due = Some(until);
        }
        ledger.put(&name, &before, &after)
    })
    .await
}
