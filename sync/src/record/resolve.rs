//! What the answer to a conflict does to a record.

use super::settle::retarget;
use super::{
    Intention, ParkReason, Parked, Payload, Record, RecordRef, Rules, Sent, ServerCopy, Stamp, Write,
};

/// A conflict that somebody has to decide.
#[derive(Debug, Clone, PartialEq)]
pub struct Dispute {
    /// The common ancestor, where the strategy keeps it.
    pub base: Option<Payload>,
    /// The local side; `None` when it was deleted here.
    pub local: Option<Payload>,
    /// The server's side.
    pub remote: ServerCopy,
    /// The newest local edit that `local` shows. A later one makes the decision void.
    pub revision: u64,
}

impl Record {
    /// The conflict between one of the record's intentions and what the server has.
    pub(crate) fn dispute(&self, intention: &Intention, remote: ServerCopy) -> Dispute {
        Dispute {
            base: self
                .base
                .as_ref()
                .and_then(|base| base.value.clone())
                .filter(|_| !planted!(ConflictWithoutBase)),
            local: intention.write.payload().cloned(),
            remote,
            revision: intention.revision,
        }
    }
}

/// How a conflict is decided.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// The server's side stands; the local edits are given up.
    TakeRemote,
    /// The local side is sent over the server's.
    KeepLocal,
    /// A third value takes the place of both.
    Merged(Payload, Vec<RecordRef>),
    /// The record goes, on both sides.
    Delete,
    /// The user is to decide.
    Defer,
}

/// What a decision came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Resolved {
    /// The server's side stands. The app is to be shown it.
    TookRemote {
        /// The local edits up to this revision were given up.
        revision: u64,
    },
    /// Something is to be sent, in the same sync. The app is to be shown it.
    Sending {
        /// The record as it is to look locally; `None` when it is to go.
        local: Option<Payload>,
    },
    /// It waits for the user.
    Deferred,
    /// An edit was made meanwhile: this is the conflict to decide now. The record has not changed.
    Stale(Box<Dispute>),
    /// There was nothing to decide any more.
    Nothing,
}

/// Applies a decision.
#[must_use]
pub fn resolve(
    mut record: Record,
    dispute: &Dispute,
    decision: Decision,
    rules: &Rules,
    stamp: Stamp,
) -> (Record, Resolved) {
    let Some(newest) = record.newest() else {
        return (record, Resolved::Nothing);
    };
    if newest.revision != dispute.revision && !planted!(DecisionOnAnOldEdit) {
        let dispute =
            Dispute { local: newest.write.payload().cloned(), revision: newest.revision, ..dispute.clone() };
        return (record, Resolved::Stale(Box::new(dispute)));
    }
    let intention = newest.clone();
    let remote = &dispute.remote;
    if decision == Decision::Defer {
        let if_match = record.base.as_ref().and_then(|base| base.version.clone());
        let reason = ParkReason::Deferred { remote: remote.clone() };
        let base = record.base.take();
        // What the server has instead was seen.
        let sent = Sent::NotTaken;
        // It names these two sides: the user's answer to an earlier conflict of the operation is none to this.
        let intention = Intention { id: stamp.id, ..intention };
        let parked = Some(Parked { intention, if_match, frozen: None, reason, since: stamp.now, sent });
        return (Record { base, parked, ..Record::default() }, Resolved::Deferred);
    }
    record = Record::default();
    let decided =
        |write, references| Intention { write, references, decided: Some(stamp.seq), ..intention.clone() };
    let intention = match decision {
        Decision::TakeRemote => return take_remote(record, &intention, remote, rules),
        Decision::Delete if *remote == ServerCopy::Deleted => {
            return take_remote(record, &intention, remote, rules);
        }
        Decision::KeepLocal if intention.write == Write::Delete && *remote == ServerCopy::Deleted => {
            return take_remote(record, &intention, remote, rules);
        }
        Decision::KeepLocal | Decision::Defer => {
            let write = match intention.write.clone() {
                Write::Create(payload) | Write::Update(payload) => Write::Overwrite(payload),
                other => other,
            };
            Intention { write, ..intention }
        }
        Decision::Delete => decided(Write::Delete, Vec::new()),
        Decision::Merged(payload, references) => decided(Write::Overwrite(payload), references),
    };
    send(record, intention, remote, rules, stamp)
}

fn take_remote(
    mut record: Record,
    intention: &Intention,
    remote: &ServerCopy,
    rules: &Rules,
) -> (Record, Resolved) {
    record.base = remote.to_base(rules);
    (record, Resolved::TookRemote { revision: intention.revision })
}

fn send(
    record: Record,
    intention: Intention,
    remote: &ServerCopy,
    rules: &Rules,
    stamp: Stamp,
) -> (Record, Resolved) {
    let local = intention.write.payload().cloned();
    let intention = Intention { echoes: Vec::new(), ..intention };
    (retarget(record, intention, remote, rules, stamp), Resolved::Sending { local })
}
