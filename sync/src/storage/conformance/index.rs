//! Records are found by the values of their fields.

use std::ops::Bound;

use super::samples::{NOTE, TASK, known, note, ready, task};
use super::{Opened, Subject};
use crate::record::{Principal, Record, RecordRef};
use crate::storage::{Condition, IndexEntry, IndexValue, Order, Place, Search, StorageError, Transaction};

fn rank(value: impl Into<Option<i64>>) -> IndexEntry {
    let value = value.into().map_or(IndexValue::Null, IndexValue::Integer);
    IndexEntry { field: "rank", value }
}

fn colour(name: &str) -> IndexEntry {
    IndexEntry { field: "colour", value: IndexValue::text(name) }
}

/// Seven notes; two of them without a rank, two with the same.
const SAMPLES: [(&str, Option<i64>, &str); 7] = [
    ("g", Some(30), "red"),
    ("a", Some(20), "blue"),
    ("e", None, "red"),
    ("b", Some(20), "red"),
    ("c", Some(-1), "blue"),
    ("f", None, "blue"),
    ("d", Some(40), "red"),
];

fn enter_samples(opened: &Opened) {
    opened.run(|tx| {
        for (id, number, name) in SAMPLES {
            tx.put(&note(id), &known("1"))?;
            tx.set_index(&note(id), &[rank(number), colour(name)])?;
        }
        Ok(())
    });
}

fn found(opened: &Opened, search: Search) -> String {
    let places = opened.run(move |tx| tx.find(&NOTE, &search));
    places.iter().map(|place| place.key.to_string()).collect()
}

fn at(field: &'static str, low: Bound<IndexValue>, high: Bound<IndexValue>) -> Search {
    Search { conditions: vec![Condition { field, low, high }], limit: 100, ..Search::default() }
}

fn single(field: &'static str, value: IndexValue) -> Search {
    Search { conditions: vec![Condition::equal(field, value)], limit: 100, ..Search::default() }
}

fn number(value: i64) -> IndexValue {
    IndexValue::Integer(value)
}

/// One value, a range with either end, everything that has a value, and nothing.
pub fn records_are_found_by_a_fields_value(subject: &Subject) {
    let opened = subject.open();
    enter_samples(&opened);
    let entry = |IndexEntry { field, value }| single(field, value);
    assert_eq!(found(&opened, entry(rank(20))), "ab");
    assert_eq!(found(&opened, entry(rank(21))), "");
    assert_eq!(found(&opened, entry(rank(None))), "ef");
    assert_eq!(found(&opened, entry(colour("red"))), "bdeg");
    let (in_20, ex_20, in_30) =
        (Bound::Included(number(20)), Bound::Excluded(number(20)), Bound::Included(number(30)));
    assert_eq!(found(&opened, at("rank", in_20.clone(), in_30)), "abg");
    assert_eq!(found(&opened, at("rank", ex_20.clone(), Bound::Unbounded)), "dg");
    assert_eq!(found(&opened, at("rank", Bound::Unbounded, ex_20)), "c");
    assert_eq!(found(&opened, at("rank", Bound::Unbounded, Bound::Unbounded)), "abcdg");
    assert_eq!(found(&opened, Search { limit: 1, ..at("rank", in_20, Bound::Unbounded) }), "a");
    let text = IndexValue::text;
    let (in_blue, ex_blue, ex_red) =
        (Bound::Included(text("blue")), Bound::Excluded(text("blue")), Bound::Excluded(text("red")));
    assert_eq!(found(&opened, at("colour", in_blue, ex_red)), "acf");
    assert_eq!(found(&opened, at("colour", ex_blue, Bound::Unbounded)), "bdeg");
    assert_eq!(found(&opened, at("colour", Bound::Unbounded, Bound::Included(text("green")))), "acf");
}

/// A range that begins or ends with nothing is empty: also records without a value are not in it.
pub fn nothing_is_in_no_range(subject: &Subject) {
    let opened = subject.open();
    enter_samples(&opened);
    let nothing = || [Bound::Included(IndexValue::Null), Bound::Excluded(IndexValue::Null)];
    let ends = || nothing().into_iter().chain([Bound::Included(number(20)), Bound::Unbounded]);
    let order = Some(Order { field: "rank", descending: false });
    for low in ends() {
        for high in ends() {
            let is_one_value =
                matches!((&low, &high), (Bound::Included(low), Bound::Included(high)) if low == high);
            if is_one_value || !nothing().contains(&low) && !nothing().contains(&high) {
                continue;
            }
            let search = at("rank", low.clone(), high.clone());
            assert_eq!(found(&opened, search.clone()), "", "from {low:?} to {high:?}");
            assert_eq!(found(&opened, Search { order, ..search }), "", "from {low:?} to {high:?}, in order");
        }
    }
}

