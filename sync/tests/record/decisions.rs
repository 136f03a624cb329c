//! What somebody's decision does to a row: the strategy's about a conflict, the user's about a parked operation.

use sync::record::{
    Decision, Dispute, Flight, GivenUp, Intention, ParkReason, Parked, Record, Resolved, Sent, ServerCopy,
    Version, Write, discard, reinstate, resolve, supersede,
};

use crate::rows::{
    FORGETS, KEEPS, aside, at, based, create, flight, flying, id, intention, name, overwrite, parked,
    present, queued, refused, stamp, update,
};
use crate::server::payload;

/// The conflict between the newest edit of a record and what the server has.
fn about(record: &Record, remote: ServerCopy) -> Dispute {
    let newest = record.newest().unwrap();
    Dispute {
        base: record.base.as_ref().and_then(|base| base.value.clone()),
        local: newest.write.payload().cloned(),
        remote,
        revision: newest.revision,
    }
}

fn edited(write: Write) -> Record {
    let sent = flight(1, update(1));
    let edit = Intention {
        echoes: vec![None],
        crossed: true,
        references: vec![name("parent")],
        ..intention(2, write)
    };
    Record { base: based(Some("1"), Some(3)), queued: Some(edit), ..flying(sent) }
}

fn decide(record: &Record, remote: &ServerCopy, decision: Decision) -> (Record, Resolved) {
    resolve(record.clone(), &about(record, remote.clone()), decision, &KEEPS, stamp(9))
}

#[test]
fn the_servers_side_stands_where_somebody_says_so() {
    let gone = ServerCopy::Deleted;
    let theirs = present(Some("7"), 5);
    let known = Record { base: based(Some("7"), Some(5)), ..Record::default() };
    let cases = [
        (edited(update(2)), &theirs, Decision::TakeRemote, known),
        (edited(update(2)), &gone, Decision::TakeRemote, Record::default()),
        // What both sides deleted needs no request.
        (edited(update(2)), &gone, Decision::Delete, Record::default()),
        (edited(Write::Delete), &gone, Decision::KeepLocal, Record::default()),
    ];
    for (record, remote, decision, expected) in cases {
        let resolved = decide(&record, remote, decision);
        assert_eq!(resolved, (expected, Resolved::TookRemote { revision: 2 }), "{record:?}");
    }
}

#[test]
fn what_wins_against_the_server_is_sent_on_top_of_what_it_has() {
    let gone = ServerCopy::Deleted;
    let theirs = present(Some("7"), 5);
    let merged = || Decision::Merged(payload(8), vec![name("other parent")]);
    let cases = [
        (update(2), &theirs, Decision::KeepLocal, overwrite(2)),
        (create(2), &theirs, Decision::KeepLocal, overwrite(2)),
        (overwrite(2), &theirs, Decision::KeepLocal, overwrite(2)),
        (update(2), &gone, Decision::KeepLocal, create(2)),
        (Write::Delete, &theirs, Decision::KeepLocal, Write::Delete),
        (update(2), &theirs, Decision::Delete, Write::Delete),
        (update(2), &theirs, merged(), overwrite(8)),
        (Write::Delete, &theirs, merged(), overwrite(8)),
        (update(2), &gone, merged(), create(8)),
    ];
    for (write, remote, decision, expected) in cases {
        let (references, decided) = match &decision {
            Decision::Merged(..) => (vec![name("other parent")], Some(9)),
            Decision::Delete => (Vec::new(), Some(9)),
            _ => (vec![name("parent")], None),
        };
        let (after, resolved) = decide(&edited(write), remote, decision);
        assert_eq!(resolved, Resolved::Sending { local: expected_local(&expected) });
        let sent = Intention { id: id(9), rounds: 1, references, decided, ..intention(2, expected) };
        let base = if *remote == gone { None } else { based(Some("7"), Some(5)) };
        assert_eq!(after, Record { base, ..queued(sent) });
    }
}

fn expected_local(write: &Write) -> Option<sync::record::Payload> {
    write.payload().cloned()
}

#[test]
fn a_conflict_that_is_left_to_the_user_is_kept_with_both_sides() {
    let record = edited(update(2));
    let (after, resolved) = decide(&record, &present(Some("7"), 5), Decision::Defer);
    assert_eq!(resolved, Resolved::Deferred);
    let left = Parked {
        intention: Intention { id: id(9), ..record.queued.unwrap() },
        if_match: Some(Version::new("1")),
        frozen: None,
        reason: ParkReason::Deferred { remote: present(Some("7"), 5) },
        since: at(100),
        sent: Sent::NotTaken,
    };
    assert_eq!(after, Record { base: based(Some("1"), Some(3)), ..aside(left) });
}

#[test]
fn a_decision_about_an_older_edit_is_void() {
    let record = edited(update(2));
    let asked = Dispute { local: Some(payload(1)), revision: 1, ..about(&record, present(Some("7"), 5)) };
    let (after, resolved) = resolve(record.clone(), &asked, Decision::TakeRemote, &KEEPS, stamp(9));
    assert_eq!(after, record);
    assert_eq!(resolved, Resolved::Stale(Box::new(about(&record, present(Some("7"), 5)))));

    let settled = Record { base: based(Some("7"), None), ..Record::default() };
    let (after, resolved) = resolve(settled.clone(), &asked, Decision::KeepLocal, &KEEPS, stamp(9));
    assert_eq!((after, resolved), (settled, Resolved::Nothing));
}

