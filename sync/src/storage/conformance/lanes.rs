//! What is next, and who waits for whom.

use std::collections::HashSet;
use std::ops::Range;

use chrono::{DateTime, TimeDelta, Utc};

use super::samples::{
    NOTE, TASK, at, blocked, flight, intention, known, names, note, operation, parked, ready, referring,
    task, waiting,
};
use super::{Opened, Subject};
use crate::record::{EntityName, Intention, Record, RecordRef};
use crate::storage::Counts;

const HOUR: TimeDelta = TimeDelta::hours(1);

fn put(opened: &Opened, records: Vec<(RecordRef, Record)>) {
    opened.run(move |tx| records.iter().try_for_each(|(name, record)| tx.put(name, record)));
}

fn sendable(opened: &Opened, now: DateTime<Utc>, limit: usize) -> Vec<String> {
    let found = opened.run(move |tx| tx.sendable(now, HOUR, limit, &HashSet::new()));
    names(&found).into_iter().map(ToOwned::to_owned).collect()
}

/// The lowest place in the outbox first, whatever the names, and only what can be sent.
pub fn ready_records_come_in_the_order_of_their_edits(subject: &Subject) {
    let opened = subject.open();
    put(
        &opened,
        vec![
            (note("a"), ready(30)),
            (task("b"), ready(4)),
            (note("c"), ready(100)),
            (note("idle"), known("1")),
            (note("parked"), parked(1)),
            (note("blocked"), blocked(2, &note("a"))),
        ],
    );
    assert_eq!(sendable(&opened, at(0), 10), ["b", "a", "c"]);
    assert_eq!(sendable(&opened, at(0), 2), ["b", "a"]);
    assert_eq!(sendable(&opened, at(0), 0), [""; 0]);
    let found = opened.run(|tx| tx.sendable(at(0), HOUR, 1, &HashSet::new()));
    assert_eq!(found, [(task("b"), ready(4))]);
}

/// What is under way already is in nobody's way.
pub fn excepted_records_are_left_out(subject: &Subject) {
    let opened = subject.open();
    put(
        &opened,
        vec![
            (note("a"), waiting(1, at(0))),
            (note("b"), waiting(2, at(0))),
            (note("c"), waiting(3, at(0))),
            (note("d"), ready(4)),
            (note("e"), ready(5)),
            (task("a"), ready(6)),
        ],
    );
    let except = HashSet::from([note("a"), note("b"), note("d"), note("unknown")]);
    for (limit, expected) in [(10, &["c", "e", "a"][..]), (2, &["c", "e"]), (1, &["c"]), (0, &[])] {
        let except = except.clone();
        let found = opened.run(move |tx| tx.sendable(at(0), HOUR, limit, &except));
        assert_eq!(names(&found), expected);
    }
    let except = HashSet::from([note("d")]);
    let found = opened.run(move |tx| tx.sendable(at(0), HOUR, 0, &except));
    assert!(found.is_empty(), "none are wanted");
}

/// By due time, to the nanosecond, and before those that are ready.
pub fn waiting_records_come_when_their_time_has(subject: &Subject) {
    let opened = subject.open();
    let postponed = Intention { not_before: Some(at(10)), ..intention(2) };
    put(
        &opened,
        vec![
            (note("ready"), ready(1)),
            (note("late"), waiting(3, at(30))),
            (note("early"), waiting(9, at(20))),
            (note("postponed"), Record { queued: Some(postponed), ..Record::default() }),
        ],
    );
    assert_eq!(sendable(&opened, at(0), 10), ["ready"]);
    assert_eq!(sendable(&opened, at(20) - TimeDelta::nanoseconds(1), 10), ["postponed", "ready"]);
    assert_eq!(sendable(&opened, at(20), 10), ["postponed", "early", "ready"]);
    assert_eq!(sendable(&opened, at(31), 10), ["postponed", "early", "late", "ready"]);
}

