//! Fields that change together or not at all.

use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use sync::Mergeable;
use sync::merge::Kept;

#[derive(Debug, Clone, PartialEq, Mergeable)]
struct Address {
    #[sync(group = "place")]
    street: u8,
    name: u8,
    #[sync(group = "place")]
    city: u8,
    #[sync(group = "box", merge = Local)]
    post_box: u8,
    #[sync(group = "box")]
    post_office: u8,
}

fn at(street: u8, city: u8) -> Address {
    Address { street, name: 0, city, post_box: 0, post_office: 0 }
}

#[test]
fn street_and_city_are_never_mixed_from_two_sides() {
    let merged = Address::merge(Some(&at(1, 1)), &at(2, 1), &at(1, 2));
    assert_eq!(merged.value, at(1, 2), "the server's, both of them");
    let overlaps: Vec<_> =
        merged.overlaps.iter().map(|overlap| (overlap.to_string(), overlap.kept())).collect();
    assert_eq!(overlaps, [("street".to_owned(), Kept::Remote), ("city".to_owned(), Kept::Remote)]);
}

#[test]
fn a_field_of_a_group_that_is_equal_on_both_sides_is_no_overlap() {
    let merged = Address::merge(Some(&at(1, 1)), &at(2, 5), &at(3, 5));
    assert_eq!(format!("{:?}", merged.overlaps), "[street: Remote]");
}

#[test]
fn a_group_that_one_side_changed_is_taken_from_it_beside_fields_that_the_other_changed() {
    let base = at(1, 1);
    let local = Address { name: 7, ..at(1, 1) };
    let merged = Address::merge(Some(&base), &local, &at(2, 3));
    assert_eq!(merged.value, Address { name: 7, ..at(2, 3) });
    assert!(merged.overlaps.is_empty());
}

#[test]
fn one_field_of_a_group_says_for_all_which_side_is_taken() {
    let base = at(1, 1);
    let local = Address { post_box: 1, ..at(1, 1) };
    let remote = Address { post_office: 2, ..at(1, 1) };
    assert_eq!(Address::merge(Some(&base), &local, &remote).value, local);
    assert_eq!(Address::merge(None, &local, &remote).value, local, "also without an ancestor");
}

#[derive(Debug, Clone, PartialEq, Mergeable)]
struct Dated {
    #[sync(group = "range")]
    from: u8,
    #[sync(group = "range", merge = Latest)]
    to: u8,
    #[sync(updated_at)]
    changed: DateTime<Utc>,
}

#[test]
fn a_group_can_be_taken_from_the_side_that_was_changed_last() {
    let range =
        |from, to, minute| Dated { from, to, changed: DateTime::UNIX_EPOCH + TimeDelta::minutes(minute) };
    let merged = Dated::merge(Some(&range(1, 9, 0)), &range(2, 9, 2), &range(1, 8, 1));
    assert_eq!(merged.value, range(2, 9, 2));
    let merged = Dated::merge(Some(&range(1, 9, 0)), &range(2, 9, 1), &range(1, 8, 2));
    assert_eq!(merged.value, range(1, 8, 2));
}

proptest! {
    #[test]
    fn a_group_is_always_one_that_somebody_wrote(sides in prop::array::uniform6(0_u8..3)) {
        let [a, b, c, d, e, f] = sides;
        let (base, local, remote) = (at(a, b), at(c, d), at(e, f));
        let merged = Address::merge(Some(&base), &local, &remote).value;
        prop_assert!([&local, &remote].contains(&&merged));
        if local != base && remote != base {
            prop_assert_eq!(merged, remote);
        }
    }
}
