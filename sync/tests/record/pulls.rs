//! What a pulled version does to a row.

use sync::record::{
    Base, Dispute, Flight, Intention, ParkReason, Parked, Payload, Rebased, Record, RecordRef, Rules,
    ServerCopy, Version, Write,
};

use crate::rows::{
    FORGETS, KEEPS, aside, based, create, flight, flying, id, intention, name, overwrite, parked, present,
    queued, refused, stamp, update,
};
use crate::server::payload;

fn rebase(record: Record, remote: ServerCopy, rules: &Rules) -> (Record, Rebased) {
    sync::record::rebase(record, remote, rules, stamp(9))
}

#[test]
fn without_a_local_edit_the_servers_state_is_what_the_record_is() {
    let known = Record { base: based(Some("1"), Some(1)), ..Record::default() };
    let cases = [
        (present(Some("7"), 5), KEEPS, based(Some("7"), Some(5))),
        (present(Some("7"), 5), FORGETS, based(Some("7"), None)),
        (present(None, 5), FORGETS, based(None, Some(5))),
        (ServerCopy::Deleted, KEEPS, None),
    ];
    for (copy, rules, base) in cases {
        let replaced = Record { base, ..Record::default() };
        assert_eq!(rebase(known.clone(), copy, &rules), (replaced, Rebased::Replaced));
    }
}

#[test]
fn an_edit_that_waits_for_the_user_is_kept_and_the_newest_state_noted_beside_it() {
    let exhausted =
        ParkReason::Exhausted { attempts: 4, last: "500".into(), seen: Some(ServerCopy::Deleted) };
    let deferred = ParkReason::Deferred { remote: present(None, 3) };
    for reason in [refused(), exhausted, deferred] {
        let record = Record { base: based(None, Some(3)), ..aside(parked(1, update(1), reason)) };
        let (after, rebased) = rebase(record.clone(), present(Some("7"), 5), &KEEPS);
        assert_eq!(rebased, Rebased::Kept { local: Some(payload(1)) });
        assert_eq!(after.base, record.base, "what the user sees is made on the former base");
        let (after, before) = (after.parked.unwrap(), record.parked.unwrap());
        let is_deferred = matches!(before.reason, ParkReason::Deferred { .. });
        let id = if is_deferred { id(9) } else { before.intention.id };
        assert_eq!(after.intention, Intention { id, ..before.intention });
        assert_eq!(after.reason.seen(), Some(&present(Some("7"), 5)));
    }
}

#[test]
fn a_conflict_that_waits_for_the_user_is_another_one_with_another_state_of_the_server() {
    let theirs = || present(Some("7"), 5);
    let cases = [
        (theirs(), theirs(), false),
        (theirs(), present(Some("8"), 5), false),
        (theirs(), present(None, 5), false),
        (ServerCopy::Deleted, ServerCopy::Deleted, false),
        (theirs(), present(Some("8"), 6), true),
        (theirs(), present(None, 6), true),
        (present(None, 5), present(None, 6), true),
        (theirs(), ServerCopy::Deleted, true),
        (ServerCopy::Deleted, theirs(), true),
    ];
    for (looked_at, remote, is_another) in cases {
        for rules in [KEEPS, FORGETS] {
            let deferred = |remote| ParkReason::Deferred { remote };
            let before = parked(1, update(1), deferred(looked_at.clone()));
            let record = Record { base: based(Some("1"), Some(3)), ..aside(before.clone()) };
            let (after, _) = rebase(record.clone(), remote.clone(), &rules);
            let id = if is_another { id(9) } else { before.intention.id };
            let intention = Intention { id, ..before.intention.clone() };
            let now = Parked { intention, reason: deferred(remote.clone()), ..before };
            assert_eq!(after, Record { parked: Some(now), ..record }, "{looked_at:?} {remote:?}");
        }
    }
}