/// No retry waits longer than the horizon, so a later time was written by a clock that has since been set back.
pub fn a_time_beyond_the_horizon_counts_as_come(subject: &Subject) {
    let opened = subject.open();
    let horizon = at(0) + HOUR;
    put(
        &opened,
        vec![
            (note("within"), waiting(1, horizon)),
            (note("beyond"), waiting(2, horizon + TimeDelta::nanoseconds(1))),
            (note("far"), waiting(3, horizon + TimeDelta::days(4000))),
            (note("never"), waiting(4, DateTime::<Utc>::MAX_UTC)),
            (note("past"), waiting(5, at(-1))),
            (note("always"), waiting(6, DateTime::<Utc>::MIN_UTC)),
            (note("ready"), ready(0)),
        ],
    );
    assert_eq!(sendable(&opened, at(0), 10), ["always", "past", "beyond", "far", "never", "ready"]);
    let found = opened.run(|tx| tx.sendable(at(0), TimeDelta::MAX, 10, &HashSet::new()));
    assert_eq!(names(&found), ["always", "past", "ready"], "with no horizon, a time is a time");
}

/// A limit counts all that is returned, and each record is returned once.
pub fn the_limit_holds_over_both_lanes(subject: &Subject) {
    let opened = subject.open();
    let mut records = Vec::new();
    for number in 1..=50 {
        records.push((note(&format!("r{number}")), ready(number)));
        records.push((note(&format!("w{number}")), waiting(number + 100, at(-60))));
    }
    put(&opened, records);
    for limit in [1, 49, 50, 51, 99, 100, 101, usize::MAX] {
        let mut found = sendable(&opened, at(0), limit);
        assert_eq!(found.len(), limit.min(100));
        assert_eq!(found.iter().filter(|name| name.starts_with('w')).count(), limit.min(50));
        found.sort();
        found.dedup();
        assert_eq!(found.len(), limit.min(100), "no record twice");
    }
}

/// Only records that wait have a due time.
pub fn the_next_due_time_is_the_earliest(subject: &Subject) {
    let opened = subject.open();
    assert_eq!(opened.run(|tx| tx.next_due()), None);
    put(
        &opened,
        vec![(note("a"), waiting(1, at(30))), (note("b"), waiting(2, at(20))), (note("c"), ready(3))],
    );
    assert_eq!(opened.run(|tx| tx.next_due()), Some(at(20)));
    let held = Record { blocked_on: Some(note("c")), ..waiting(2, at(20)) };
    put(&opened, vec![(note("b"), held)]);
    assert_eq!(opened.run(|tx| tx.next_due()), Some(at(30)));
    put(&opened, vec![(note("a"), known("1"))]);
    assert_eq!(opened.run(|tx| tx.next_due()), None);
}

/// Parked records wait for the user, and blocked ones for others: only those are left out that are parked.
pub fn the_oldest_that_waits_is_found_behind_those_that_are_parked(subject: &Subject) {
    let opened = subject.open();
    let oldest = |except: &[RecordRef]| {
        let except: HashSet<_> = except.iter().cloned().collect();
        let found = opened.run(move |tx| tx.oldest_waiting(&except));
        found.map(|(name, _)| name)
    };
    put(&opened, vec![(note("parked"), parked(1)), (task("parked"), parked(2)), (note("idle"), known("1"))]);
    assert_eq!(oldest(&[]), None);
    put(&opened, vec![(note("ready"), ready(9)), (task("ready"), ready(8))]);
    assert_eq!(oldest(&[]), Some(task("ready")));
    put(&opened, vec![(note("waiting"), waiting(5, at(30))), (note("late"), waiting(6, at(20)))]);
    assert_eq!(oldest(&[]), Some(note("waiting")), "the due time does not matter");
    put(&opened, vec![(task("blocked"), blocked(3, &note("ready")))]);
    assert_eq!(oldest(&[]), Some(task("blocked")));
    assert_eq!(oldest(&[task("blocked"), note("waiting"), note("unknown")]), Some(note("late")));
    let found = opened.run(|tx| tx.oldest_waiting(&HashSet::new()));
    assert_eq!(found, Some((task("blocked"), blocked(3, &note("ready")))));
}