/// All conditions have to hold.
pub fn conditions_are_combined(subject: &Subject) {
    let opened = subject.open();
    enter_samples(&opened);
    let conditions = vec![
        Condition { field: "rank", low: Bound::Included(number(20)), high: Bound::Unbounded },
        Condition::equal("colour", IndexValue::text("red")),
    ];
    let search = Search { conditions, limit: 100, ..Search::default() };
    assert_eq!(found(&opened, search.clone()), "bdg");
    let order = Some(Order { field: "rank", descending: true });
    assert_eq!(found(&opened, Search { order, ..search.clone() }), "dgb");
    let after = Some(Place { value: number(40), key: note("d").key });
    assert_eq!(found(&opened, Search { order, after, ..search }), "gb");
}

/// Also those on one field: each of them narrows what the others leave.
pub fn conditions_on_one_field_are_combined(subject: &Subject) {
    let opened = subject.open();
    enter_samples(&opened);
    let at_least = Condition { field: "rank", low: Bound::Included(number(20)), high: Bound::Unbounded };
    let at_most = Condition { field: "rank", low: Bound::Unbounded, high: Bound::Included(number(30)) };
    let order = Some(Order { field: "rank", descending: false });
    for conditions in [vec![at_least.clone(), at_most.clone()], vec![at_most, at_least.clone()]] {
        let search = Search { conditions, limit: 100, ..Search::default() };
        assert_eq!(found(&opened, search.clone()), "abg");
        assert_eq!(found(&opened, Search { order, ..search }), "abg");
    }
    for other in [number(20), number(-1)] {
        let expected = if other == number(20) { "ab" } else { "" };
        let conditions = vec![at_least.clone(), Condition::equal("rank", other)];
        let search = Search { conditions, limit: 100, ..Search::default() };
        assert_eq!(found(&opened, search), expected);
    }
}

/// Page by page, the same as at once; what has no value comes first, or last.
pub fn a_search_goes_on_after_a_place(subject: &Subject) {
    let opened = subject.open();
    enter_samples(&opened);
    let value = |field: &str, id: &str| {
        let sample = SAMPLES.iter().find(|(sample, ..)| *sample == id);
        let (_, number, name) = sample.expect("only samples were entered");
        if field == "rank" { rank(*number).value } else { colour(name).value }
    };
    for (field, descending, whole) in [
        ("rank", false, "efcabgd"),
        ("rank", true, "dgbacfe"),
        ("colour", false, "acfbdeg"),
        ("colour", true, "gedbfca"),
    ] {
        let order = Some(Order { field, descending });
        for limit in 1..=8 {
            let mut listed = String::new();
            let mut after: Option<Place> = None;
            loop {
                let search = Search { order, after, limit, ..Search::default() };
                let page = opened.run(move |tx| tx.find(&NOTE, &search));
                let Some(last) = page.last().cloned() else { break };
                listed.extend(page.iter().map(|place| place.key.as_str()));
                assert!(listed.len() <= whole.len(), "it goes on and on: {listed}");
                assert_eq!(last.value, value(field, last.key.as_str()), "the place of {}", last.key);
                after = Some(last);
            }
            assert_eq!(listed, whole, "in pages of {limit}, by {field}, descending: {descending}");
        }
    }
    for (field, value, expected) in
        [("rank", number(25), "gd"), ("colour", IndexValue::text("green"), "bdeg")]
    {
        let between = Some(Place { value, key: note("zz").key });
        let order = Some(Order { field, descending: false });
        let search = Search { order, after: between, limit: 9, ..Search::default() };
        assert_eq!(found(&opened, search), expected, "the place need not be that of a record");
    }
}