/// A server may set the time itself; but not without another version.
#[test]
fn an_edit_of_the_time_alone_has_not_arrived_while_the_server_shows_the_former_version() {
    let dated = |second: u32| Payload::from_json(&format!(r#"{{"id":"a","at":{second}}}"#)).unwrap();
    let rules = Rules { updated_at_member: Some("at"), ..KEEPS };
    let shown =
        |version, second| ServerCopy::Present { version: Some(Version::new(version)), value: dated(second) };
    let base = || Some(Base { version: Some(Version::new("1")), value: Some(dated(1)) });
    let edit = |second| intention(2, Write::Update(dated(second)));
    for record in [queued(edit(2)), flying(Flight { intention: edit(2), ..flight(1, update(1)) })] {
        let record = Record { base: base(), ..record };
        let (after, rebased) = rebase(record.clone(), shown("1", 1), &rules);
        assert_eq!((after, rebased), (record.clone(), Rebased::Kept { local: Some(dated(2)) }));
        for (version, second) in [("7", 2), ("7", 3), ("1", 2)] {
            let (_, rebased) = rebase(record.clone(), shown(version, second), &rules);
            assert!(matches!(rebased, Rebased::Landed { .. }), "{version} {second}");
        }
    }
}

/// An upgrade of the struct has made the color up, which the server has had all along.
#[test]
fn an_update_stands_on_what_the_server_has_of_the_version_that_it_was_made_on() {
    let card = |text: &str, color: &str| {
        Payload::from_json(&format!(r#"{{"color":"{color}","id":"a","text":"{text}"}}"#)).unwrap()
    };
    let base = Some(Base { version: Some(Version::new("1")), value: Some(card("x", "white")) });
    let edited = |write| Record { base: base.clone(), ..queued(intention(2, write)) };
    let shown =
        |version| ServerCopy::Present { version: Some(Version::new(version)), value: card("x", "red") };
    let rebased = |write, version| rebase(edited(write), shown(version), &KEEPS);
    for (local, expected) in [(card("y", "white"), card("y", "red")), (card("x", "blue"), card("x", "blue"))]
    {
        let (after, rebased) = rebased(Write::Update(local), "1");
        assert_eq!(rebased, Rebased::Kept { local: Some(expected.clone()) });
        assert_eq!(after.queued.unwrap().write, Write::Update(expected));
        assert_eq!(after.base.unwrap().value, Some(card("x", "red")));
    }
    // Of what takes the place of a record, nothing else is to shine through.
    let whole = Write::Overwrite(card("y", "white"));
    assert_eq!(rebased(whole, "1").1, Rebased::Kept { local: Some(card("y", "white")) });
    let (_, conflict) = rebased(Write::Update(card("y", "white")), "2");
    assert!(matches!(conflict, Rebased::Conflict(_)), "somebody has changed it: {conflict:?}");
}

#[test]
fn our_own_write_coming_back_says_that_it_arrived() {
    let sent = Record { blocked_on: Some(name("parent")), ..flying(flight(1, update(1))) };
    let known = Record { base: based(Some("7"), Some(1)), ..Record::default() };
    let landed = |local: Option<u32>| Rebased::Landed { revision: 1, local: local.map(payload) };
    assert_eq!(rebase(sent.clone(), present(Some("7"), 1), &KEEPS), (known.clone(), landed(Some(1))));

    let edited = Record { queued: Some(intention(2, update(2))), ..sent.clone() };
    let waiting = Record { queued: Some(intention(2, update(2))), ..known.clone() };
    assert_eq!(rebase(edited, present(Some("7"), 1), &KEEPS), (waiting, landed(Some(2))));

    let gone = Record { base: based(Some("1"), None), ..flying(flight(1, Write::Delete)) };
    assert_eq!(rebase(gone, ServerCopy::Deleted, &KEEPS), (Record::default(), landed(None)));

    // Somebody wrote the very same, or it was sent before the row was lost.
    let same = Record { blocked_on: Some(name("parent")), ..queued(intention(1, update(1))) };
    assert_eq!(rebase(same, present(Some("7"), 1), &KEEPS), (known, landed(Some(1))));
    let gone = Record { base: based(Some("1"), None), ..queued(intention(1, Write::Delete)) };
    assert_eq!(rebase(gone, ServerCopy::Deleted, &KEEPS), (Record::default(), landed(None)));
}

#[test]
fn while_an_outcome_is_unknown_news_are_noted_and_read_again_later() {
    let mut echoing = flight(2, update(2));
    echoing.intention.echoes = vec![Some(payload(4))];
    let known = |flight| Record { base: based(Some("1"), Some(3)), ..flying(flight) };
    let cases = [
        (known(echoing.clone()), present(Some("7"), 5), true),
        (known(echoing.clone()), ServerCopy::Deleted, true),
        // What an earlier operation may have left may as well be what somebody made of the record after this one.
        (known(echoing.clone()), present(Some("7"), 4), true),
        (known(echoing.clone()), present(Some("1"), 3), false),
        // Without a version, what looks like the base may be newer than what the flight has written.
        (Record { base: based(None, Some(3)), ..flying(echoing.clone()) }, present(None, 3), true),
        (flying(flight(2, update(2))), ServerCopy::Deleted, true),
    ];
    for (record, copy, crossed) in cases {
        let edited = Record { queued: Some(intention(3, Write::Delete)), ..record.clone() };
        for (record, local) in [(record, Some(payload(2))), (edited, None)] {
            let (after, rebased) = rebase(record.clone(), copy.clone(), &KEEPS);
            let before = record.flight.clone().unwrap();
            let intention = Intention { crossed, ..before.intention };
            // It was made on no version by which the server could refuse it.
            let noted =
                Record { flight: Some(Flight { intention, look_first: crossed, ..before }), ..record };
            assert_eq!((after, rebased), (noted, Rebased::Kept { local }));
        }
    }
    let mut crossed = known(echoing);
    if let Some(flight) = &mut crossed.flight {
        flight.intention.crossed = true;
    }
    let (after, _) = rebase(crossed.clone(), present(Some("1"), 3), &KEEPS);
    assert_eq!(after, crossed, "it stays noted");
}

#[test]
fn an_edit_is_put_on_top_of_what_is_known_or_was_left_by_this_device() {
    let edit =
        |write| Intention { crossed: true, echoes: vec![Some(payload(4)), None], ..intention(2, write) };
    let known = |write| Record { base: based(Some("1"), Some(3)), ..queued(edit(write)) };
    let put_on = |base, write| Record { base, ..queued(Intention { crossed: false, ..edit(write) }) };
    let cases = [
        (known(update(2)), present(Some("1"), 3), put_on(based(Some("1"), Some(3)), update(2))),
        (known(update(2)), present(Some("7"), 4), put_on(based(Some("7"), Some(4)), update(2))),
        (known(overwrite(2)), present(Some("7"), 4), put_on(based(Some("7"), Some(4)), overwrite(2))),
        (known(create(2)), present(Some("7"), 4), put_on(based(Some("7"), Some(4)), create(2))),
        // It is gone by this device's own doing.
        (known(update(2)), ServerCopy::Deleted, put_on(None, create(2))),
        (known(overwrite(2)), ServerCopy::Deleted, put_on(None, create(2))),
        // It was never there.
        (queued(edit(update(2))), ServerCopy::Deleted, put_on(None, update(2))),
        (queued(edit(create(2))), ServerCopy::Deleted, put_on(None, create(2))),
    ];
    for (record, copy, expected) in cases {
        let (after, rebased) = rebase(record.clone(), copy, &KEEPS);
        assert_eq!((after, rebased), (expected, Rebased::Kept { local: Some(payload(2)) }), "{record:?}");
    }
}

/// A server whose answers tell versions, and whose lists do not.
#[test]
fn what_is_shown_as_it_was_keeps_the_version_that_an_answer_told() {
    let known = based(Some("7"), Some(1));
    let idle = Record { base: known.clone(), ..Record::default() };
    let edited = Record { base: known, ..queued(intention(2, update(2))) };
    let local = Some(payload(2));
    assert_eq!(rebase(idle.clone(), present(None, 1), &FORGETS), (idle.clone(), Rebased::Replaced));
    assert_eq!(rebase(edited.clone(), present(None, 1), &FORGETS), (edited.clone(), Rebased::Kept { local }));
    let (after, rebased) = rebase(idle, present(None, 5), &FORGETS);
    assert_eq!((after.base, rebased), (based(None, Some(5)), Rebased::Replaced));
    let (_, rebased) = rebase(edited, present(None, 5), &FORGETS);
    assert!(matches!(rebased, Rebased::Conflict(_)));
}

/// As when it was saved again, with nothing changed.
#[test]
fn what_is_shown_as_it_was_at_another_time_has_that_time_and_the_known_version() {
    let rules = Rules { updated_at_member: Some("at"), ..KEEPS };
    let dated = |text: &str, second: u32| {
        Payload::from_json(&format!(r#"{{"at":{second},"id":"a","text":"{text}"}}"#)).unwrap()
    };
    let edit = |text| intention(2, Write::Update(dated(text, 9)));
    for version in [Some("7"), None] {
        let based =
            |second| Some(Base { version: version.map(Version::new), value: Some(dated("x", second)) });
        let shown = || ServerCopy::Present { version: None, value: dated("x", 2) };
        for queued in [None, Some(edit("y"))] {
            let record = Record { base: based(1), queued, ..Record::default() };
            let (after, rebased) = rebase(record.clone(), shown(), &rules);
            assert_eq!(after, Record { base: based(2), ..record });
            assert!(matches!(rebased, Rebased::Replaced | Rebased::Kept { .. }), "{rebased:?}");
        }
        // Nor has an edit of the time alone arrived when that is shown once more.
        let (known, _) = rebase(Record { base: based(1), ..Record::default() }, shown(), &rules);
        let (_, rebased) = rebase(Record { queued: Some(edit("x")), ..known }, shown(), &rules);
        assert_eq!(rebased, Rebased::Kept { local: Some(dated("x", 9)) });
    }
}

#[test]
fn another_version_of_the_same_is_no_conflict_and_what_waits_stands_on_it() {
    let record =
        |version, value| Record { base: based(Some(version), value), ..queued(intention(2, update(2))) };
    let (after, rebased) = rebase(record("1", Some(3)), present(Some("7"), 3), &KEEPS);
    assert_eq!((after, rebased), (record("7", Some(3)), Rebased::Kept { local: Some(payload(2)) }));
    let (_, rebased) = rebase(record("1", None), present(Some("7"), 3), &FORGETS);
    assert!(matches!(rebased, Rebased::Conflict(_)), "of which nobody knows that it is the same");
}

#[test]
fn somebody_elses_version_is_a_conflict_and_the_row_stays_as_it_is() {
    let blocker: Option<RecordRef> = Some(name("parent"));
    let edit = Intention { crossed: true, ..intention(2, update(2)) };
    let record = Record { base: based(Some("1"), Some(3)), blocked_on: blocker, ..queued(edit) };
    for remote in [present(Some("7"), 5), ServerCopy::Deleted] {
        let dispute =
            Dispute { base: Some(payload(3)), local: Some(payload(2)), remote: remote.clone(), revision: 2 };
        let (after, rebased) = rebase(record.clone(), remote, &KEEPS);
        assert_eq!((after, rebased), (record.clone(), Rebased::Conflict(Box::new(dispute))));
    }
    let unversioned = Record { base: based(None, Some(3)), ..queued(intention(2, update(2))) };
    let (_, rebased) = rebase(unversioned.clone(), present(None, 5), &KEEPS);
    assert!(matches!(rebased, Rebased::Conflict(_)));
    let (_, rebased) = rebase(unversioned, present(None, 3), &KEEPS);
    assert_eq!(rebased, Rebased::Kept { local: Some(payload(2)) });
}
