//! Structs in structs, in options, in boxes and in maps.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use sync::Mergeable;
use sync::merge::Kept;

#[derive(Debug, Clone, PartialEq, Mergeable)]
struct Person {
    #[sync(merge = Nested)]
    home: Address,
    #[sync(merge = Nested)]
    work: Option<Address>,
    #[sync(merge = Nested)]
    lease: Option<Lease>,
    #[sync(merge = Nested)]
    boss: Option<Box<Person>>,
    #[sync(merge = Map(Nested))]
    others: HashMap<u8, Address>,
    #[sync(merge = Map(Nested))]
    leases: HashMap<u8, Lease>,
}

#[derive(Debug, Clone, PartialEq, Mergeable)]
struct Address {
    street: u8,
    #[sync(merge = Counter)]
    bells: u8,
}

/// Dated by itself, whatever is around it.
#[derive(Debug, Clone, PartialEq, Mergeable)]
struct Entry {
    #[sync(merge = Latest)]
    text: u8,
    #[sync(merge = Map(Latest))]
    marks: BTreeMap<u8, u8>,
    updated_at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Mergeable)]
struct Diary {
    #[sync(merge = Map(Nested))]
    entries: BTreeMap<u8, Entry>,
    #[sync(merge = Latest)]
    title: u8,
    updated_at: DateTime<Utc>,
}

#[test]
fn a_struct_inside_compares_its_own_times() {
    let minute = |minute| DateTime::UNIX_EPOCH + TimeDelta::minutes(minute);
    let diary = |title, dated, text, written| {
        let entry = Entry { text, marks: BTreeMap::from([(1, text)]), updated_at: minute(written) };
        Diary { entries: BTreeMap::from([(1, entry)]), title, updated_at: minute(dated) }
    };
    let merged = Diary::merge(Some(&diary(0, 0, 0, 0)), &diary(1, 2, 1, 1), &diary(2, 1, 2, 2));
    assert_eq!(merged.value, diary(1, 2, 2, 2), "the title from here, the entry from there");
}

#[derive(Debug, Clone, PartialEq, Mergeable)]
#[sync(on_delete = Delete)]
struct Lease {
    rent: u8,
}

fn address(street: u8, bells: u8) -> Address {
    Address { street, bells }
}

fn person() -> Person {
    Person {
        home: address(0, 0),
        work: None,
        lease: None,
        boss: None,
        others: HashMap::new(),
        leases: HashMap::new(),
    }
}

#[test]
fn a_nested_struct_is_merged_field_by_field_in_turn() {
    let at = |street, bells| Person { home: address(street, bells), ..person() };
    assert_eq!(Person::merge(Some(&person()), &at(1, 1), &at(0, 2)).value, at(1, 3));
    let works = |street, bells| Person { work: Some(address(street, bells)), ..person() };
    assert_eq!(Person::merge(Some(&works(0, 0)), &works(1, 1), &works(0, 2)).value, works(1, 3));
    let boss = |boss: Person| Person { boss: Some(Box::new(boss)), ..person() };
    let merged = Person::merge(Some(&boss(at(0, 0))), &boss(at(1, 1)), &boss(at(2, 2)));
    assert_eq!(merged.value, boss(at(2, 3)));
    assert_eq!(format!("{:?}", merged.overlaps), "[boss.home.street: Remote, boss.home.bells: Both]");
}

#[test]
fn an_option_that_one_side_emptied_and_the_other_changed_keeps_the_edit_unless_the_type_says_otherwise() {
    let works = |street| Person { work: Some(address(street, 0)), ..person() };
    let merged = Person::merge(Some(&works(1)), &person(), &works(2));
    assert_eq!(merged.value, works(2));
    let both = merged.overlap(Person::FIELDS.work).unwrap();
    assert_eq!((both.base, both.local, both.remote), (Some(works(1).work), None, works(2).work));
    assert_eq!(Person::merge(Some(&works(1)), &works(2), &person()).value, works(2));

    let leases = |rent| Person { lease: Some(Lease { rent }), ..person() };
    assert_eq!(Person::merge(Some(&leases(1)), &person(), &leases(2)).value, person());
    assert_eq!(Person::merge(Some(&leases(1)), &leases(2), &person()).value, person());
    assert_eq!(Person::merge(Some(&leases(1)), &leases(1), &person()).value, person(), "nobody edited it");
}

/// Nobody has emptied anything: one side may know of it, and the other not yet.
#[test]
fn an_option_without_an_ancestor_keeps_what_one_side_filled_in() {
    let leases = |rent| Person { lease: Some(Lease { rent }), ..person() };
    assert_eq!(Person::merge(None, &leases(1), &person()).value, leases(1));
    assert_eq!(Person::merge(None, &person(), &leases(1)).value, leases(1));
}

#[test]
fn an_option_that_both_sides_filled_in_has_no_ancestor() {
    let works = |street, bells| Person { work: Some(address(street, bells)), ..person() };
    assert_eq!(Person::merge(Some(&person()), &works(1, 1), &works(2, 2)).value, works(2, 2));
    assert_eq!(Person::merge(Some(&person()), &works(1, 1), &person()).value, works(1, 1));
}

#[test]
fn the_values_of_a_map_are_merged_field_by_field() {
    let lives = |street, bells| Person { others: HashMap::from([(7, address(street, bells))]), ..person() };
    let merged = Person::merge(Some(&lives(0, 0)), &lives(1, 1), &lives(2, 2));
    assert_eq!(merged.value, lives(2, 3));
    assert_eq!(format!("{:?}", merged.overlaps), "[others[7].street: Remote, others[7].bells: Both]");
}

#[test]
fn an_entry_that_one_side_removed_goes_if_its_type_says_so() {
    let leases = |rent| Person { leases: HashMap::from([(7, Lease { rent })]), ..person() };
    let merged = Person::merge(Some(&leases(1)), &leases(2), &person());
    assert_eq!(merged.value, person());
    assert_eq!(merged.overlaps[0].kept(), Kept::Remote);
    let lives = |street| Person { others: HashMap::from([(7, address(street, 0))]), ..person() };
    assert_eq!(Person::merge(Some(&lives(1)), &lives(2), &person()).value, lives(2));
}
