//! What a pulled version does to a record.

use super::settle::accept;
use super::{Base, Dispute, Intention, Payload, Record, Rules, ServerCopy, Stamp, Write};

/// What a pulled version came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Rebased {
    /// No local edit waits: the server's state is what the record is now.
    Replaced,
    /// A local edit stays on top of what was pulled.
    Kept {
        /// The record as it looks locally; `None` when it is deleted here.
        local: Option<Payload>,
    },
    /// It is this device's own write coming back: the server has every edit up to this revision.
    Landed {
        /// The newest of them.
        revision: u64,
        /// The record as it looks locally.
        local: Option<Payload>,
    },
    /// Two sides changed the record: somebody has to decide, and [`resolve`](super::resolve) takes the answer. The
    /// record has not changed.
    Conflict(Box<Dispute>),
}

/// Applies a version that the server showed, without ever overwriting a local edit.
///
/// While the outcome of a flight is unknown, a version that is not its result may be older or newer than what the flight
/// wrote. The record is then marked as crossed and read anew when the outcome is known.
#[must_use]
pub fn rebase(mut record: Record, remote: ServerCopy, rules: &Rules, stamp: Stamp) -> (Record, Rebased) {
    if let Some(parked) = &mut record.parked {
        let local = parked.intention.write.payload().cloned();
        parked.see(remote, rules, stamp);
        return (record, Rebased::Kept { local });
    }
    if let Some(mut flight) = record.flight.take() {
        if remote.is_result_of(&flight.intention.write, record.base.as_ref(), rules) {
            let revision = flight.intention.revision;
            let version = remote.version().cloned();
            let (record, _) = accept(record, flight, version, remote.value().cloned(), rules);
            let local = match &record.queued {
                Some(queued) => queued.write.payload().cloned(),
                None => remote.value().cloned(),
            };
            return (record, Rebased::Landed { revision, local });
        }
        // Without a version, what looks like the base may be newer than what the flight has written. So may what looks like
        // the work of an earlier operation: somebody else may have done the same since, a deletion above all.
        let old = remote.version().is_some() && remote.is_base(record.base.as_ref(), rules);
        if !old && !planted!(CrossedIsForgotten) {
            flight.cross();
        }
        record.flight = Some(flight);
        let local = record.newest().and_then(|newest| newest.write.payload().cloned());
        return (record, Rebased::Kept { local });
    }
    let Some(queued) = record.queued.take() else {
        record.base = remote.to_base_after(record.base.as_ref(), rules);
        return (record, Rebased::Replaced);
    };
    if planted!(PullOverwritesTheEdit) {
        record.base = remote.to_base(rules);
        return (record, Rebased::Replaced);
    }
    on_queued(record, queued, remote, rules)
}

fn on_queued(mut record: Record, queued: Intention, remote: ServerCopy, rules: &Rules) -> (Record, Rebased) {
    if remote.is_result_of(&queued.write, record.base.as_ref(), rules) {
        record.base = remote.to_base(rules);
        record.blocked_on = None;
        return (record, Rebased::Landed { revision: queued.revision, local: remote.value().cloned() });
    }
    let known = remote.is_as_known(record.base.as_ref(), rules);
    if known || remote.is_echo(&queued, rules) {
        let write = match queued.write {
            // It is gone by this device's own doing.
            Write::Update(payload) | Write::Overwrite(payload) if !known && remote == ServerCopy::Deleted => {
                Write::Create(payload)
            }
            write => write,
        };
        let queued = Intention { write, ..queued };
        let queued = regrounded(queued, record.base.as_ref(), &remote, rules);
        let local = queued.write.payload().cloned();
        record.base = remote.to_base_after(record.base.as_ref(), rules);
        if planted!(RebaseForgetsTheBase) {
            record.base = record.base.map(|base| Base { value: None, ..base });
        }
        record.queued = Some(Intention { crossed: false, ..queued });
        return (record, Rebased::Kept { local });
    }
    let dispute = record.dispute(&queued, remote);
    record.queued = Some(queued);
    (record, Rebased::Conflict(Box::new(dispute)))
}

/// An update that was made on another value than the server has of the very version: an `upgrade`, or serde's default, has made something up for
/// a member that is new to the struct, or an answer has told no more than the version. What the update changed stays, and the rest is what
/// the server has.
fn regrounded(queued: Intention, base: Option<&Base>, remote: &ServerCopy, rules: &Rules) -> Intention {
    let Write::Update(local) = &queued.write else { return queued };
    let (Some(Base { version: Some(known), value: Some(before) }), ServerCopy::Present { version, value }) =
        (base, remote)
    else {
        return queued;
    };
    if version.as_ref() != Some(known) || value.same_content(before, rules) {
        return queued;
    }
    let merge =
        || rules.written(&value.with_changes(&rules.written(before)?, &rules.written(local)?, rules)?);
    let Some(merged) = merge() else { return queued };
    let references =
        rules.references.map_or_else(|| queued.references.clone(), |references| references(&merged));
    let mut regrounded = Intention { write: Write::Update(merged), references, ..queued.clone() };
    regrounded.leave(queued.references);
    regrounded
}
