//! A struct with a field for every policy.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use sync::{Mergeable, Syncable};

use super::text;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/items", conflict = Merge)]
struct Item {
    id: u8,
    unmarked: u8,
    #[sync(merge = Remote)]
    remote: u8,
    #[sync(merge = Local)]
    local: u8,
    #[sync(merge = Latest)]
    latest: u8,
    updated_at: DateTime<Utc>,
    #[sync(merge = Max)]
    most: u8,
    #[sync(merge = Min)]
    least: u8,
    #[sync(merge = Counter)]
    count: u8,
    #[sync(merge = Set)]
    tags: BTreeSet<u8>,
    #[sync(merge = Map(Counter))]
    stock: BTreeMap<u8, u8>,
    #[sync(merge = Text)]
    note: String,
    #[sync(merge = Nested)]
    place: Option<Place>,
    #[sync(merge_with = longer)]
    about: String,
    #[sync(group = "range")]
    from: u8,
    #[sync(group = "range")]
    to: u8,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Mergeable)]
struct Place {
    #[sync(merge = Counter)]
    floor: i8,
    #[sync(merge = Nested)]
    spot: Spot,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Mergeable)]
struct Spot {
    x: u8,
    y: u8,
}

fn longer(base: &String, local: &String, remote: &String) -> String {
    [local, remote].into_iter().max_by_key(|text| text.len()).unwrap_or(base).clone()
}

fn place() -> impl Strategy<Value = Place> {
    (0_i8..9, 0_u8..3, 0_u8..3).prop_map(|(floor, x, y)| Place { floor, spot: Spot { x, y } })
}

fn minute(minute: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::minutes(minute)
}

prop_compose! {
    fn item()(
        numbers in prop::array::uniform9(0_u8..4),
        at in 0_i64..4,
        tags in prop::collection::btree_set(0_u8..4, 0..4),
        stock in prop::collection::btree_map(0_u8..3, 0_u8..4, 0..3),
        (note, about) in ("[ab \n]{0,6}", "[ab]{0,2}"),
        place in prop::option::of(place()),
    ) -> Item {
        let [unmarked, remote, local, latest, most, least, count, from, to] = numbers;
        let updated_at = minute(at);
        Item { id: 1, unmarked, remote, local, latest, updated_at, most, least, count, tags, stock, note, place, about, from, to }
    }
}

proptest! {
    #[test]
    fn a_derived_merge_keeps_the_laws(b in item(), x in item(), y in item()) {
        let merge = |b: &Item, x: &Item, y: &Item| Item::merge(Some(b), x, y).value;
        prop_assert_eq!(&merge(&b, &x, &b), &x);
        prop_assert_eq!(&merge(&b, &b, &y), &y);
        prop_assert_eq!(&merge(&b, &x, &x), &x);
        prop_assert_eq!(&Item::merge(None, &x, &x).value, &x);
        for (first, second) in [(&x, &y), (&y, &x)] {
            let merged = merge(&b, second, first);
            prop_assert_eq!(&merge(first, first, &merged), &merged, "the first device takes what the second one sent");
            prop_assert!([(x.from, x.to), (y.from, y.to)].contains(&(merged.from, merged.to)) || [b.from, b.to] == [merged.from, merged.to]);
        }
    }

    #[test]
    fn what_only_one_side_changed_is_no_overlap(b in item(), x in item()) {
        prop_assert!(Item::merge(Some(&b), &x, &b).overlaps.is_empty());
        prop_assert!(Item::merge(Some(&b), &b, &x).overlaps.is_empty());
        prop_assert!(Item::merge(Some(&b), &x, &x).overlaps.is_empty());
        prop_assert!(Item::merge(None, &x, &x).overlaps.is_empty());
    }

    /// Fields whose merge does not depend on the order come to the same, whichever device was first.
    #[test]
    fn a_derived_merge_depends_on_the_order_only_where_its_policies_do(b in item(), x in item(), y in item()) {
        let one = Item::merge(Some(&b), &x, &y).value;
        let other = Item::merge(Some(&b), &y, &x).value;
        prop_assert_eq!((one.most, one.least, one.count, one.tags), (other.most, other.least, other.count, other.tags));
        prop_assert_eq!(one.updated_at, other.updated_at);
        prop_assert!(x.updated_at == y.updated_at || one.latest == other.latest);
    }
}

fn plain() -> Item {
    Item {
        id: 1,
        unmarked: 0,
        remote: 0,
        local: 0,
        latest: 0,
        updated_at: minute(0),
        most: 5,
        least: 5,
        count: 5,
        tags: [1].into(),
        stock: [(1, 5)].into(),
        note: text("red car"),
        place: Some(Place { floor: 1, spot: Spot { x: 1, y: 1 } }),
        about: text(""),
        from: 1,
        to: 9,
    }
}

#[test]
fn each_field_follows_its_own_policy() {
    let place = |floor, x, y| Some(Place { floor, spot: Spot { x, y } });
    let local = Item {
        unmarked: 1,
        remote: 1,
        local: 1,
        latest: 1,
        updated_at: minute(2),
        most: 6,
        least: 6,
        count: 6,
        tags: [1, 2].into(),
        stock: [(1, 6)].into(),
        note: text("blue car"),
        place: place(2, 2, 1),
        about: text("long"),
        from: 2,
        ..plain()
    };
    let remote = Item {
        unmarked: 2,
        remote: 2,
        local: 2,
        latest: 2,
        updated_at: minute(1),
        most: 7,
        least: 7,
        count: 7,
        tags: [3].into(),
        stock: [(1, 7)].into(),
        note: text("red house"),
        place: place(3, 1, 2),
        about: text("in"),
        to: 8,
        ..plain()
    };
    let expected = Item {
        id: 1,
        unmarked: 2,
        remote: 2,
        local: 1,
        latest: 1,
        updated_at: minute(2),
        most: 7,
        least: 6,
        count: 8,
        tags: [2, 3].into(),
        stock: [(1, 8)].into(),
        note: text("blue house"),
        place: place(4, 2, 2),
        about: text("long"),
        from: 1,
        to: 8,
    };
    assert_eq!(Item::merge(Some(&plain()), &local, &remote).value, expected);
}

#[test]
fn without_an_ancestor_everything_that_differs_was_changed_by_both() {
    let local = Item { unmarked: 1, count: 9, tags: [2].into(), about: text("long"), from: 3, ..plain() };
    let remote = Item { unmarked: 2, to: 7, ..plain() };
    let merged = Item::merge(None, &local, &remote);
    let expected =
        Item { unmarked: 2, count: 5, tags: [1, 2].into(), about: text(""), from: 1, to: 7, ..plain() };
    assert_eq!(merged.value, expected);
    let names: Vec<_> = merged.overlaps.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["unmarked", "count", "tags", "about", "from", "to"]);
}

#[test]
fn the_merged_record_carries_the_time_of_what_was_latest() {
    let at = |minute_, latest| Item { updated_at: minute(minute_), latest, ..plain() };
    let merged = |local, remote| Item::merge(Some(&plain()), &local, &remote).value;
    assert_eq!(merged(at(3, 1), at(2, 2)), at(3, 1));
    assert_eq!(merged(at(2, 1), at(3, 2)), at(3, 2));
    assert_eq!(merged(at(3, 1), at(3, 2)), at(3, 2), "the server's on a tie");
}
