//! Counters: what both sides counted is counted, and what is too much stops at the end.

use std::ops::{Add, Sub};
use std::time::Duration;

use sync::merge::Counter;

use super::by;

#[test]
fn the_changes_of_both_sides_are_added_to_what_it_was() {
    assert_eq!(by::<Counter, _>(Some(&10_u32), &13, &8), 11);
    assert_eq!(by::<Counter, _>(Some(&10_i64), &-5, &9), -6);
    assert_eq!(by::<Counter, _>(Some(&1.5_f64), &2.0, &0.5), 1.0);
    let seconds = Duration::from_secs;
    assert_eq!(by::<Counter, _>(Some(&seconds(60)), &seconds(90), &seconds(45)), seconds(75));
}

#[test]
fn overflow_saturates() {
    assert_eq!(by::<Counter, _>(Some(&250_u8), &254, &253), 255);
    assert_eq!(by::<Counter, _>(Some(&5_u8), &1, &0), 0);
    assert_eq!(by::<Counter, _>(Some(&0_i8), &100, &101), 127);
    assert_eq!(by::<Counter, _>(Some(&0_i8), &-100, &-101), -128);
    assert_eq!(by::<Counter, _>(Some(&i128::MIN), &i128::MAX, &0), i128::MAX);
    assert_eq!(by::<Counter, _>(Some(&i64::MAX), &i64::MIN, &(i64::MAX - 1)), i64::MIN);
    assert_eq!(by::<Counter, _>(Some(&0.0), &f64::MAX, &(f64::MAX / 2.0)), f64::MAX);
    let seconds = Duration::from_secs;
    assert_eq!(by::<Counter, _>(Some(&seconds(60)), &seconds(10), &seconds(20)), Duration::ZERO);
}

#[test]
fn a_sum_that_fits_is_exact_whatever_lies_between() {
    assert_eq!(by::<Counter, _>(Some(&i64::MIN), &i64::MAX, &(i64::MIN + 5)), i64::MAX);
    assert_eq!(by::<Counter, _>(Some(&-100_i8), &100, &-128), 72);
}

/// An amount of money, as decimals are: their own `+` and `-`, which know of no end.
#[derive(Debug, Clone, PartialEq)]
struct Cents(Vec<i64>);

impl Add for Cents {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(vec![self.0[0] + other.0[0]])
    }
}

impl Sub for Cents {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(vec![self.0[0] - other.0[0]])
    }
}

#[test]
fn a_type_like_a_decimal_is_counted_by_its_own_operators() {
    let cents = |cents| Cents(vec![cents]);
    assert_eq!(by::<Counter, _>(Some(&cents(1000)), &cents(1250), &cents(900)), cents(1150));
}

#[test]
fn without_an_ancestor_nobody_knows_what_was_counted_and_the_servers_stands() {
    assert_eq!(by::<Counter, _>(None, &3_u32, &4), 4);
}

#[test]
fn the_same_count_on_both_sides_is_counted_once() {
    assert_eq!(by::<Counter, _>(Some(&2_u32), &3, &3), 3);
}
