//! The laws, for every policy: what one side did is taken, what both did alike is done once, and two devices that merge each
//! other's edits end equal.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Debug;
use std::rc::Rc;

use proptest::collection::{btree_map, btree_set, hash_map, hash_set, vec};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseResult, TestRunner};
use sync::merge::{Counter, Latest, Local, Map, Max, MergeSet, Min, Policy, Remote, Set, Text};

use super::by;

/// Sets in maps in maps.
type Deep = BTreeMap<u8, BTreeMap<u8, HashSet<u8>>>;

type Merge<F> = Rc<dyn Fn(Option<&F>, &F, &F) -> F>;

/// Plays a property with three values, of which two are often equal.
fn play<F, S>(values: S, property: impl Fn(&F, &F, &F) -> TestCaseResult)
where
    F: Debug + Clone,
    S: Strategy<Value = F>,
{
    let sides = vec(values, 3).prop_flat_map(|values| {
        let pick = || 0..values.len();
        let values = values.clone();
        (pick(), pick(), pick())
            .prop_map(move |(b, l, r)| (values[b].clone(), values[l].clone(), values[r].clone()))
    });
    TestRunner::new(Config::with_cases(512))
        .run(&sides, |(base, local, remote)| property(&base, &local, &remote))
        .unwrap_or_else(|failure| panic!("{failure}"));
}

fn merge_keeps_the_laws<F>(values: impl Strategy<Value = F>, merge: &Merge<F>)
where
    F: PartialEq + Clone + Debug,
{
    play(values, |b, x, y| {
        prop_assert_eq!(&merge(Some(b), x, b), x, "what only this device changed");
        prop_assert_eq!(&merge(Some(b), b, y), y, "what only the server's side changed");
        prop_assert_eq!(&merge(Some(b), x, x), x, "what both changed alike");
        prop_assert_eq!(&merge(None, x, x), x, "what both made alike");
        let [first, second] = two_devices(merge, b, x, y);
        prop_assert_eq!(first, second, "the two devices end equal");
        Ok(())
    });
}

/// The edit of the first device reaches the server, the second one merges and sends what came out, and the first one, which
/// has nothing to send, takes that. What each device ends with.
fn two_devices<F: PartialEq + Clone>(merge: &Merge<F>, base: &F, first: &F, second: &F) -> [F; 2] {
    let server = first.clone();
    let merged = merge(Some(base), second, &server);
    let (server, second) = (merged.clone(), merged);
    let first = merge(Some(first), first, &server);
    [first, second]
}

/// Whichever write reaches the server first, the same comes out.
fn the_order_makes_no_difference<F>(values: impl Strategy<Value = F>, merge: &Merge<F>)
where
    F: PartialEq + Clone + Debug,
{
    play(values, |b, x, y| {
        prop_assert_eq!(two_devices(merge, b, x, y), two_devices(merge, b, y, x));
        prop_assert_eq!(merge(None, x, y), merge(None, y, x), "also without an ancestor");
        Ok(())
    });
}

fn policy<P: Policy<F> + 'static, F: PartialEq + Clone + Send + Sync + 'static>() -> Merge<F> {
    Rc::new(by::<P, F>)
}

/// With an ancestor the order makes no difference; without one the server's side stands.
fn the_order_makes_no_difference_to_an_edit<F>(values: impl Strategy<Value = F>, merge: &Merge<F>)
where
    F: PartialEq + Clone + Debug,
{
    play(values, |b, x, y| {
        prop_assert_eq!(two_devices(merge, b, x, y), two_devices(merge, b, y, x));
        prop_assert_eq!(&merge(None, x, y), y);
        Ok(())
    });
}

fn words() -> impl Strategy<Value = String> {
    let sign = prop::sample::select(vec!["a", "b", "milk", " ", "\n", ",", "ä", "\r\n", "日本"]);
    vec(sign, 0..12).prop_map(|signs| signs.concat())
}

fn items() -> impl Strategy<Value = Vec<u8>> {
    vec(0_u8..6, 0..6)
        .prop_map(|items| items.into_iter().collect::<BTreeSet<_>>().into_iter().rev().collect())
}

#[test]
fn of_a_field_without_a_policy_and_of_one_that_prefers_a_side() {
    merge_keeps_the_laws(any::<u8>(), &policy::<Remote, u8>());
    merge_keeps_the_laws(any::<u8>(), &policy::<Local, u8>());
    merge_keeps_the_laws(any::<u8>(), &policy::<Latest, u8>());
}

