//! Records come back as they were.

use std::collections::HashSet;

use super::samples::{
    NOTE, TASK, at, blocked, flight, intention, known, name, note, operation, parked, payload, ready,
    referring, task, waiting,
};
use super::{Opened, Subject};
use crate::record::{
    Base, Flight, Frozen, Intention, ParkReason, Parked, Payload, Principal, Problem, Record, Refusal, Sent,
    ServerCopy, Version, Write,
};
use crate::storage::{Counts, Cursor, KEYLESS_ASIDE, Search, SetAside, StorageError, Transaction};

/// A record with something in each of its fields.
fn full() -> Record {
    let problem = Problem {
        kind: Some("about:blank".to_owned()),
        title: Some("Unprocessable".to_owned()),
        detail: Some("title is \"too\" long".to_owned()),
        instance: None,
    };
    let seen = ServerCopy::Present { version: Some(Version::new("9")), value: payload("theirs") };
    let intention = Intention {
        id: operation(3),
        seq: 3,
        revision: 5,
        made_at: at(1),
        write: Write::Overwrite(Payload::from_json("{\"b\": 1.50,\n \"a\":1e2}").expect("it is JSON")),
        references: vec![note("parent"), task("other")],
        decided: Some(7),
        leaves: vec![note("former"), task("parent")],
        not_before: Some(at(2)),
        rounds: 2,
        echoes: vec![Some(payload("echo")), None],
        crossed: true,
    };
    Record {
        base: Some(Base { version: Some(Version::new("W/\"1\"")), value: Some(payload("base")) }),
        flight: Some(Flight {
            intention: Intention { id: operation(2), write: Write::Delete, ..intention.clone() },
            if_match: Some(Version::new("")),
            frozen: Some(Frozen { cleared: vec!["tag".to_owned()], known: Some(payload("known")) }),
            attempts: 4,
            sent: Sent::UnderWay,
            due: Some(at(3)),
            look_first: true,
        }),
        queued: Some(intention.clone()),
        parked: Some(Parked {
            intention: Intention { id: operation(1), write: Write::Update(payload("p")), ..intention },
            if_match: Some(Version::new("1")),
            frozen: Some(Frozen { cleared: vec!["a \"name\"".to_owned()], known: None }),
            reason: ParkReason::Refused {
                refusal: Refusal { status: 422, problem: Some(Box::new(problem)) },
                seen: Some(seen),
            },
            since: at(4),
            sent: Sent::InDoubt,
        }),
        blocked_on: Some(note("parent")),
    }
}

/// One of which a later version of the entity's struct wrote everything, at other places.
fn of_a_later_version() -> Record {
    let third = |text: &str| payload(text).of_version(3);
    let mut record = full();
    if let Some(base) = &mut record.base {
        base.value = Some(third("base"));
    }
    if let Some(flight) = &mut record.flight {
        flight.intention.write = Write::Update(third("flight"));
        flight.intention.seq += 1_000;
    }
    if let Some(queued) = &mut record.queued {
        queued.write = Write::Update(third("queued"));
        queued.seq += 1_000;
        queued.echoes = vec![Some(third("echo")), None, Some(payload("echo"))];
    }
    if let Some(parked) = &mut record.parked {
        parked.intention.write = Write::Create(third("parked"));
        parked.intention.seq += 1_000;
        let remote = ServerCopy::Present { version: None, value: third("theirs") };
        parked.reason = ParkReason::Deferred { remote };
    }
    record
}