/// Releasing frees exactly those that waited for that record, with their places kept.
pub fn blocked_records_come_once_they_are_released(subject: &Subject) {
    let opened = subject.open();
    put(
        &opened,
        vec![
            (task("1"), blocked(1, &note("parent"))),
            (task("2"), blocked(2, &note("other"))),
            (task("3"), blocked(3, &note("parent"))),
            (task("4"), blocked(4, &task("parent"))),
        ],
    );
    assert_eq!(sendable(&opened, at(0), 10), [""; 0]);
    assert_eq!(opened.run(|tx| tx.release(&note("parent"))), 2);
    assert_eq!(sendable(&opened, at(0), 10), ["1", "3"]);
    assert_eq!(opened.run(|tx| tx.record(&task("1"))), Some(ready(1)));
    assert_eq!(opened.run(|tx| tx.release(&note("parent"))), 0);
    assert_eq!(opened.run(|tx| tx.release(&note("nobody"))), 0);
}

/// What was blocked while it waited goes back to waiting.
pub fn a_released_record_still_waits_for_its_time(subject: &Subject) {
    let opened = subject.open();
    let on = Some(note("parent"));
    let postponed = Intention { not_before: Some(at(40)), ..intention(2) };
    put(
        &opened,
        vec![
            (task("flight"), Record { blocked_on: on.clone(), ..waiting(1, at(50)) }),
            (task("postponed"), Record { blocked_on: on, queued: Some(postponed), ..Record::default() }),
        ],
    );
    assert_eq!(opened.run(|tx| tx.next_due()), None);
    assert_eq!(sendable(&opened, at(60), 10), [""; 0]);
    assert_eq!(opened.run(|tx| tx.release(&note("parent"))), 2);
    assert_eq!(opened.run(|tx| tx.next_due()), Some(at(40)));
    assert_eq!(sendable(&opened, at(45), 10), ["postponed"]);
    assert_eq!(sendable(&opened, at(60), 10), ["postponed", "flight"]);
}

/// Every lane but the idle one, by place in the outbox, of one entity or all, in pages without gaps.
pub fn pending_records_are_listed_in_pages(subject: &Subject) {
    let opened = subject.open();
    put(
        &opened,
        vec![
            (note("5"), ready(5)),
            (task("4"), waiting(4, at(0))),
            (note("3"), parked(3)),
            (task("2"), blocked(2, &note("5"))),
            (note("1"), ready(1)),
            (note("idle"), known("1")),
        ],
    );
    let page = |entity: Option<EntityName>, after, limit| {
        let found = opened.run(move |tx| tx.pending(entity.as_ref(), after, limit, &HashSet::new()));
        names(&found).concat()
    };
    assert_eq!(page(None, None, 10), "12345");
    assert_eq!(page(None, None, 2), "12");
    assert_eq!(page(None, Some(2), 2), "34");
    assert_eq!(page(None, Some(4), 2), "5");
    assert_eq!(page(None, Some(5), 2), "");
    assert_eq!(page(Some(NOTE), None, 2), "13");
    assert_eq!(page(Some(NOTE), Some(3), 2), "5");
    assert_eq!(page(Some(TASK), None, 10), "24");
    assert_eq!(page(Some(EntityName::new("None")), None, 10), "");
    let except = HashSet::from([note("1"), task("4")]);
    let found = opened.run(move |tx| tx.pending(None, None, 2, &except));
    assert_eq!(names(&found).concat(), "23");
}

/// Only what waits for the user.
pub fn parked_records_are_listed_in_pages(subject: &Subject) {
    let opened = subject.open();
    let mut records = vec![(note("ready"), ready(1)), (task("waiting"), waiting(2, at(0)))];
    for (key, seq) in [("c", 7), ("a", 3), ("b", 5)] {
        records.push((note(key), parked(seq)));
        records.push((task(key), parked(seq + 1)));
    }
    put(&opened, records);
    let page = |entity: Option<EntityName>, after, limit| {
        let found = opened.run(move |tx| tx.parked(entity.as_ref(), after, limit, &HashSet::new()));
        names(&found).concat()
    };
    assert_eq!(page(None, None, 10), "aabbcc");
    assert_eq!(page(None, Some(4), 3), "bbc");
    assert_eq!(page(Some(NOTE), None, 2), "ab");
    assert_eq!(page(Some(NOTE), Some(5), 2), "c");
    assert_eq!(page(Some(TASK), Some(8), 2), "");
    let except = HashSet::from([note("a"), note("b")]);
    let found = opened.run(move |tx| tx.parked(Some(&NOTE), None, 2, &except));
    assert_eq!(names(&found).concat(), "c");
}

