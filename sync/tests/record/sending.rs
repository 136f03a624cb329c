//! What is to be done with a record now, and what the outbox knows of it.

use chrono::TimeDelta;
use sync::record::{
    Flight, Frozen, Intention, Lane, Next, ParkReason, Record, Rules, Sent, ServerCopy, Version, Write,
    launch, next, reinstate, settle,
};

use crate::answers::refusal;
use crate::rows::{
    FORGETS, KEEPS, aside, at, based, create, flight, flying, intention, name, overwrite, parked, present,
    queued, refused, stamp, update,
};
use crate::server::payload;

const HORIZON: TimeDelta = TimeDelta::seconds(60);

#[test]
fn each_record_has_one_place_in_the_outbox() {
    let due = Flight { due: Some(at(7)), ..flight(1, create(1)) };
    let later = Intention { not_before: Some(at(8)), ..intention(2, update(2)) };
    let blocked = |record| Record { blocked_on: Some(name("parent")), ..record };
    let cases = [
        (Record { base: based(None, Some(1)), ..Record::default() }, Lane::Idle, "idle"),
        (queued(intention(2, create(2))), Lane::Ready { seq: 2 }, "ready"),
        (flying(flight(1, create(1))), Lane::Ready { seq: 1 }, "ready"),
        (queued(later.clone()), Lane::Waiting { seq: 2, due: at(8) }, "waiting"),
        (flying(due.clone()), Lane::Waiting { seq: 1, due: at(7) }, "waiting"),
        (
            Record { queued: Some(later.clone()), ..flying(due.clone()) },
            Lane::Waiting { seq: 1, due: at(7) },
            "waiting",
        ),
        (blocked(flying(due)), Lane::Blocked { seq: 1 }, "blocked"),
        (blocked(queued(later)), Lane::Blocked { seq: 2 }, "blocked"),
        (aside(parked(3, update(3), refused())), Lane::Parked { seq: 3 }, "parked"),
    ];
    for (record, lane, name) in cases {
        assert_eq!(record.lane(), lane);
        assert_eq!(lane.name(), name);
        let seq = record.newest().map(|_| record.oldest_waiting().map_or(3, |waiting| waiting.seq));
        assert_eq!(lane.seq(), seq);
    }
}

#[test]
fn what_is_due_is_sent_and_what_is_not_waits() {
    let due = |second| flying(Flight { due: Some(at(second)), ..flight(1, create(1)) });
    for past in [due(0), due(100)] {
        assert!(matches!(next(&past, at(100), HORIZON), Next::Send(one) if one.seq == 1));
    }
    for second in [101, 160] {
        assert_eq!(next(&due(second), at(100), HORIZON), Next::Wait(at(second)));
    }
    // No retry is put off for so long: the clock was set back.
    assert!(matches!(next(&due(161), at(100), HORIZON), Next::Send(_)));
    assert!(
        matches!(next(&queued(intention(2, create(2))), at(0), HORIZON), Next::Send(one) if one.seq == 2)
    );
}

#[test]
fn what_waits_for_others_or_for_nothing_is_not_sent() {
    assert_eq!(next(&Record::default(), at(0), HORIZON), Next::Nothing);
    assert_eq!(next(&aside(parked(1, update(1), refused())), at(0), HORIZON), Next::Blocked(None));
    let blocked = Record { blocked_on: Some(name("parent")), ..queued(intention(2, create(2))) };
    assert_eq!(next(&blocked, at(0), HORIZON), Next::Blocked(Some(&name("parent"))));
}

#[test]
fn what_is_launched_is_frozen_on_top_of_the_version_that_is_known() {
    let record = Record { base: based(Some("7"), None), ..queued(intention(2, update(2))) };
    let launched = launch(record, &KEEPS);
    let flight = launched.flight.clone().unwrap();
    assert_eq!(flight.intention, intention(2, update(2)));
    assert_eq!((flight.if_match, flight.attempts, flight.due), (Some(Version::new("7")), 0, None));
    assert_eq!(launched.queued, None);
    assert_eq!(launched.base, based(Some("7"), None));
    assert_eq!(launch(Record::default(), &KEEPS), Record::default());
}

#[test]
fn a_flight_is_sent_again_as_it_is_and_newer_edits_stay_behind_it() {
    let sent =
        Flight { if_match: Some(Version::new("6")), attempts: 3, due: Some(at(5)), ..flight(1, update(1)) };
    let record = Record {
        base: based(Some("7"), None),
        queued: Some(intention(2, update(2))),
        ..flying(sent.clone())
    };
    let again = Record { flight: Some(Flight { due: None, sent: Sent::InDoubt, ..sent }), ..record.clone() };
    assert_eq!(launch(record, &KEEPS), again);
}

/// A later program may leave out a member that the first one did not know, and write the base in another way.
#[test]
fn what_it_is_sent_with_is_that_of_the_first_attempt_also_under_other_rules() {
    let leaving_out = |optional| Rules { merges: true, optional, ..FORGETS };
    let grown = Rules { reread: Some(|_| Some(payload(9))), ..leaving_out(&["tag"]) };
    let edited = |value| Record { base: based(Some("7"), value), ..queued(intention(2, update(2))) };
    let frozen = |record: &Record| record.flight.as_ref().unwrap().frozen.clone().unwrap();
    for (value, first, cleared, known) in [
        (None, leaving_out(&[]), &[][..], None),
        (None, leaving_out(&["tag"]), &["tag"], None),
        (None, Rules { merges: false, ..grown }, &[], None),
        (Some(5), KEEPS, &[], None),
        (Some(5), grown, &[], Some(payload(9))),
    ] {
        let sent = launch(edited(value), &first);
        let expected = Frozen { cleared: cleared.iter().map(ToString::to_string).collect(), known };
        assert_eq!(frozen(&sent), expected);
        assert_eq!(sent.base, based(Some("7"), value), "what is stored of the base stays");
        for later in [KEEPS, grown] {
            assert_eq!(frozen(&launch(sent.clone(), &later)), expected);
            let (parked, _) = settle(sent.clone(), refusal(), &later, stamp(9));
            assert_eq!(frozen(&launch(reinstate(parked), &later)), expected, "also by hand");
        }
    }
}

