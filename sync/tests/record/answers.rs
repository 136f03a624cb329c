//! What an answer of the server does to a row.

use sync::record::{
    Dispute, Failure, Flight, Intention, Outcome, ParkReason, Parked, Record, Refusal, Sent, ServerCopy,
    Settled, Version, Write, settle,
};

use crate::rows::{
    FORGETS, KEEPS, aside, at, based, create, flight, flying, id, intention, name, overwrite, parked,
    present, queued, refused, stamp, update,
};
use crate::server::payload;

fn accepted(version: Option<&str>, copy: Option<u32>) -> Outcome {
    Outcome::Accepted { version: version.map(Version::new), copy: copy.map(payload) }
}

fn conflict(remote: ServerCopy) -> Outcome {
    Outcome::Conflict { remote }
}

pub fn refusal() -> Outcome {
    Outcome::Refused { refusal: Refusal { status: 422, problem: None }, not_taken: true }
}

#[test]
fn an_acknowledged_write_is_the_base_of_the_newer_edit() {
    let record = Record {
        queued: Some(intention(2, update(2))),
        blocked_on: Some(name("parent")),
        ..flying(flight(1, create(1)))
    };
    let waiting = queued(intention(2, update(2)));
    let cases = [
        (accepted(Some("7"), None), KEEPS, based(Some("7"), Some(1))),
        (accepted(Some("7"), Some(5)), KEEPS, based(Some("7"), Some(5))),
        (accepted(Some("7"), None), FORGETS, based(Some("7"), None)),
        (accepted(None, None), FORGETS, based(None, Some(1))),
    ];
    for (outcome, rules, base) in cases {
        let (after, settled) = settle(record.clone(), outcome, &rules, stamp(9));
        assert_eq!(after, Record { base, ..waiting.clone() });
        assert_eq!(settled, Settled::Through { revision: 1 });
    }
    let gone = Record { base: based(Some("1"), None), ..flying(flight(1, Write::Delete)) };
    let (after, settled) = settle(gone, accepted(None, None), &KEEPS, stamp(9));
    assert_eq!((after, settled), (Record::default(), Settled::Through { revision: 1 }));
}

#[test]
fn an_answer_to_nothing_changes_nothing() {
    for record in [queued(intention(1, update(1))), aside(parked(1, update(1), refused()))] {
        let (after, settled) = settle(record.clone(), accepted(None, None), &KEEPS, stamp(9));
        assert_eq!((after, settled), (record, Settled::Nothing));
    }
}

#[test]
fn a_conflict_with_what_was_sent_is_the_acknowledgement_that_got_lost() {
    let (after, settled) =
        settle(flying(flight(1, update(1))), conflict(present(Some("7"), 1)), &KEEPS, stamp(9));
    let known = Record { base: based(Some("7"), Some(1)), ..Record::default() };
    assert_eq!((after, settled), (known, Settled::Through { revision: 1 }));
    let gone = Record { base: based(Some("1"), None), ..flying(flight(1, Write::Delete)) };
    let (after, settled) = settle(gone, conflict(ServerCopy::Deleted), &KEEPS, stamp(9));
    assert_eq!((after, settled), (Record::default(), Settled::Through { revision: 1 }));
}

#[test]
fn somebody_elses_version_is_a_conflict_about_the_newest_edit_and_changes_nothing_yet() {
    let alone = Record { base: based(Some("1"), Some(5)), ..flying(flight(1, update(1))) };
    let edited = Record { queued: Some(intention(2, update(2))), ..alone.clone() };
    let deleted = Record { queued: Some(intention(2, Write::Delete)), ..alone.clone() };
    for (record, local, revision) in [(alone, Some(1), 1), (edited, Some(2), 2), (deleted, None, 2)] {
        let (after, settled) = settle(record.clone(), conflict(present(Some("7"), 6)), &KEEPS, stamp(9));
        let dispute = Dispute {
            base: Some(payload(5)),
            local: local.map(payload),
            remote: present(Some("7"), 6),
            revision,
        };
        assert_eq!((after, settled), (record, Settled::Conflict(Box::new(dispute))));
    }
    // That the server has nothing, as was known, is no reason to refuse an update: somebody decides.
    let unknown = flying(flight(1, update(1)));
    let (after, settled) = settle(unknown.clone(), conflict(ServerCopy::Deleted), &KEEPS, stamp(9));
    assert_eq!(after, unknown);
    assert!(matches!(settled, Settled::Conflict(_)));
}

