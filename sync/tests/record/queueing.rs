//! What an edit does to what waits already, row by row.

use sync::record::{Edit, Enqueued, Flight, Intention, Parked, Record, Sent, ServerCopy, Write, enqueue};

use crate::rows::{
    aside, at, based, create, flight, flying, id, intention, name, overwrite, parked, present, queued,
    refused, stamp, update,
};
use crate::server::payload;

fn save(record: Record) -> Record {
    let (record, enqueued) = enqueue(record, Edit::Save(payload(9), vec![name("parent")]), stamp(9));
    assert_eq!(enqueued, Enqueued::Queued);
    record
}

fn delete(record: Record) -> (Record, Enqueued) {
    enqueue(record, Edit::Delete, stamp(9))
}

#[test]
fn a_save_creates_updates_or_overwrites_as_the_record_asks() {
    let known = |record| Record { base: based(Some("1"), None), ..record };
    let cases = [
        (Record::default(), create(9)),
        (known(Record::default()), update(9)),
        (queued(intention(1, create(1))), create(9)),
        (known(queued(intention(1, create(1)))), create(9)),
        (known(queued(intention(1, update(1)))), update(9)),
        (queued(intention(1, update(1))), update(9)),
        (known(queued(intention(1, overwrite(1)))), overwrite(9)),
        (known(queued(intention(1, Write::Delete))), overwrite(9)),
        (flying(flight(1, create(1))), update(9)),
        (known(flying(flight(1, update(1)))), update(9)),
        (known(flying(flight(1, Write::Delete))), create(9)),
        (Record { queued: Some(intention(2, Write::Delete)), ..flying(flight(1, Write::Delete)) }, create(9)),
        (aside(parked(1, create(1), refused())), create(9)),
        (aside(parked(1, update(1), refused())), update(9)),
        (known(aside(parked(1, update(1), refused()))), update(9)),
        (known(aside(parked(1, overwrite(1), refused()))), overwrite(9)),
        (known(aside(parked(1, Write::Delete, refused()))), update(9)),
    ];
    for (record, expected) in cases {
        let after = save(record.clone());
        assert_eq!(after.queued.unwrap().write, expected, "{record:?}");
        assert_eq!((after.base, after.flight), (record.base, record.flight));
    }
}

#[test]
fn what_the_user_calls_a_creation_or_an_update_is_one_unless_something_waits() {
    let known = Record { base: based(Some("1"), None), ..Record::default() };
    let explicit = |record: &Record, edit| enqueue(record.clone(), edit, stamp(9)).0.queued.unwrap().write;
    let (creation, change) = (Edit::Create(payload(9), Vec::new()), Edit::Update(payload(9), Vec::new()));
    assert_eq!(explicit(&known, creation.clone()), create(9));
    assert_eq!(explicit(&Record::default(), change.clone()), update(9));
    assert_eq!(explicit(&queued(intention(1, update(1))), creation), update(9));
    assert_eq!(explicit(&queued(intention(1, create(1))), change), create(9));
}

#[test]
fn a_newer_edit_takes_the_place_of_the_waiting_one_and_all_that_is_known_of_it() {
    let waiting = Intention {
        references: vec![name("only meant")],
        leaves: vec![name("former parent")],
        decided: Some(4),
        not_before: Some(at(50)),
        rounds: 2,
        echoes: vec![Some(payload(3)), None],
        crossed: true,
        ..intention(1, update(1))
    };
    let record = Record { blocked_on: Some(name("only meant")), ..queued(waiting.clone()) };
    let after = save(record);
    let expected = Intention {
        id: id(9),
        revision: 9,
        write: update(9),
        references: vec![name("parent")],
        // It is one that may have come through before.
        leaves: vec![name("former parent"), name("only meant")],
        decided: None,
        ..waiting
    };
    assert_eq!(after, queued(expected), "it keeps its place and is looked at anew");
}

#[test]
fn a_first_edit_has_a_place_of_its_own_and_nothing_behind_it() {
    let expected =
        Intention { made_at: at(100), references: vec![name("parent")], ..intention(9, create(9)) };
    assert_eq!(save(Record::default()), queued(expected));
}

#[test]
fn a_deletion_takes_back_only_what_was_never_sent() {
    let (after, enqueued) = delete(queued(intention(1, create(1))));
    assert_eq!((after, enqueued), (Record::default(), Enqueued::Withdrawn));

    let leaving = flying(flight(1, Write::Delete));
    let made_again = Record { queued: Some(intention(2, create(2))), ..leaving.clone() };
    assert_eq!(delete(made_again), (leaving.clone(), Enqueued::Withdrawn), "the first deletion is enough");
    assert_eq!(delete(leaving.clone()), (leaving.clone(), Enqueued::AlreadyLeaving));

    let echoing = Intention { echoes: vec![Some(payload(1))], ..intention(2, create(2)) };
    let waiting = [
        Record::default(),
        // Somebody else's record was seen there.
        queued(Intention { crossed: true, ..intention(2, create(2)) }),
        queued(echoing.clone()),
        Record { queued: Some(echoing), ..leaving.clone() },
        Record { queued: Some(intention(2, update(2))), ..leaving },
        queued(intention(2, update(2))),
        Record { base: based(Some("1"), None), ..queued(intention(2, create(2))) },
        Record { queued: Some(intention(2, create(2))), ..flying(flight(1, create(1))) },
        Record { queued: Some(intention(2, create(2))), ..aside(parked(1, create(1), refused())) },
        flying(flight(1, update(1))),
        Record { base: based(Some("1"), None), ..Record::default() },
    ];
    for record in waiting {
        let (after, enqueued) = delete(record.clone());
        assert_eq!(enqueued, Enqueued::Queued, "{record:?}");
        let deletion = after.queued.unwrap();
        assert_eq!((deletion.write, deletion.references), (Write::Delete, Vec::new()), "{record:?}");
    }
}