/// What fits the conditions comes in the order of the ids, page by page, also after an id that is not there.
pub fn a_search_without_an_order_goes_on_after_an_id(subject: &Subject) {
    let opened = subject.open();
    enter_samples(&opened);
    let after = |id: &str| Some(Place { value: IndexValue::Null, key: note(id).key });
    let red = Condition::equal("colour", IndexValue::text("red"));
    let ranked = Condition { field: "rank", low: Bound::Unbounded, high: Bound::Unbounded };
    for (conditions, id, limit, expected) in [
        (vec![red.clone()], "b", 9, "deg"),
        (vec![red.clone()], "b", 2, "de"),
        (vec![red.clone()], "c", 9, "deg"),
        (vec![red.clone()], "g", 9, ""),
        (vec![ranked.clone()], "b", 9, "cdg"),
        (vec![ranked, red], "b", 9, "dg"),
    ] {
        let search = Search { conditions, after: after(id), limit, ..Search::default() };
        assert_eq!(found(&opened, search.clone()), expected, "{search:?}");
    }
}

/// Without conditions and order, everything that anything is known of is found by id.
pub fn every_record_is_listed_by_id(subject: &Subject) {
    let opened = subject.open();
    opened.run(|tx| {
        for id in ["b", "d"] {
            tx.put(&note(id), &known("1"))?;
        }
        tx.put(&note("c"), &Record { base: known("1").base, ..ready(1) })?;
        tx.put(&note("a"), &ready(2))?;
        tx.put(&task("x"), &known("1"))
    });
    let after = |id: &str| Some(Place { value: IndexValue::Null, key: note(id).key });
    assert_eq!(found(&opened, Search { limit: 9, ..Search::default() }), "abcd");
    assert_eq!(found(&opened, Search { limit: 2, ..Search::default() }), "ab");
    assert_eq!(found(&opened, Search { limit: 9, after: after("b"), ..Search::default() }), "cd");
    assert_eq!(opened.run(|tx| tx.kept_count(&NOTE)), 3);
    assert_eq!(opened.run(|tx| tx.kept_count(&TASK)), 1);
}

/// A record is where its newest values put it, and nowhere once it has none.
pub fn entering_again_moves_a_record(subject: &Subject) {
    let opened = subject.open();
    enter_samples(&opened);
    opened.run(|tx| {
        tx.set_index(&note("a"), &[rank(99), colour("red")])?;
        tx.set_index(&note("b"), &[])?;
        tx.set_index(&note("unknown"), &[])
    });
    let any = || at("rank", Bound::Unbounded, Bound::Unbounded);
    let order = Some(Order { field: "rank", descending: false });
    assert_eq!(found(&opened, Search { order, ..any() }), "cgda");
    assert_eq!(found(&opened, single("colour", IndexValue::text("blue"))), "cf");
}

/// Numbers and texts come back in the order that [`IndexValue`] says, and each is found by itself and no other.
pub fn values_keep_their_order(subject: &Subject) {
    let opened = subject.open();
    let values = [
        IndexValue::Null,
        IndexValue::real(f64::NEG_INFINITY),
        IndexValue::Integer(i64::MIN),
        IndexValue::real(-0.5),
        IndexValue::Bool(false),
        IndexValue::real(0.5),
        IndexValue::Bool(true),
        IndexValue::Integer(9_007_199_254_740_992),
        IndexValue::Integer(9_007_199_254_740_993),
        IndexValue::Integer(i64::MAX),
        IndexValue::real(1e300),
        IndexValue::text(""),
        IndexValue::text("B"),
        IndexValue::text("a"),
        IndexValue::text("ä"),
    ];
    assert!(values.is_sorted());
    // The ids go the other way, so that what is taken for the same comes in another order.
    let entries: Vec<_> = ('a'..='z').rev().map(String::from).zip(values).collect();
    let entered = entries.clone();
    opened.run(move |tx| {
        let enter =
            |(id, value): (String, _)| tx.set_index(&note(&id), &[IndexEntry { field: "any", value }]);
        entered.into_iter().try_for_each(enter)
    });
    let order = |descending| Some(Order { field: "any", descending });
    let all = |descending| Search { order: order(descending), limit: 99, ..Search::default() };
    assert_eq!(found(&opened, all(false)), "zyxwvutsrqponml");
    assert_eq!(found(&opened, all(true)), "lmnopqrstuvwxyz");
    for (id, value) in entries {
        assert_eq!(found(&opened, single("any", value.clone())), id, "{value:?}");
    }
    assert_eq!(found(&opened, single("any", number(1))), "t", "yes is the number 1");
}