#[test]
fn that_the_server_has_what_the_newest_edit_asks_for_is_no_conflict() {
    let known = Record { base: based(Some("1"), Some(5)), ..flying(flight(1, update(1))) };
    for (write, remote, base) in [
        (update(2), present(Some("7"), 2), based(Some("7"), Some(2))),
        (Write::Delete, ServerCopy::Deleted, None),
    ] {
        let record = Record { queued: Some(intention(2, write)), ..known.clone() };
        let (after, settled) = settle(record, conflict(remote), &KEEPS, stamp(9));
        assert_eq!(after, Record { base, ..Record::default() });
        assert_eq!(settled, Settled::Agreed { revision: 2 });
    }
}

#[test]
fn what_this_device_left_before_is_no_conflict_and_the_edit_is_sent_again_on_top_of_it() {
    let mut echoing = flight(1, update(1));
    echoing.intention.echoes = vec![Some(payload(4)), None];
    echoing.intention.crossed = true;
    let cases = [
        (flying(echoing.clone()), present(Some("7"), 4), update(1)),
        (flying(echoing.clone()), ServerCopy::Deleted, create(1)),
        (flying(flight(1, overwrite(1))), ServerCopy::Deleted, create(1)),
        (
            Record { base: based(Some("7"), None), ..flying(flight(1, create(1))) },
            present(Some("7"), 5),
            overwrite(1),
        ),
        (
            Record { base: based(None, Some(5)), ..flying(flight(1, overwrite(1))) },
            present(None, 5),
            overwrite(1),
        ),
        // Another version of the same.
        (
            Record { base: based(Some("6"), Some(5)), ..flying(flight(1, update(1))) },
            present(Some("7"), 5),
            update(1),
        ),
        (
            Record { base: based(None, Some(5)), ..flying(flight(1, Write::Delete)) },
            present(None, 5),
            Write::Delete,
        ),
    ];
    for (record, remote, write) in cases {
        let before = record.flight.clone().unwrap().intention;
        let (after, settled) = settle(record, conflict(remote.clone()), &KEEPS, stamp(9));
        assert_eq!(settled, Settled::Retargeted);
        let again = Intention { id: id(9), write, rounds: 1, crossed: false, ..before };
        let base = remote.value().and_then(|value| {
            based(remote.version().map(Version::as_str), Some(crate::server::value(value)))
        });
        assert_eq!(after, Record { base, ..queued(again) });
    }
    let strangers = [
        (flying(echoing), present(Some("7"), 5)),
        (Record { base: based(Some("6"), Some(4)), ..flying(flight(1, update(1))) }, present(Some("7"), 5)),
        (Record { base: based(Some("6"), None), ..flying(flight(1, update(1))) }, present(Some("7"), 5)),
        (Record { base: based(None, Some(4)), ..flying(flight(1, update(1))) }, present(None, 5)),
        (Record { base: based(None, Some(4)), ..flying(flight(1, update(1))) }, ServerCopy::Deleted),
    ];
    for (record, remote) in strangers {
        let (_, settled) = settle(record, conflict(remote), &KEEPS, stamp(9));
        assert!(matches!(settled, Settled::Conflict(_)));
    }
}

#[test]
fn a_newer_edit_takes_the_place_of_an_operation_that_did_not_get_through() {
    let record = Record {
        base: based(None, Some(5)),
        queued: Some(Intention { echoes: vec![None], ..intention(2, update(2)) }),
        ..flying(flight(1, update(1)))
    };
    let (after, settled) = settle(record, conflict(present(None, 5)), &KEEPS, stamp(9));
    assert_eq!(settled, Settled::Retargeted);
    let covered =
        Intention { id: id(9), rounds: 1, echoes: vec![Some(payload(5))], ..intention(2, update(2)) };
    assert_eq!(after, Record { base: based(None, Some(5)), ..queued(covered) });
}

#[test]
fn a_newer_edit_of_what_was_to_be_written_over_writes_over_it() {
    let record = Record {
        base: based(None, Some(5)),
        queued: Some(intention(2, update(2))),
        ..flying(flight(1, overwrite(1)))
    };
    let (after, settled) = settle(record, conflict(present(None, 5)), &KEEPS, stamp(9));
    assert_eq!(settled, Settled::Retargeted);
    assert_eq!(after.queued.unwrap().write, overwrite(2));
}

#[test]
fn a_server_that_never_stops_to_conflict_is_given_time() {
    let again = |rounds| {
        let mut flight = flight(1, update(1));
        flight.intention.rounds = rounds;
        let record = Record { base: based(None, Some(5)), ..flying(flight) };
        let (after, _) = settle(record, conflict(present(None, 5)), &KEEPS, stamp(9));
        let queued = after.queued.unwrap();
        (queued.rounds, queued.not_before)
    };
    assert_eq!(again(1), (2, None));
    assert_eq!(again(2), (0, Some(at(900))));
}

