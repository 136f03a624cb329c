//! What both sides changed is listed, by name and with all three values.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sync::merge::{Kept, Step};
use sync::{Mergeable, Syncable};

use super::text;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Manual)]
#[serde(rename_all = "camelCase")]
struct Note {
    id: u8,
    #[serde(rename = "headline")]
    r#type: String,
    #[sync(merge = Text)]
    long_body: String,
    #[sync(merge = Counter)]
    likes: u32,
    #[sync(merge = Nested)]
    place: Option<Place>,
    #[sync(merge = Map(Counter))]
    stock: BTreeMap<String, u8>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Mergeable)]
struct Place {
    x: u8,
    y: u8,
}

fn note(kind: &str, body: &str, likes: u32, x: u8, apples: u8) -> Note {
    let (r#type, long_body) = (text(kind), text(body));
    let stock = BTreeMap::from([(text("apples"), apples)]);
    Note { id: 1, r#type, long_body, likes, place: Some(Place { x, y: 0 }), stock }
}

#[test]
fn fields_are_listed_in_their_order_by_the_names_that_they_have_in_rust() {
    let merged = Note::merge(
        Some(&note("a", "red car", 1, 1, 1)),
        &note("b", "blue car", 2, 2, 2),
        &note("c", "red house", 3, 3, 3),
    );
    let listed: Vec<_> =
        merged.overlaps.iter().map(|overlap| (overlap.to_string(), overlap.kept())).collect();
    let expected = [
        ("type", Kept::Remote),
        ("long_body", Kept::Both),
        ("likes", Kept::Both),
        ("place.x", Kept::Remote),
        ("stock[\"apples\"]", Kept::Both),
    ];
    assert_eq!(listed, expected.map(|(name, kept)| (text(name), kept)));
    assert!(merged.is_lossy());
}

#[test]
fn an_overlap_has_all_three_values_in_their_own_type() {
    let base = note("a", "", 1, 1, 1);
    let merged = Note::merge(Some(&base), &note("b", "", 2, 2, 1), &note("c", "", 3, 3, 1));
    let kind = merged.overlap(Note::FIELDS.r#type).unwrap();
    assert_eq!((kind.base, kind.local, kind.remote), (Some(text("a")), text("b"), text("c")));
    let likes = merged.overlap(Note::FIELDS.likes).unwrap();
    assert_eq!((likes.base, likes.local, likes.remote), (Some(1), 2, 3));
    let x = merged.overlap(Note::FIELDS.place.then(Place::FIELDS.x)).unwrap();
    assert_eq!((x.base, x.local, x.remote), (Some(1), 2, 3));
    assert_eq!(merged.overlap(Note::FIELDS.long_body), None, "which nobody changed");
    assert_eq!(merged.overlap(Note::FIELDS.place), None, "but a field of it");
}

#[test]
fn an_entry_of_a_map_is_found_by_its_key() {
    let base = note("a", "", 1, 1, 1);
    let without = Note { stock: BTreeMap::new(), ..base.clone() };
    let merged = Note::merge(Some(&base), &without, &note("a", "", 1, 1, 2));
    let [overlap] = &merged.overlaps[..] else { panic!("{merged:?}") };
    let [Step::Field("stock"), Step::Key(key)] = overlap.path() else { panic!("{overlap}") };
    assert_eq!(key.get(), Some(&text("apples")));
    assert_eq!((overlap.base(), overlap.local::<u8>(), overlap.remote()), (Some(&1_u8), None, Some(&2_u8)));
    assert_eq!(overlap.remote::<u32>(), None, "of another type");
}

#[test]
fn a_merge_without_losses_says_so() {
    let merged =
        Note::merge(Some(&note("a", "a b", 1, 1, 1)), &note("a", "c b", 2, 1, 2), &note("a", "a d", 3, 1, 3));
    assert!(!merged.is_lossy());
    assert_eq!(merged.overlaps.len(), 3);
}

#[test]
fn what_is_logged_of_an_overlap_has_no_values_in_it() {
    let merged = Note::merge(None, &note("secret", "", 1, 1, 1), &note("hidden", "", 1, 1, 1));
    assert_eq!(format!("{:?}", merged.overlaps), "[type: Remote]");
}