#[test]
fn what_an_earlier_state_of_the_library_sent_is_frozen_when_it_is_sent_again() {
    let without = |record: Record| -> Record {
        let mut json = serde_json::to_value(record).unwrap();
        json["flight"].as_object_mut().unwrap().remove("frozen").unwrap();
        serde_json::from_value(json).unwrap()
    };
    let rules = Rules { merges: true, optional: &["tag"], ..FORGETS };
    let sent = launch(queued(intention(2, update(2))), &rules);
    let before = without(sent.clone());
    assert_eq!(before.flight.as_ref().unwrap().frozen, None);
    assert_eq!(launch(before, &rules).flight.unwrap().frozen, sent.flight.unwrap().frozen);
}

#[test]
fn an_attempt_without_an_answer_leaves_a_doubt_for_good() {
    let launched =
        |sent| launch(flying(Flight { sent, ..flight(1, update(1)) }), &KEEPS).flight.unwrap().sent;
    assert_eq!(launch(queued(intention(1, update(1))), &KEEPS).flight.unwrap().sent, Sent::UnderWay);
    assert_eq!(launched(Sent::NotTaken), Sent::UnderWay);
    assert_eq!(launched(Sent::UnderWay), Sent::InDoubt, "the one under way ended with the program");
    assert_eq!(launched(Sent::InDoubt), Sent::InDoubt);
}

#[test]
fn the_newest_edit_is_what_the_user_sees_and_the_oldest_is_what_is_sent() {
    let both = Record { queued: Some(intention(2, update(2))), ..flying(flight(1, create(1))) };
    assert_eq!((both.newest().unwrap().seq, both.oldest_waiting().unwrap().seq), (2, 1));
    let aside = aside(parked(3, update(3), refused()));
    assert_eq!((aside.newest().unwrap().seq, aside.oldest_waiting()), (3, None));
    assert_eq!(Record::default().newest(), None);
}

#[test]
fn a_record_looks_like_its_newest_edit_or_else_like_what_the_server_has() {
    let known = |record| Record { base: based(Some("1"), Some(5)), ..record };
    let view = |record: Record| record.view().map(crate::server::value);
    assert_eq!(view(known(Record::default())), Some(5));
    assert_eq!(view(known(queued(intention(2, update(2))))), Some(2));
    assert_eq!(view(known(queued(intention(2, Write::Delete)))), None);
    assert_eq!(view(Record { base: based(Some("1"), None), ..Record::default() }), None);
    assert_eq!(view(Record::default()), None);
}

#[test]
fn a_row_without_anything_known_or_pending_is_empty() {
    assert!(Record::default().is_empty() && !Record::default().is_pending());
    let known = Record { base: based(None, Some(1)), ..Record::default() };
    assert!(!known.is_empty() && !known.is_pending());
    for pending in [
        queued(intention(1, create(1))),
        flying(flight(1, create(1))),
        aside(parked(1, create(1), refused())),
    ] {
        assert!(pending.is_pending() && !pending.is_empty(), "{pending:?}");
    }
}

#[test]
fn children_are_let_go_once_the_server_has_their_parent_and_will_keep_it() {
    let known = |record| Record { base: based(Some("1"), None), ..record };
    let leaving = flying(flight(1, Write::Delete));
    let seen = |copy| ParkReason::Exhausted { attempts: 4, last: "500".into(), seen: copy };
    let admitted = [
        Record::default(),
        known(Record::default()),
        known(queued(intention(1, update(1)))),
        known(flying(flight(1, update(1)))),
        known(queued(intention(1, Write::Delete))),
        known(leaving.clone()),
        known(Record { queued: Some(intention(2, Write::Delete)), ..leaving.clone() }),
        known(Record { queued: Some(intention(2, update(2))), ..flying(flight(1, update(1))) }),
        queued(intention(1, Write::Delete)),
        leaving.clone(),
        aside(parked(1, create(1), seen(Some(present(None, 5))))),
    ];
    for parent in admitted {
        assert!(parent.admits_children(), "{parent:?}");
    }
    let holding_back = [
        queued(intention(1, create(1))),
        flying(flight(1, create(1))),
        known(Record { queued: Some(intention(2, create(2))), ..leaving.clone() }),
        Record { queued: Some(intention(2, overwrite(2))), ..leaving },
        Record { queued: Some(intention(2, Write::Delete)), ..flying(flight(1, create(1))) },
        aside(parked(1, create(1), refused())),
        aside(parked(1, create(1), seen(Some(ServerCopy::Deleted)))),
    ];
    for parent in holding_back {
        assert!(!parent.admits_children(), "{parent:?}");
    }
}

#[test]
fn each_write_has_a_word_and_tells_what_it_leaves() {
    let writes = [create(1), update(1), overwrite(1), Write::Delete];
    assert_eq!(writes.each_ref().map(Write::verb), ["create", "update", "overwrite", "delete"]);
    assert_eq!(writes.map(|write| write.payload().is_some()), [true, true, true, false]);
}