#[test]
fn a_deletion_of_what_the_user_was_shown_to_be_on_the_server_is_an_operation_of_its_own() {
    let leaving = flying(flight(1, Write::Delete));
    let records = [
        queued(intention(2, create(2))),
        Record { queued: Some(intention(2, create(2))), ..leaving.clone() },
        leaving,
        Record::default(),
    ];
    for record in records {
        let (after, enqueued) = enqueue(record.clone(), Edit::DeleteAnyway, stamp(9));
        assert_eq!(enqueued, Enqueued::Queued, "{record:?}");
        assert_eq!((after.base, after.flight), (record.base, record.flight));
        let deletion = after.queued.unwrap();
        assert_eq!((deletion.write, deletion.references, deletion.revision), (Write::Delete, Vec::new(), 9));
    }
}

#[test]
fn an_edit_keeps_what_was_sent_before_it_refers_to_and_it_does_not() {
    let to = |parents: &[&str], seq| Intention {
        references: parents.iter().map(|parent| name(parent)).collect(),
        ..intention(seq, update(1))
    };
    let sent = Flight { intention: to(&["sent"], 1), ..flight(1, update(1)) };
    // Never sent, so that no record refers to it on the server.
    let mut waits = to(&["waits", "stays"], 2);
    waits.leaves = vec![name("long ago")];
    let record = Record { queued: Some(waits), ..flying(sent) };
    let moved = Edit::Save(payload(3), vec![name("stays"), name("new")]);
    let (after, _) = enqueue(record.clone(), moved, stamp(9));
    assert_eq!(after.queued.unwrap().leaves, ["sent", "long ago"].map(name));
    let (after, _) = enqueue(record, Edit::Delete, stamp(9));
    let deletion = after.queued.unwrap();
    assert_eq!((deletion.references, deletion.leaves.len()), (Vec::new(), 2));
    // What is sent again as if it never was may have come through before.
    let mut again = to(&["again"], 2);
    again.echoes = vec![Some(payload(2))];
    assert_eq!(save(queued(again)).queued.unwrap().leaves, [name("again")]);
    let mut refused = parked(1, update(1), refused());
    refused.intention.references = vec![name("refused")];
    assert_eq!(save(aside(refused)).queued.unwrap().leaves, [name("refused")]);
}

#[test]
fn a_corrected_record_remembers_what_the_parked_one_may_have_left_on_the_server() {
    let in_doubt = |write| Parked { sent: Sent::InDoubt, ..parked(1, write, refused()) };
    let mut one = in_doubt(update(1));
    one.intention.echoes = vec![None];
    let after = save(aside(one.clone()));
    assert!(after.parked.is_none());
    assert_eq!(after.queued.unwrap().echoes, [None, Some(payload(1))]);
    one.sent = Sent::NotTaken;
    assert_eq!(save(aside(one)).queued.unwrap().echoes, [None], "what the server refused, it has not");
    assert_eq!(save(aside(in_doubt(Write::Delete))).queued.unwrap().echoes, [None]);
    assert!(save(aside(parked(1, Write::Delete, refused()))).queued.unwrap().echoes.is_empty());
}

#[test]
fn what_was_pulled_while_a_record_was_parked_is_read_anew_after_the_correction() {
    let crossed = |record| save(record).queued.unwrap().crossed;
    let one = || parked(1, update(1), refused());
    assert!(!crossed(aside(one())));
    let mut before = one();
    before.intention.crossed = true;
    assert!(crossed(aside(before)));
    let deferred = sync::record::ParkReason::Deferred { remote: present(None, 5) };
    assert!(crossed(aside(parked(1, update(1), deferred))));
    let mut seen = one();
    if let sync::record::ParkReason::Refused { seen, .. } = &mut seen.reason {
        *seen = Some(ServerCopy::Deleted);
    }
    assert!(crossed(aside(seen)));
    assert!(!crossed(queued(intention(1, update(1)))));
}

/// After so many operations without an answer, the oldest is forgotten.
#[test]
fn the_last_eight_operations_without_an_answer_are_remembered() {
    let echoes = |count: u32| {
        let mut one = Parked { sent: Sent::InDoubt, ..parked(1, update(100), refused()) };
        one.intention.echoes = (0..count).map(|value| Some(payload(value))).collect();
        save(aside(one)).queued.unwrap().echoes
    };
    assert_eq!(echoes(7).len(), 8);
    assert_eq!(echoes(7)[0], Some(payload(0)));
    assert_eq!(echoes(8).len(), 8);
    assert_eq!(echoes(8)[0], Some(payload(1)));
    assert_eq!(echoes(8)[7], Some(payload(100)));
}
