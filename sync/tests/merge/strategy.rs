//! `conflict = Merge` as a strategy: who wins, an edit or a deletion.

use futures::executor::block_on;
use serde::{Deserialize, Serialize};
use sync::{Conflict, Merge, Resolution, Strategy, Syncable};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/kept", conflict = Merge)]
struct Kept {
    id: u8,
    #[sync(merge = Counter)]
    count: u8,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/gone", conflict = Merge, on_delete = Delete)]
struct Gone {
    id: u8,
    #[sync(merge = Counter)]
    count: u8,
}

fn answer<T>(base: T, local: Option<T>, remote: Option<T>) -> Resolution<T>
where
    T: Syncable<Id = u8>,
    Merge: Strategy<(), T>,
{
    block_on(Merge::resolve(&(), Conflict::new(1, Some(base), local, remote))).unwrap()
}

#[test]
fn an_edit_wins_over_a_deletion_on_the_other_side() {
    let kept = |count| Kept { id: 1, count };
    assert_eq!(answer(kept(1), Some(kept(2)), None), Resolution::KeepLocal);
    assert_eq!(answer(kept(1), None, Some(kept(2))), Resolution::TakeRemote);
    assert_eq!(answer(kept(1), Some(kept(2)), Some(kept(3))), Resolution::Merged(kept(4)));
}

#[test]
fn a_deletion_wins_over_an_edit_on_the_other_side_if_the_struct_says_so() {
    let gone = |count| Gone { id: 1, count };
    assert_eq!(answer(gone(1), Some(gone(2)), None), Resolution::TakeRemote);
    assert_eq!(answer(gone(1), None, Some(gone(2))), Resolution::Delete);
    assert_eq!(answer(gone(1), Some(gone(2)), Some(gone(3))), Resolution::Merged(gone(4)));
}