#[test]
fn a_parked_operation_is_sent_again_as_it_was() {
    let again = |parked: Parked| reinstate(aside(parked));
    let not_taken = Flight { sent: Sent::NotTaken, ..flight(1, update(1)) };
    let sent = Flight { if_match: Some(Version::new("1")), ..not_taken };
    assert_eq!(again(parked(1, update(1), refused())), flying(sent.clone()));
    let seen = ParkReason::Exhausted { attempts: 4, last: "500".into(), seen: Some(present(None, 5)) };
    let mut crossed = Flight { sent: Sent::InDoubt, ..sent };
    crossed.intention.crossed = true;
    let exhausted = Parked { sent: Sent::InDoubt, ..parked(1, update(1), seen) };
    assert_eq!(again(exhausted), flying(crossed), "it may have got through");
    for (sent, echoes) in [(Sent::NotTaken, Vec::new()), (Sent::InDoubt, vec![Some(payload(1))])] {
        let mut before = Parked { sent, ..parked(1, update(1), refused()) };
        before.intention.crossed = true;
        let looked_for = Intention { crossed: true, echoes, ..intention(1, update(1)) };
        assert_eq!(again(before), queued(looked_for), "what the server has is looked at first");
    }
    let waiting = queued(intention(1, update(1)));
    assert_eq!(reinstate(waiting.clone()), waiting);
}

#[test]
fn what_is_given_up_leaves_what_the_server_is_known_to_have() {
    let known = |base| Record { base, blocked_on: Some(name("parent")), ..queued(intention(1, update(1))) };
    let left = |base| Record { base, ..Record::default() };
    let cases = [
        (known(None), None, GivenUp::Known(ServerCopy::Deleted)),
        (known(based(Some("1"), Some(3))), based(Some("1"), Some(3)), GivenUp::Known(present(Some("1"), 3))),
        (known(based(None, Some(3))), based(None, Some(3)), GivenUp::Known(present(None, 3))),
        (known(based(Some("1"), None)), based(Some("1"), None), GivenUp::Unknown),
    ];
    for (record, base, given_up) in cases {
        assert_eq!(discard(record, &FORGETS), (left(base), given_up));
    }
    let seen = |copy| {
        let mut one = parked(1, update(1), ParkReason::Deferred { remote: copy });
        one.intention.crossed = true;
        Record { base: based(Some("1"), None), ..aside(one) }
    };
    let theirs = GivenUp::Known(present(Some("7"), 5));
    assert_eq!(discard(seen(present(Some("7"), 5)), &FORGETS), (left(based(Some("7"), None)), theirs));
    let gone = GivenUp::Known(ServerCopy::Deleted);
    assert_eq!(discard(seen(ServerCopy::Deleted), &FORGETS), (left(None), gone));
}

#[test]
fn what_is_given_up_and_may_have_got_through_has_to_be_asked_for() {
    let echoing = Intention { echoes: vec![None], ..intention(2, update(2)) };
    let before = GivenUp::InDoubt(present(Some("1"), 3));
    for (sent, of_a_flight, of_a_parked_one) in [
        (Sent::NotTaken, GivenUp::Known(present(Some("1"), 3)), GivenUp::Known(present(Some("1"), 3))),
        (Sent::UnderWay, before.clone(), before.clone()),
        (Sent::InDoubt, before.clone(), before.clone()),
    ] {
        let flight = Flight { sent, ..flight(1, update(1)) };
        let parked = Parked { sent, ..parked(1, update(1), refused()) };
        for (record, expected) in [
            (flying(flight.clone()), &of_a_flight),
            (Record { queued: Some(intention(2, update(2))), ..flying(flight) }, &of_a_flight),
            (aside(parked), &of_a_parked_one),
            (queued(echoing.clone()), &before),
        ] {
            let record = Record { base: based(Some("1"), Some(3)), ..record };
            assert_eq!(discard(record, &KEEPS).1, *expected);
        }
    }
    let created = discard(flying(flight(1, create(1))), &KEEPS);
    assert_eq!(created, (Record::default(), GivenUp::InDoubt(ServerCopy::Deleted)));
}

#[test]
fn what_waits_behind_an_operation_that_is_given_up_knows_what_that_may_have_left() {
    for (sent, echoes) in [
        (Sent::NotTaken, Vec::new()),
        (Sent::UnderWay, vec![Some(payload(1))]),
        (Sent::InDoubt, vec![Some(payload(1))]),
    ] {
        let sent = Flight { sent, ..flight(1, create(1)) };
        let record = Record { queued: Some(intention(2, update(2))), ..flying(sent.clone()) };
        assert_eq!(supersede(record), queued(Intention { echoes, ..intention(2, create(2)) }));
        assert_eq!(supersede(flying(sent.clone())), flying(sent), "nothing waits behind it");
    }
    let alone = queued(intention(2, update(2)));
    assert_eq!(supersede(alone.clone()), alone);
}

#[test]
fn what_crossed_an_edit_that_is_given_up_has_to_be_asked_for() {
    let crossed = |number, write| Intention { crossed: true, ..intention(number, write) };
    let base = || based(Some("1"), Some(3));
    let sent = Flight { intention: crossed(1, update(1)), ..flight(1, update(1)) };
    let mut aside_one = parked(1, update(1), refused());
    aside_one.intention.crossed = true;
    let records = [
        Record { base: base(), ..queued(crossed(1, update(1))) },
        Record { base: base(), ..flying(sent.clone()) },
        Record { base: base(), queued: Some(intention(2, update(2))), ..flying(sent) },
        Record { base: base(), ..aside(aside_one) },
    ];
    for record in records {
        let left = Record { base: base(), ..Record::default() };
        assert_eq!(discard(record, &KEEPS), (left, GivenUp::Unknown));
    }
}
