//! Policies that take a side, and those that compare the two.

use sync::merge::{Latest, Local, Max, Min, Remote, Sides};

use super::by;

#[test]
fn what_both_changed_is_the_servers_without_a_policy_and_with_remote() {
    assert_eq!(by::<Remote, _>(Some(&1), &2, &3), 3);
    assert_eq!(by::<Remote, _>(None, &2, &3), 3);
}

#[test]
fn what_both_changed_is_this_devices_with_local() {
    assert_eq!(by::<Local, _>(Some(&1), &2, &3), 2);
    assert_eq!(by::<Local, _>(None, &2, &3), 2);
}

#[test]
fn what_both_changed_is_the_greater_or_the_smaller_with_max_and_min() {
    assert_eq!((by::<Max, _>(Some(&1), &2, &3), by::<Max, _>(Some(&1), &3, &2)), (3, 3));
    assert_eq!((by::<Min, _>(Some(&9), &2, &3), by::<Min, _>(Some(&9), &3, &2)), (2, 2));
    assert_eq!(by::<Max, _>(Some(&5), &5, &3), 3, "which only the server's side changed");
}

#[test]
fn what_nothing_dates_is_latest_on_the_servers_side() {
    assert_eq!(by::<Latest, _>(Some(&1), &2, &3), 3);
    let early = chrono::DateTime::UNIX_EPOCH;
    let late = early + chrono::TimeDelta::minutes(1);
    let sides = Sides::new(Some(&1), &2, &3);
    assert_eq!(sides.dated(&late, &early).later(), sync::merge::Side::Local);
    assert_eq!(sides.dated(&late, &late).later(), sync::merge::Side::Remote, "on a tie");
}