/// By the id of the parked operation, and no other.
pub fn a_parked_record_is_found_by_its_operation(subject: &Subject) {
    let opened = subject.open();
    put(&opened, vec![(note("a"), parked(1)), (note("b"), parked(2)), (note("c"), ready(3))]);
    assert_eq!(opened.run(|tx| tx.parked_by_id(operation(2))), Some((note("b"), parked(2))));
    assert_eq!(opened.run(|tx| tx.parked_by_id(operation(3))), None, "it is queued, not parked");
    put(&opened, vec![(note("b"), ready(4))]);
    assert_eq!(opened.run(|tx| tx.parked_by_id(operation(2))), None);
}

/// Whichever list it is found by, with the state that the server has beside the edit.
pub fn a_listed_record_is_whole(subject: &Subject) {
    let opened = subject.open();
    let based = |record| Record { base: known("1").base, ..record };
    let waiting = (note("waiting"), based(waiting(1, at(0))));
    let ready = (task("ready"), based(ready(2)));
    let blocked = (note("blocked"), based(blocked(3, &ready.0)));
    let parked = (note("parked"), based(parked(4)));
    let all = vec![waiting, ready, blocked, parked];
    put(&opened, all.clone());
    opened.run(move |tx| {
        let none = HashSet::new();
        assert_eq!(tx.pending(None, None, 9, &none)?, all);
        assert_eq!(tx.sendable(at(0), HOUR, 9, &none)?, all[..2]);
        assert_eq!(tx.oldest_waiting(&none)?.as_ref(), all.first());
        assert_eq!(tx.parked(None, None, 9, &none)?, all[3..]);
        assert_eq!(tx.parked_by_id(operation(4))?.as_ref(), all.last());
        Ok(())
    });
}

/// A record that refers to the parent, or did before what waits, and has its place before the given one; in flight or queued.
pub fn an_earlier_child_is_found(subject: &Subject) {
    let opened = subject.open();
    let parent = note("parent");
    put(
        &opened,
        vec![
            (task("queued"), referring(8, &[&note("other"), &parent])),
            (task("flying"), Record { queued: Some(intention(9)), ..flying(5, &parent) }),
            (parent.clone(), referring(1, &[&parent])),
        ],
    );
    let child = |before| opened.run(move |tx| tx.earlier_child(&note("parent"), 0..before));
    assert_eq!(child(5), None, "5 is not before 5, and a record does not wait for itself");
    assert_eq!(child(6), Some((5, task("flying"))));
    put(&opened, vec![(task("flying"), known("1"))]);
    assert_eq!(child(8), None);
    assert_eq!(child(9), Some((8, task("queued"))));
    assert_eq!(child(u64::MAX), Some((8, task("queued"))));
    assert_eq!(opened.run(|tx| tx.earlier_child(&task("parent"), 0..100)), None, "another entity");
    let leaving = Intention { leaves: vec![task("parent")], ..intention(10) };
    put(&opened, vec![(task("leaving"), Record { queued: Some(leaving), ..Record::default() })]);
    let found = opened.run(|tx| tx.earlier_child(&task("parent"), 0..100));
    assert_eq!(found, Some((10, task("leaving"))));
}