#[test]
fn a_failure_that_may_pass_puts_the_operation_off() {
    let sent = Flight { attempts: 1, ..flight(1, update(1)) };
    let until = at(70);
    for (before, not_taken, after) in [
        (Sent::UnderWay, true, Sent::NotTaken),
        (Sent::UnderWay, false, Sent::InDoubt),
        (Sent::InDoubt, true, Sent::InDoubt),
        (Sent::InDoubt, false, Sent::InDoubt),
    ] {
        let before = flying(Flight { sent: before, ..sent.clone() });
        let postponed = Outcome::Failed { failure: Failure::Postponed { until }, not_taken };
        let again = flying(Flight { due: Some(until), sent: after, ..sent.clone() });
        assert_eq!(settle(before, postponed, &KEEPS, stamp(9)), (again, Settled::Retry { until }));
    }

    let counted = |limit| {
        let failure = Failure::Counted { until, limit, reason: "status 500".into() };
        Outcome::Failed { failure, not_taken: false }
    };
    let (after, settled) = settle(flying(sent.clone()), counted(3), &KEEPS, stamp(9));
    let twice = Flight { attempts: 2, due: Some(until), sent: Sent::InDoubt, ..sent.clone() };
    assert_eq!((after, settled), (flying(twice), Settled::Retry { until }));

    let (after, settled) = settle(flying(sent.clone()), counted(2), &KEEPS, stamp(9));
    let reason = ParkReason::Exhausted { attempts: 2, last: "status 500".into(), seen: None };
    let (since, Flight { intention, if_match, frozen, .. }) = (at(100), sent);
    let given_up = Parked { intention, if_match, frozen, reason, since, sent: Sent::InDoubt };
    assert_eq!((after, settled), (aside(given_up), Settled::Parked));
}

#[test]
fn what_the_server_refuses_waits_for_the_user_and_the_record_stays_known() {
    let sent = Flight { if_match: Some(Version::new("1")), ..flight(1, update(1)) };
    let record = Record { base: based(Some("1"), Some(5)), blocked_on: Some(name("parent")), ..flying(sent) };
    let (after, settled) = settle(record, refusal(), &KEEPS, stamp(9));
    let expected = Parked { since: at(100), ..parked(1, update(1), refused()) };
    assert_eq!(after, Record { base: based(Some("1"), Some(5)), ..aside(expected) });
    assert_eq!(settled, Settled::Parked);
    let sent_twice = Flight { sent: Sent::InDoubt, ..flight(1, update(1)) };
    let (after, _) = settle(flying(sent_twice), refusal(), &KEEPS, stamp(9));
    assert_eq!(after.parked.unwrap().sent, Sent::InDoubt, "it may have been taken the first time");
    let question = Outcome::Refused { refusal: Refusal { status: 405, problem: None }, not_taken: false };
    let (after, _) = settle(flying(flight(1, update(1))), question, &KEEPS, stamp(9));
    assert_eq!(after.parked.unwrap().sent, Sent::InDoubt, "what is refused is a question about it");
}

#[test]
fn a_newer_edit_takes_the_place_of_a_refused_one_and_stands_alone() {
    let known = || based(Some("1"), None);
    let cases = [
        (None, create(1), update(2), create(2)),
        (None, update(1), update(2), update(2)),
        (known(), update(1), update(2), update(2)),
        (known(), overwrite(1), update(2), overwrite(2)),
        (None, update(1), create(2), create(2)),
        (known(), update(1), create(2), overwrite(2)),
        (known(), update(1), overwrite(2), overwrite(2)),
        (None, update(1), Write::Delete, Write::Delete),
    ];
    for (base, refused, write, expected) in cases {
        let left = refused.payload().cloned();
        for (sent, echoes) in [(Sent::UnderWay, Vec::new()), (Sent::InDoubt, vec![left])] {
            let record = Record {
                base: base.clone(),
                queued: Some(intention(2, write.clone())),
                blocked_on: Some(name("parent")),
                ..flying(Flight { sent, ..flight(1, refused.clone()) })
            };
            let (after, settled) = settle(record, refusal(), &KEEPS, stamp(9));
            let alone = queued(Intention { echoes, ..intention(2, expected.clone()) });
            assert_eq!((after, settled), (Record { base: base.clone(), ..alone }, Settled::Superseded));
        }
    }
    for (flew, waited) in [(false, false), (true, false), (false, true)] {
        let mut sent = flight(1, update(1));
        sent.intention.crossed = flew;
        let waiting = Intention { crossed: waited, ..intention(2, update(2)) };
        let (after, _) =
            settle(Record { queued: Some(waiting), ..flying(sent) }, refusal(), &KEEPS, stamp(9));
        assert_eq!(after.queued.unwrap().crossed, flew || waited);
    }
}
