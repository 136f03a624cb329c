//! Which operations are sent next: freezes them on disk, and holds back what must wait for others.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};

use super::held;
use super::ledger::{Ledger, readable};
use crate::record::{Base, EntityName, Flight, Next, Record, RecordKey, RecordRef, Write, launch, next};
use crate::storage::{StorageError, Transaction};

/// How many windows of the outbox one transaction looks at: the bound of its length.
const WINDOWS: usize = 64;

/// An operation that is frozen on disk and may be sent.
#[derive(Debug, Clone)]
pub(crate) struct Claimed {
    pub(crate) name: RecordRef,
    pub(crate) flight: Flight,
    /// What the server was known to have by then.
    pub(crate) base: Option<Base>,
    /// How often edits had been given up by then.
    pub(crate) given_up: u64,
}

/// What a claim came to.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    pub(crate) claimed: Vec<Claimed>,
    /// The transaction was cut short: there may be more right now.
    pub(crate) more: bool,
    /// Rows that cannot be read, and so cannot be sent.
    pub(crate) damaged: Vec<StorageError>,
}

/// Which operations may be claimed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// So many at most.
    pub(crate) want: usize,
    /// What is due later waits.
    pub(crate) due_by: DateTime<Utc>,
    /// What is due later than so long after that counts as due.
    pub(crate) horizon: TimeDelta,
    /// What took its place in the outbox after this edit waits.
    pub(crate) newest_edit: u64,
}

/// Freezes operations, none of a record that is under way already.
pub(crate) fn claim(
    ledger: &mut Ledger<'_>,
    known: &HashSet<&'static str>,
    mut under_way: HashSet<RecordRef>,
    given_up: &AtomicU64,
    bounds: Bounds,
) -> Result<Claims, StorageError> {
    let Bounds { want, due_by, horizon, newest_edit } = bounds;
    let given_up = given_up.load(Ordering::Relaxed);
    let mut claims = Claims::default();
    if planted!(SentTwiceAtOnce) {
        under_way.clear();
    }
    for _ in 0..WINDOWS {
        let missing = want - claims.claimed.len();
        if missing == 0 {
            return Ok(claims);
        }
        let window = ledger.sendable(due_by, horizon, missing, &mut under_way)?;
        claims.damaged.extend(window.damaged);
        let mut moved = false;
        for (name, record) in window.records {
            let later = record.lane().seq().is_some_and(|seq| seq > newest_edit);
            if later || !matches!(next(&record, due_by, horizon), Next::Send(_)) {
                continue;
            }
            moved = true;
            // What waited for a later version of the program is sent as that writes it.
            let record = match ledger.entities().upgraded(&name, record) {
                Err(damaged) if damaged.damaged().is_some() => {
                    under_way.insert(name);
                    claims.damaged.push(damaged);
                    continue;
                }
                upgraded => upgraded?,
            };
            let after = match hold(ledger, known, &name, &record)? {
                Some(blocker) => Record { blocked_on: Some(blocker), ..record.clone() },
                None => launch(record.clone(), &ledger.entities().rules(&name.entity)),
            };
            if !planted!(NotFrozenBeforeSending) {
                ledger.put(&name, &record, &after)?;
            }
            if let (None, Some(flight)) = (&after.blocked_on, after.flight) {
                under_way.insert(name.clone());
                claims.claimed.push(Claimed { name, flight, base: after.base, given_up });
            }
        }
        if !moved {
            return Ok(claims);
        }
    }
    claims.more = true;
    Ok(claims)
}

/// What waits for an entity that the schema does not list is blocked on this record, which does not exist.
pub(crate) fn unlisted(entity: &EntityName) -> Option<RecordRef> {
    RecordKey::new("(not in the schema)").ok().map(|key| RecordRef::new(entity.clone(), key))
}

/// The record that has to get through before this one, if any.
fn hold(
    ledger: &mut Ledger<'_>,
    known: &HashSet<&'static str>,
    name: &RecordRef,
    record: &Record,
) -> Result<Option<RecordRef>, StorageError> {
    if !known.contains(name.entity.as_str()) {
        return Ok(unlisted(&name.entity));
    }
    if let Some(everything) = held::blocks(ledger, name, record)? {
        return Ok(Some(everything));
    }
    let Some(intention) = record.oldest_waiting() else { return Ok(None) };
    // What an earlier version of the program referred to, and this one does not, holds nobody back.
    let referred =
        ledger.entities().port(name.entity.as_str()).map_or(&[][..], |port| port.info().references);
    if planted!(ChildBeforeItsParent) {
        return Ok(None);
    }
    let holds = |parent: &&RecordRef| *parent != name && referred.contains(&parent.entity.as_str());
    for parent in intention.references.iter().filter(holds) {
        // Of a parent whose row cannot be read it is not known whether it is on the server. The row is looked at as it stands: for
        // that, what is in it need not be brought up to date.
        let row = readable(ledger.tx.record(parent))?;
        let admitted = row.is_some_and(|row| row.unwrap_or_default().admits_children());
        if !admitted && !leads_back(ledger.tx, parent, name)? {
            return Ok(Some(parent.clone()));
        }
    }
    // Whoever refers to a record that is to come back waits for that, and so is not waited for: such a circle would be
    // opened at either end, and at the wrong one the child is sent while its parent is not there.
    if intention.write == Write::Delete && record.admits_children() && ledger.is_linked(&name.entity) {
        // Earlier than the deletion, which may have its place from an edit before it.
        let deleted = if planted!(DeletionGoesByItsPlace) { intention.seq } else { intention.meant_at() };
        return earlier_child(ledger.tx, name, deleted);
    }
    Ok(None)
}

/// The first child with an operation earlier than its parent's deletion that does not wait for this itself.
fn earlier_child(
    tx: &mut dyn Transaction,
    parent: &RecordRef,
    deleted: u64,
) -> Result<Option<RecordRef>, StorageError> {
    let mut places = 0..deleted;
    while let Some((place, child)) = tx.earlier_child(parent, places.clone())? {
        if !leads_back(tx, &child, parent)? {
            return Ok(Some(child));
        }
        places.start = place + 1;
    }
    Ok(None)
}

/// Whether a record is blocked, by however many steps, on `target`: then waiting for it would never end.
fn leads_back(tx: &mut dyn Transaction, from: &RecordRef, target: &RecordRef) -> Result<bool, StorageError> {
    let mut visited = HashSet::new();
    let mut current = from.clone();
    while visited.insert(current.clone()) {
        match readable(tx.record(&current))?.flatten().and_then(|record| record.blocked_on) {
            Some(blocker) if blocker == *target => return Ok(true),
            Some(blocker) => current = blocker,
            None => return Ok(false),
        }
    }
    Ok(false)
}