/// A transaction searches what it has entered, moved and taken out itself.
pub fn a_transaction_finds_what_it_entered(subject: &Subject) {
    let opened = subject.open();
    enter_samples(&opened);
    opened.run(|tx| {
        let search = || Search {
            conditions: vec![Condition::equal("colour", IndexValue::text("red"))],
            order: Some(Order { field: "rank", descending: false }),
            limit: 9,
            ..Search::default()
        };
        let found = |tx: &mut dyn Transaction| {
            let places = tx.find(&NOTE, &search())?;
            Ok::<_, StorageError>(places.iter().map(|place| place.key.as_str()).collect::<String>())
        };
        tx.put(&note("new"), &ready(1))?;
        tx.set_index(&note("new"), &[rank(35), colour("red")])?;
        tx.set_index(&note("a"), &[rank(20), colour("red")])?;
        tx.set_index(&note("b"), &[])?;
        assert_eq!(found(tx)?, "eagnewd");
        let everything = tx.find(&NOTE, &Search { limit: 99, ..Search::default() })?;
        assert_eq!(everything.len(), 8, "the new record is listed, too");
        tx.clear_index(&NOTE)?;
        assert_eq!(found(tx)?, "");
        tx.set_index(&note("c"), &[rank(1), colour("red")])?;
        assert_eq!(found(tx)?, "c");
        Ok(())
    });
}

/// What fails leaves the index as it was.
pub fn a_failure_leaves_the_index_as_it_was(subject: &Subject) {
    let opened = subject.open();
    enter_samples(&opened);
    let failed = opened.try_run::<()>(&Principal::default(), |tx| {
        tx.set_index(&note("a"), &[rank(1000), colour("red")])?;
        tx.set_index(&note("b"), &[])?;
        tx.set_index(&note("z"), &[rank(1), colour("red")])?;
        tx.clear_index(&NOTE)?;
        Err(StorageError::Aborted)
    });
    assert!(failed.is_err());
    let order = Some(Order { field: "rank", descending: false });
    assert_eq!(found(&opened, Search { order, limit: 99, ..Search::default() }), "efcabgd");
}

/// An index that was emptied to be entered anew is whole again when that comes to nothing.
pub fn a_cleared_index_comes_back_with_a_failure(subject: &Subject) {
    let opened = subject.open();
    enter_samples(&opened);
    let failed = opened.try_run::<()>(&Principal::default(), |tx| {
        tx.clear_index(&NOTE)?;
        tx.set_index(&note("a"), &[rank(1000), colour("red")])?;
        Err(StorageError::Aborted)
    });
    assert!(failed.is_err());
    let order = Some(Order { field: "rank", descending: false });
    assert_eq!(found(&opened, Search { order, limit: 99, ..Search::default() }), "efcabgd");
    assert_eq!(found(&opened, single("colour", IndexValue::text("blue"))), "acf");
}

/// The index of one entity of one account is nobody else's.
pub fn indexes_are_kept_apart(subject: &Subject) {
    let opened = subject.open();
    enter_samples(&opened);
    let other = Principal::new("other");
    let enter = |name: RecordRef| move |tx: &mut dyn Transaction| tx.set_index(&name, &[rank(20)]);
    opened.run_as(&other, enter(note("o")));
    opened.run(enter(task("t")));
    let search =
        || Search { conditions: vec![Condition::equal("rank", number(20))], limit: 9, ..Search::default() };
    assert_eq!(found(&opened, search()), "ab");
    opened.run(|tx| tx.clear_index(&NOTE));
    assert_eq!(found(&opened, search()), "");
    let of_task = opened.run(move |tx| tx.find(&TASK, &search()));
    assert_eq!(of_task, [Place { value: IndexValue::Null, key: task("t").key }]);
    let of_other = opened.run_as(&other, move |tx| tx.find(&NOTE, &search()));
    assert_eq!(of_other, [Place { value: IndexValue::Null, key: note("o").key }]);
}

/// What was entered is found when the storage is opened again, and moved.
pub fn the_index_is_there_after_reopening(subject: &Subject) {
    let opened = subject.open();
    enter_samples(&opened);
    drop(opened);
    let Some(reopened) = subject.reopen() else { return };
    let order = Some(Order { field: "rank", descending: false });
    let by_rank = || Search { order, limit: 9, ..Search::default() };
    assert_eq!(found(&reopened, by_rank()), "efcabgd");
    assert_eq!(found(&reopened, single("colour", IndexValue::text("blue"))), "acf");
    reopened.run(|tx| tx.set_index(&note("a"), &[rank(99), colour("red")]));
    assert_eq!(found(&reopened, by_rank()), "efcbgda");
    assert_eq!(found(&reopened, single("colour", IndexValue::text("blue"))), "cf");
}
