//! Policies whose names are a little like those of `sync`.

use serde::{Deserialize, Serialize};
use sync::merge::{Merging, Outcome, Policy, Sides};
use sync::{Mergeable, Syncable};

macro_rules! policies {
    ($($name:ident)*) => {$(
        struct $name;

        impl<F> Policy<F> for $name {
            fn merge(_: Sides<'_, F>, _: &mut Merging) -> Outcome<F> {
                Outcome::Local
            }
        }
    )*};
}

policies!(Best Total Last Count Mix);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/scores", conflict = Merge)]
struct Score {
    id: u8,
    #[sync(merge = Best)]
    best: u8,
    #[sync(merge = Total)]
    total: u8,
    #[sync(merge = Last)]
    last: u8,
    #[sync(merge = Count)]
    count: u8,
    #[sync(merge = Map(Mix))]
    mixed: std::collections::BTreeMap<u8, u8>,
}

sync_ui_tests::in_an_app!(Score);

fn main() {
    let score = |value| Score {
        id: 1,
        best: value,
        total: value,
        last: value,
        count: value,
        mixed: [(1, value)].into(),
    };
    assert_eq!(Score::merge(Some(&score(0)), &score(1), &score(2)).value, score(1));
}