/// What the server is known to have is listed in the order of the ids' bytes, page by page, whatever waits of it.
pub fn records_with_a_base_are_listed_by_id(subject: &Subject) {
    let opened = subject.open();
    let base = Some(Base { version: Some(Version::new("1")), value: None });
    opened.run(move |tx| {
        for id in ["b", "a", "ä", "B", "c"] {
            tx.put(&note(id), &Record { base: base.clone(), ..Record::default() })?;
        }
        tx.put(&note("edited"), &Record { base: base.clone(), ..ready(1) })?;
        tx.put(&note("new"), &Record { base: None, ..ready(2) })?;
        tx.put(&task("t"), &Record { base, ..Record::default() })
    });
    let listed = |after: Option<&str>, limit: usize| {
        let after = after.map(|after| note(after).key);
        let found = opened.run(move |tx| tx.based(&NOTE, after.as_ref(), limit));
        found.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(listed(None, 10), ["B", "a", "b", "c", "edited", "ä"]);
    assert_eq!(listed(None, 2), ["B", "a"]);
    assert_eq!(listed(Some("a"), 2), ["b", "c"]);
    assert_eq!(listed(Some("b0"), 2), ["c", "edited"], "also after one that is not there");
    assert_eq!(listed(Some("ä"), 2), [""; 0]);
    opened.run(|tx| tx.put(&note("a"), &Record::default()));
    assert_eq!(listed(None, 3), ["B", "b", "c"]);
}

/// A record of which only the version is kept is not one that is kept.
pub fn only_bases_with_a_value_are_counted(subject: &Subject) {
    let opened = subject.open();
    let version = Base { version: Some(Version::new("1")), value: None };
    opened.run(move |tx| {
        tx.put(&note("kept"), &known("1"))?;
        tx.put(&note("edited"), &Record { base: known("1").base, ..ready(1) })?;
        tx.put(&note("version"), &Record { base: Some(version.clone()), ..Record::default() })?;
        tx.put(&note("version, edited"), &Record { base: Some(version), ..ready(2) })?;
        tx.put(&note("new"), &ready(3))
    });
    assert_eq!(opened.run(|tx| tx.kept_count(&NOTE)), 2);
    assert_eq!(opened.run(|tx| tx.kept_count(&TASK)), 0);
    opened.run(|tx| tx.put(&note("kept"), &Record::default()));
    assert_eq!(opened.run(|tx| tx.kept_count(&NOTE)), 1);
}

/// Every field of a record survives, to the letter and to the nanosecond; so does the version of the struct that wrote a payload.
pub fn a_record_comes_back_as_it_was_put(subject: &Subject) {
    let bare = |version: Option<&str>, value: Option<&str>| Record {
        base: Some(Base { version: version.map(Version::new), value: value.map(payload) }),
        ..Record::default()
    };
    let records = vec![
        full(),
        of_a_later_version(),
        bare(None, None),
        bare(Some(""), None),
        bare(Some("1"), None),
        bare(None, Some("base")),
        ready(10),
        waiting(11, at(5)),
        parked(12),
        blocked(13, &note("0")),
        referring(14, &[&note("0"), &note("0"), &note("8"), &task("x")]),
    ];
    let expected = records.clone();
    let opened = subject.open();
    opened.run(move |tx| {
        for (number, record) in records.iter().enumerate() {
            tx.put(&note(&number.to_string()), record)?;
        }
        Ok(())
    });
    let check = move |tx: &mut dyn Transaction| -> Result<(), StorageError> {
        for (number, record) in expected.iter().enumerate() {
            assert_eq!(tx.record(&note(&number.to_string()))?.as_ref(), Some(record), "record {number}");
        }
        assert_eq!(tx.record(&note("none"))?, None);
        Ok(())
    };
    opened.run(check.clone());
    drop(opened);
    if let Some(reopened) = subject.reopen() {
        reopened.run(check);
    }
}

/// A second `put` leaves nothing of the first.
pub fn putting_again_replaces_the_record(subject: &Subject) {
    let opened = subject.open();
    let sequence =
        [full(), known("1"), parked(4), full(), waiting(5, at(0)), blocked(6, &note("x")), ready(7)];
    for record in sequence {
        let expected = record.clone();
        opened.run(move |tx| tx.put(&note("a"), &record));
        assert_eq!(opened.run(|tx| tx.record(&note("a"))), Some(expected));
    }
    opened.run(|tx| {
        assert_eq!(tx.parked_by_id(operation(1))?, None, "the parked operation of the first is gone");
        assert_eq!(tx.earlier_child(&note("parent"), 0..100)?, None, "so are its references");
        assert_eq!(tx.release(&note("parent"))?, 0, "and what it waited for");
        assert_eq!(tx.pending(None, None, 10, &HashSet::new())?.len(), 1);
        assert_eq!(tx.next_due()?, None);
        Ok(())
    });
}

/// A record of which nothing is known takes no room, and leaves no trace in any index.
pub fn an_empty_record_removes_the_row(subject: &Subject) {
    let opened = subject.open();
    opened.run(|tx| tx.put(&note("a"), &full()));
    let blocked_only = Record { blocked_on: Some(note("b")), ..Record::default() };
    assert!(blocked_only.is_empty(), "what is blocked without an edit is nothing");
    opened.run(move |tx| tx.put(&note("a"), &blocked_only));
    opened.run(|tx| {
        tx.put(&note("never there"), &Record::default())?;
        assert_eq!(tx.record(&note("a"))?, None);
        assert_eq!(tx.parked_by_id(operation(1))?, None);
        assert_eq!(tx.earlier_child(&note("parent"), 0..100)?, None);
        assert_eq!(tx.release(&note("parent"))?, 0);
        assert_eq!(tx.pending(None, None, 10, &HashSet::new())?, []);
        assert!(tx.counts()?.iter().all(|(_, counts)| *counts == Counts::default()));
        Ok(())
    });
}

/// Ids, entities and principals are data: nothing in them is a quote, a wildcard or an end.
pub fn odd_names_are_told_apart(subject: &Subject) {
    let texts = [
        "'",
        "\"",
        "`",
        "''; DROP TABLE records; --",
        "%",
        "_",
        "*",
        "?1",
        "a",
        "A",
        "a ",
        " a",
        "a\0",
        "a\0b",
        "\0",
        "/",
        "../admin",
        "a/b",
        "%2e%2e",
        "\\",
        "\n",
        "ä",
        "a\u{308}",
        "日本語",
        "🦀",
        "\u{feff}",
        "NULL",
        "1",
        "01",
        "1.0",
        "{}",
    ];
    let opened = subject.open();
    for (number, text) in (1..).zip(texts) {
        opened.run_as(&Principal::new(text), move |tx| {
            let entity = crate::record::EntityName::from_stored(text.to_owned());
            tx.put(&name(NOTE, text), &referring(number, &[&name(TASK, text)]))?;
            tx.put(&name(entity.clone(), "x"), &known(text))?;
            tx.set_cursor(&entity, Some(&Cursor::new(text)))?;
            tx.set_note(text, Some(text))
        });
        opened.run(move |tx| tx.put(&name(NOTE, text), &blocked(number, &name(TASK, text))));
    }
    for (number, text) in (1..).zip(texts) {
        opened.run_as(&Principal::new(text), move |tx| {
            let entity = crate::record::EntityName::from_stored(text.to_owned());
            let parent = name(TASK, text);
            assert_eq!(tx.record(&name(NOTE, text))?, Some(referring(number, &[&parent])), "{text:?}");
            assert_eq!(tx.pending(None, None, 100, &HashSet::new())?.len(), 1, "{text:?}");
            assert_eq!(tx.earlier_child(&parent, 0..1000)?, Some((number, name(NOTE, text))), "{text:?}");
            assert_eq!(tx.record(&name(entity.clone(), "x"))?, Some(known(text)), "{text:?}");
            assert_eq!(tx.cursor(&entity)?, Some(Cursor::new(text)), "{text:?}");
            assert_eq!(tx.note(text)?.as_deref(), Some(text), "{text:?}");
            Ok(())
        });
        let freed = opened.run(move |tx| tx.release(&name(TASK, text)));
        assert_eq!(freed, 1, "{text:?}");
    }
}

/// A payload of some megabytes is nothing special.
pub fn large_payloads_come_back_whole(subject: &Subject) {
    let text = "wörter \"und\" mehr ".repeat(300_000);
    let record = Record {
        queued: Some(Intention { write: Write::Create(payload(&text)), ..intention(1) }),
        ..known("1")
    };
    let expected = record.clone();
    let opened = subject.open();
    opened.run(move |tx| tx.put(&note("large"), &record));
    assert!(opened.run(|tx| tx.record(&note("large"))) == Some(expected), "the record came back changed");
}

/// Records, cursors, notes and items of one principal do not exist for another.
pub fn principals_see_only_their_own(subject: &Subject) {
    let opened = subject.open();
    let (anna, ben) = (Principal::new("anna"), Principal::new("ben"));
    let write = |tx: &mut dyn Transaction, version: &str, seq: u64| -> Result<(), StorageError> {
        tx.put(&note("base"), &known(version))?;
        tx.put(&note("ready"), &ready(seq))?;
        tx.put(&note("waiting"), &waiting(seq + 1, at(i64::try_from(seq).unwrap_or(0))))?;
        tx.put(&note("parked"), &parked(seq + 2))?;
        tx.put(&note("blocked"), &blocked(seq + 3, &note("on")))?;
        tx.put(&note("child"), &referring(seq + 4, &[&note("on")]))?;
        tx.set_cursor(&NOTE, Some(&Cursor::new(version)))?;
        tx.set_note("note", Some(version))
    };
    opened.run_as(&anna, move |tx| write(tx, "anna's", 10));
    opened.run_as(&ben, |tx| {
        assert_eq!(tx.record(&note("base"))?, None);
        assert_eq!(tx.sendable(at(100), chrono::TimeDelta::hours(1), 10, &HashSet::new())?, []);
        assert_eq!(tx.next_due()?, None);
        assert_eq!(tx.pending(None, None, 10, &HashSet::new())?, []);
        assert_eq!(tx.parked(Some(&NOTE), None, 10, &HashSet::new())?, []);
        assert_eq!(tx.parked_by_id(operation(12))?, None);
        assert_eq!(tx.release(&note("on"))?, 0);
        assert_eq!(tx.earlier_child(&note("on"), 0..100)?, None);
        assert_eq!(tx.counts()?, []);
        assert_eq!(tx.cursor(&NOTE)?, None);
        assert_eq!(tx.note("note")?, None);
        Ok(())
    });
    opened.run_as(&ben, move |tx| write(tx, "ben's", 30));
    opened.run_as(&ben, |tx| {
        for key in ["base", "ready", "waiting", "parked", "blocked", "child"] {
            tx.put(&note(key), &Record::default())?;
        }
        tx.set_cursor(&NOTE, None)?;
        tx.set_note("note", None)
    });
    opened.run_as(&anna, |tx| {
        assert_eq!(tx.record(&note("base"))?, Some(known("anna's")));
        assert_eq!(tx.pending(None, None, 10, &HashSet::new())?.len(), 5);
        assert_eq!(tx.next_due()?, Some(at(10)));
        assert_eq!(tx.parked_by_id(operation(12))?, Some((note("parked"), parked(12))));
        assert_eq!(tx.release(&note("on"))?, 1);
        assert_eq!(tx.earlier_child(&note("on"), 0..100)?, Some((14, note("child"))));
        assert_eq!(tx.counts()?, [(NOTE, Counts { waiting: 4, parked: 1 })]);
        assert_eq!(tx.cursor(&NOTE)?, Some(Cursor::new("anna's")));
        assert_eq!(tx.note("note")?.as_deref(), Some("anna's"));
        Ok(())
    });
}

/// Nor is anything of another principal in a list, a count or a search.
pub fn principals_list_only_their_own(subject: &Subject) {
    let opened = subject.open();
    let (anna, ben) = (Principal::new("anna"), Principal::new("ben"));
    let aside = |key: Option<&str>, text: &str| SetAside {
        entity: NOTE,
        key: key.map(|key| note(key).key),
        item: text.to_owned(),
        error: "it cannot be read".to_owned(),
        since: at(0),
    };
    let (named, nameless) = (aside(Some("bad"), "{}"), aside(None, "[]"));
    let items = [named.clone(), nameless.clone()];
    opened.run_as(&anna, move |tx| {
        tx.put(&note("base"), &known("1"))?;
        tx.put(&note("waiting"), &waiting(5, at(0)))?;
        tx.set_aside(&named)?;
        tx.set_aside(&nameless)
    });
    let everything = || Search { limit: 9, ..Search::default() };
    opened.run_as(&ben, move |tx| {
        assert_eq!(tx.based(&NOTE, None, 9)?, []);
        assert_eq!(tx.kept_count(&NOTE)?, 0);
        assert_eq!(tx.oldest_waiting(&HashSet::new())?, None);
        assert_eq!(tx.find(&NOTE, &everything())?, []);
        assert_eq!(tx.items_aside(&NOTE, 9)?, []);
        // What he forgets, and how much he has, is his own.
        tx.forget_aside(&note("bad"))?;
        (0..KEYLESS_ASIDE).try_for_each(|number| tx.set_aside(&aside(None, &format!("[{number}]"))))
    });
    opened.run_as(&anna, move |tx| {
        assert_eq!(tx.based(&NOTE, None, 9)?, [note("base").key]);
        assert_eq!(tx.kept_count(&NOTE)?, 1);
        assert_eq!(tx.oldest_waiting(&HashSet::new())?, Some((note("waiting"), waiting(5, at(0)))));
        assert_eq!(tx.find(&NOTE, &everything())?.len(), 2);
        assert_eq!(tx.items_aside(&NOTE, 9)?, items);
        Ok(())
    });
}

/// Numbers are never given out twice, whoever gave them out: `last_seq` is at least every number that is stored, also when nobody
/// remembers any more than that.
pub fn the_greatest_number_is_that_of_every_principal(subject: &Subject) {
    let mut opened = subject.open();
    assert_eq!(opened.run(|tx| tx.last_seq()), 0, "a new storage has no operation");
    let queued = |intention| Record { queued: Some(intention), ..Record::default() };
    let coalesced = Intention { revision: 20, ..intention(6) };
    let flight = flight(Intention { revision: 31, ..coalesced.clone() });
    for (principal, name, record, at_least) in [
        ("anna", note("a"), ready(5), 5),
        ("ben", note("a"), waiting(9, at(0)), 9),
        ("anna", task("a"), parked(12), 12),
        ("ben", note("b"), queued(coalesced), 20),
        ("anna", note("b"), Record { flight: Some(flight), ..ready(30) }, 31),
        ("ben", note("c"), queued(Intention { decided: Some(45), ..intention(40) }), 45),
    ] {
        let check = |opened: &Opened| {
            for principal in ["anna", "ben"] {
                let last = opened.run_as(&Principal::new(principal), |tx| tx.last_seq());
                assert!(last >= at_least, "{last} is less than {at_least}, as {principal}");
            }
        };
        opened.run_as(&Principal::new(principal), move |tx| tx.put(&name, &record));
        check(&opened);
        drop(opened);
        opened = subject.reopen().unwrap_or_else(|| subject.open());
        check(&opened);
    }
}
