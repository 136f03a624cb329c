//! What a new edit does to a record: coalescing.

use super::{Intention, Parked, Payload, Record, RecordRef, Stamp, Write};

/// A local edit, before it has a place in the outbox.
#[derive(Debug, Clone, PartialEq)]
pub enum Edit {
    /// Create or update, whichever the record's state asks for.
    Save(Payload, Vec<RecordRef>),
    /// Create, whatever is known of the record.
    Create(Payload, Vec<RecordRef>),
    /// Update, whatever is known of the record.
    Update(Payload, Vec<RecordRef>),
    /// Delete; takes back what was never sent, and adds nothing to a deletion that is under way.
    Delete,
    /// Delete, whatever is known of the record: the user may have been shown that the server has it.
    DeleteAnyway,
}

/// What an edit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// It waits to be sent.
    Queued,
    /// It deletes what was never sent, so that both are done.
    Withdrawn,
    /// It deletes what is being deleted already.
    AlreadyLeaving,
}

/// Takes a local edit into a record.
///
/// What is waiting and was never sent is replaced: the server ends up with what sending every edit one by one would
/// have given. A flight is left alone. A parked operation makes way for the corrected record. A creation and a
/// deletion cancel each other only when the creation was never sent, and the user was not shown what the server has.
#[must_use]
pub fn enqueue(mut record: Record, edit: Edit, stamp: Stamp) -> (Record, Enqueued) {
    let parked = record.parked.take();
    // References may have changed: whether the record is blocked is found out anew when it is its turn.
    record.blocked_on = None;
    let waiting = record.queued.take();
    let (write, references) = match edit {
        Edit::Delete => {
            let never_sent = record.base.is_none() && record.flight.is_none() && parked.is_none();
            let taken_back = match &waiting {
                Some(Intention { write: Write::Create(_), echoes, crossed: false, .. })
                    if echoes.is_empty() =>
                {
                    never_sent || leaves(&record)
                }
                _ => false,
            };
            if taken_back || (planted!(CreateAndDeleteAlwaysVanish) && record.base.is_none()) {
                return (record, Enqueued::Withdrawn);
            }
            if waiting.is_none() && leaves(&record) {
                return (record, Enqueued::AlreadyLeaving);
            }
            (Write::Delete, Vec::new())
        }
        Edit::DeleteAnyway => (Write::Delete, Vec::new()),
        Edit::Save(payload, references) => {
            (saving(&record, waiting.as_ref(), parked.as_ref(), payload), references)
        }
        Edit::Create(payload, references) => match &waiting {
            Some(waiting) => (saving(&record, Some(waiting), None, payload), references),
            None => (Write::Create(payload), references),
        },
        Edit::Update(payload, references) => match &waiting {
            Some(waiting) => (saving(&record, Some(waiting), None, payload), references),
            None => (Write::Update(payload), references),
        },
    };
    if planted!(EditReplacesTheFlight) {
        record.flight = None;
    }
    let crossed = waiting.as_ref().is_some_and(|waiting| waiting.crossed)
        || parked.as_ref().is_some_and(|parked| parked.intention.crossed || parked.reason.seen().is_some());
    // What may be on the server, or come there before it.
    let flight = record.flight.as_ref().map(|flight| &flight.intention);
    let sent = flight.into_iter().chain(parked.as_ref().map(|parked| &parked.intention));
    // And what the edit that it replaces leaves. That one never went out, but for what an operation before it may have left.
    let meant = waiting.iter().flat_map(|waiting| &waiting.leaves);
    let came = waiting.iter().filter(|waiting| !waiting.echoes.is_empty()).flat_map(|one| &one.references);
    let left: Vec<_> = sent.flat_map(Intention::parents).chain(meant).chain(came).cloned().collect();
    // An operation that gave up without an answer, or was refused after an attempt without one, may have got through.
    let echoes = match (&waiting, parked) {
        (Some(waiting), _) => waiting.echoes.clone(),
        (None, Some(parked)) => parked.intention.may_have_left(parked.sent),
        (None, None) => Vec::new(),
    };
    let mut queued = Intention {
        id: stamp.id,
        seq: waiting.as_ref().map_or(stamp.seq, |waiting| waiting.seq),
        revision: stamp.seq,
        decided: None,
        made_at: waiting.as_ref().map_or(stamp.now, |waiting| waiting.made_at),
        write,
        references,
        leaves: Vec::new(),
        not_before: waiting.as_ref().and_then(|waiting| waiting.not_before),
        rounds: waiting.as_ref().map_or(0, |waiting| waiting.rounds),
        echoes,
        crossed,
    };
    queued.leave(left);
    record.queued = Some(queued);
    (record, Enqueued::Queued)
}

/// Whether the operation under way deletes the record.
fn leaves(record: &Record) -> bool {
    record.flight.as_ref().is_some_and(|flight| flight.intention.write == Write::Delete)
}

/// How a record is to be saved, given what waits already, what is under way and what the server has.
fn saving(
    record: &Record,
    waiting: Option<&Intention>,
    corrected: Option<&Parked>,
    payload: Payload,
) -> Write {
    match waiting.map(|waiting| &waiting.write) {
        Some(Write::Create(_)) => Write::Create(payload),
        Some(Write::Update(_)) => Write::Update(payload),
        Some(Write::Delete) if leaves(record) => Write::Create(payload),
        // Deleted and made again before the deletion was sent: what was there must not shine through.
        Some(Write::Overwrite(_) | Write::Delete) => Write::Overwrite(payload),
        None => match &record.flight {
            Some(_) if leaves(record) => Write::Create(payload),
            Some(_) => Write::Update(payload),
            None => match (corrected.map(|parked| &parked.intention.write), record.base.is_some()) {
                // What was there must not shine through, still.
                (Some(Write::Overwrite(_)), true) => Write::Overwrite(payload),
                // The user has said that it is there.
                (Some(Write::Update(_)), false) | (_, true) => Write::Update(payload),
                (_, false) => Write::Create(payload),
            },
        },
    }
}
