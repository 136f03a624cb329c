//! Sets and maps.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use sync::merge::{Counter, Map, Set, Text};

use super::{by, text};

#[test]
fn a_set_has_the_additions_and_removals_of_both_sides() {
    let merged = by::<Set, _>(
        Some(&BTreeSet::from(["milk", "bread", "salt"])),
        &BTreeSet::from(["bread", "salt", "tea"]),
        &BTreeSet::from(["milk", "bread", "rice"]),
    );
    assert_eq!(merged, ["bread", "rice", "tea"].into(), "milk and salt were removed, one on each side");
    let merged =
        by::<Set, _>(Some(&HashSet::from([1, 2, 3])), &HashSet::from([2, 3, 4]), &HashSet::from([1, 2, 5]));
    assert_eq!(merged, [2, 4, 5].into());
}

#[test]
fn a_vec_as_a_set_keeps_the_servers_order_and_puts_this_devices_additions_behind() {
    let merged = by::<Set, _>(Some(&vec![3, 1, 2]), &vec![9, 3, 2, 8], &vec![2, 1, 3, 7]);
    assert_eq!(merged, [2, 3, 7, 9, 8]);
    let merged = by::<Set, _>(Some(&vec![1]), &vec![1, 1, 2], &vec![1, 3, 3]);
    assert_eq!(merged, [1, 3, 2], "each item once");
}

#[test]
fn without_an_ancestor_a_set_has_everything_of_both_sides() {
    assert_eq!(by::<Set, _>(None, &BTreeSet::from([1]), &BTreeSet::from([2])), [1, 2].into());
    assert_eq!(by::<Set, _>(None, &HashSet::from([1]), &HashSet::from([2])), [1, 2].into());
    assert_eq!(by::<Set, _>(None, &vec![1], &vec![2]), [2, 1]);
}

type Stock = BTreeMap<&'static str, u32>;

#[test]
fn a_map_is_merged_key_by_key() {
    let base = Stock::from([("apple", 1), ("pear", 1), ("plum", 1)]);
    let local = Stock::from([("apple", 2), ("pear", 1), ("fig", 5)]);
    let remote = Stock::from([("apple", 3), ("pear", 7), ("plum", 1), ("date", 6)]);
    let merged = by::<Map, _>(Some(&base), &local, &remote);
    assert_eq!(merged, [("apple", 3), ("pear", 7), ("fig", 5), ("date", 6)].into(), "apples: the server's");
    let merged = by::<Map<Counter>, _>(Some(&base), &local, &remote);
    assert_eq!(
        merged,
        [("apple", 4), ("pear", 7), ("fig", 5), ("date", 6)].into(),
        "apples: one more and two more"
    );
}

#[test]
fn an_entry_that_one_side_removed_and_the_other_changed_stays() {
    let base = Stock::from([("apple", 1), ("pear", 1)]);
    let local = Stock::from([("apple", 2)]);
    let remote = Stock::from([("pear", 2)]);
    assert_eq!(by::<Map, _>(Some(&base), &local, &remote), [("apple", 2), ("pear", 2)].into());
}

#[test]
fn without_an_ancestor_a_map_has_every_key_of_both_sides() {
    let (local, remote) =
        (Stock::from([("apple", 2), ("pear", 1)]), Stock::from([("apple", 3), ("plum", 1)]));
    assert_eq!(by::<Map, _>(None, &local, &remote), [("apple", 3), ("pear", 1), ("plum", 1)].into());
}

#[test]
fn the_values_of_a_map_are_merged_by_whatever_rule() {
    type Shelves = HashMap<u8, BTreeMap<u8, String>>;
    let shelf = |book: &str| Shelves::from([(1, BTreeMap::from([(1, text(book))]))]);
    let merged = by::<Map<Map<Text>>, _>(Some(&shelf("a b")), &shelf("a c"), &shelf("d b"));
    assert_eq!(merged, shelf("d c"));
}