/// By their places, of whatever entity: whoever passes one over goes on behind it.
pub fn earlier_children_are_found_one_after_the_other(subject: &Subject) {
    let opened = subject.open();
    let parent = note("parent");
    let again = referring(7, &[&parent]).queued;
    put(
        &opened,
        vec![
            (task("b"), Record { queued: again, ..flying(4, &parent) }),
            (note("a"), referring(6, &[&parent])),
            (task("c"), referring(3, &[&parent])),
        ],
    );
    let child = |places: Range<u64>| opened.run(move |tx| tx.earlier_child(&note("parent"), places));
    assert_eq!(child(0..100), Some((3, task("c"))));
    assert_eq!(child(4..100), Some((4, task("b"))));
    assert_eq!(child(5..100), Some((6, note("a"))));
    assert_eq!(child(7..100), Some((7, task("b"))), "with its next operation");
    assert_eq!(child(8..100), None);
    assert_eq!(child(4..5), Some((4, task("b"))));
    assert_eq!(child(5..6), None);
    assert_eq!(child(4..4), None);
}

fn flying(seq: u64, parent: &RecordRef) -> Record {
    let referring = Intention { references: vec![parent.clone()], ..intention(seq) };
    Record { flight: Some(flight(referring)), ..Record::default() }
}

/// Parked operations, and those that refer to something else by now, hold nobody up.
pub fn a_child_that_waits_no_longer_is_not_found(subject: &Subject) {
    let opened = subject.open();
    let parent = note("parent");
    let mut refused = parked(1);
    if let Some(parked) = &mut refused.parked {
        parked.intention.references = vec![parent.clone()];
    }
    put(&opened, vec![(task("parked"), refused), (task("moved"), referring(2, &[&parent]))]);
    put(&opened, vec![(task("moved"), referring(3, &[&note("other")]))]);
    put(&opened, vec![(task("gone"), referring(4, &[&parent]))]);
    put(&opened, vec![(task("gone"), Record::default())]);
    assert_eq!(opened.run(|tx| tx.earlier_child(&note("parent"), 0..100)), None);
    assert_eq!(opened.run(|tx| tx.earlier_child(&note("other"), 0..100)), Some((3, task("moved"))));
}

/// What was blocked and was released still refers to what it referred to.
pub fn a_released_child_is_still_found(subject: &Subject) {
    let opened = subject.open();
    let (parent, other) = (note("parent"), note("other"));
    let child = Record { blocked_on: Some(other.clone()), ..referring(1, &[&parent]) };
    put(&opened, vec![(task("child"), child)]);
    let find = || opened.run(|tx| tx.earlier_child(&note("parent"), 0..100));
    assert_eq!(find(), Some((1, task("child"))));
    assert_eq!(opened.run(move |tx| tx.release(&other)), 1);
    assert_eq!(find(), Some((1, task("child"))), "after it was released");
}

/// Counts are right after each change of lane.
pub fn counts_follow_every_change(subject: &Subject) {
    let opened = subject.open();
    let counts = |entity: EntityName| {
        let all = opened.run(|tx| tx.counts());
        let found = all.iter().find(|(name, _)| *name == entity).map(|(_, counts)| *counts);
        let Counts { waiting, parked } = found.unwrap_or_default();
        (waiting, parked)
    };
    assert_eq!(counts(NOTE), (0, 0));
    let steps = [
        (ready(1), (1, 0)),
        (ready(1), (1, 0)),
        (waiting(1, at(0)), (1, 0)),
        (blocked(1, &note("b")), (1, 0)),
        (parked(1), (0, 1)),
        (ready(2), (1, 0)),
        (known("1"), (0, 0)),
        (parked(3), (0, 1)),
        (Record::default(), (0, 0)),
        (ready(4), (1, 0)),
        (Record::default(), (0, 0)),
    ];
    put(&opened, vec![(task("x"), ready(50)), (task("y"), parked(51))]);
    for (number, (record, expected)) in steps.into_iter().enumerate() {
        put(&opened, vec![(note("a"), record)]);
        assert_eq!(counts(NOTE), expected, "after step {number}");
        assert_eq!(counts(TASK), (1, 1), "after step {number}");
    }
    put(&opened, vec![(note("a"), blocked(5, &note("b")))]);
    opened.run(|tx| tx.release(&note("b")));
    assert_eq!(counts(NOTE), (1, 0), "released records still wait");
}