#[test]
fn of_max_and_min_in_any_order() {
    for merge in [policy::<Max, i32>(), policy::<Min, i32>()] {
        merge_keeps_the_laws(any::<i32>(), &merge);
        the_order_makes_no_difference(any::<i32>(), &merge);
    }
}

macro_rules! counts {
    ($($T:ty),*) => {
        $({
            merge_keeps_the_laws(any::<$T>(), &policy::<Counter, $T>());
            the_order_makes_no_difference_to_an_edit(any::<$T>(), &policy::<Counter, $T>());
        })*
    };
}

#[test]
fn of_a_counter_in_any_order_and_at_the_ends_of_its_range() {
    counts!(u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize);
    counts!(f32, f64); // NaN is not among them
}

#[test]
fn of_a_set_in_any_order() {
    let merge = policy::<Set, BTreeSet<u8>>();
    merge_keeps_the_laws(btree_set(0_u8..6, 0..6), &merge);
    the_order_makes_no_difference(btree_set(0_u8..6, 0..6), &merge);
    let merge = policy::<Set, HashSet<u8>>();
    merge_keeps_the_laws(hash_set(0_u8..6, 0..6), &merge);
    the_order_makes_no_difference(hash_set(0_u8..6, 0..6), &merge);
}

#[test]
fn of_a_vec_as_a_set_whose_order_alone_depends_on_that_of_the_writes() {
    let merge = policy::<Set, Vec<u8>>();
    merge_keeps_the_laws(items(), &merge);
    merge_keeps_the_laws(vec(0_u8..4, 0..6), &merge);
    play(items(), |b, x, y| {
        let set = |items: &Vec<u8>| items.iter().copied().collect::<BTreeSet<_>>();
        let [one, _] = two_devices(&merge, b, x, y);
        let [other, _] = two_devices(&merge, b, y, x);
        prop_assert_eq!(set(&one), set(&other));
        prop_assert_eq!(set(&merge(Some(b), x, y)), BTreeSet::merge_set(Some(&set(b)), &set(x), &set(y)));
        Ok(())
    });
}

#[test]
fn of_a_map_in_any_order_if_its_values_are() {
    let values = || btree_map(0_u8..4, 0_u8..4, 0..4);
    merge_keeps_the_laws(values(), &policy::<Map, BTreeMap<u8, u8>>());
    merge_keeps_the_laws(values(), &policy::<Map<Counter>, BTreeMap<u8, u8>>());
    merge_keeps_the_laws(values(), &policy::<Map<Max>, BTreeMap<u8, u8>>());
    the_order_makes_no_difference(values(), &policy::<Map<Max>, BTreeMap<u8, u8>>());
    play(values(), |b, x, y| {
        let merge = policy::<Map<Counter>, BTreeMap<u8, u8>>();
        // What both sides added has no ancestor of its own.
        let added = x.keys().any(|key| y.contains_key(key) && !b.contains_key(key));
        prop_assert!(added || two_devices(&merge, b, x, y) == two_devices(&merge, b, y, x));
        Ok(())
    });
    let values = || hash_map(0_u8..4, 0_u8..4, 0..4);
    merge_keeps_the_laws(values(), &policy::<Map<Min>, HashMap<u8, u8>>());
    the_order_makes_no_difference(values(), &policy::<Map<Min>, HashMap<u8, u8>>());
    let values = || btree_map(0_u8..3, btree_map(0_u8..3, hash_set(0_u8..3, 0..3), 0..3), 0..3);
    merge_keeps_the_laws(values(), &policy::<Map<Map<Set>>, Deep>());
    the_order_makes_no_difference(values(), &policy::<Map<Map<Set>>, Deep>());
}

#[test]
fn of_a_text_in_any_order_unless_both_wrote_at_the_same_place() {
    let merge = policy::<Text, String>();
    merge_keeps_the_laws(words(), &merge);
    merge_keeps_the_laws(prop::option::of(words()), &policy::<Text, Option<String>>());
    play(words(), |b, x, y| {
        let mut merging = sync::merge::Merging::default();
        let sides = sync::merge::Sides::new(Some(b), x, y);
        if let sync::merge::Outcome::Both(merged) = <Text as Policy<String>>::merge(sides, &mut merging) {
            prop_assert_eq!(merged, merge(Some(b), y, x));
        }
        Ok(())
    });
}
