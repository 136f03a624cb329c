//! What the key of the outbox has room for.

use std::collections::HashSet;

use super::{Fixture, note, queued};
use crate::storage::StorageError;

const LAST: u64 = (1 << 41) - 1;

#[tokio::test]
async fn the_last_place_that_there_is_can_be_taken() {
    let fixture = Fixture::new();
    fixture.run(|tx| tx.put(&note("a"), &queued(LAST))).await.expect("there is room");
    let found = fixture
        .run(|tx| tx.pending(None, Some(LAST - 1), 10, &HashSet::new()))
        .await
        .expect("it can be read");
    assert_eq!(found, [(note("a"), queued(LAST))]);
    let after = fixture
        .run(|tx| tx.pending(None, Some(u64::MAX), 10, &HashSet::new()))
        .await
        .expect("it can be read");
    assert_eq!(after, [], "nothing comes after it, not even in the next lane");
}

#[tokio::test]
async fn a_place_beyond_the_last_is_refused_and_names_the_record() {
    let fixture = Fixture::new();
    match fixture.run(|tx| tx.put(&note("a"), &queued(LAST + 1))).await {
        Err(StorageError::Row { record, .. }) => assert_eq!(record, note("a")),
        other => panic!("{other:?}"),
    }
    assert_eq!(fixture.run(|tx| tx.counts()).await.expect("they can be read"), []);
}
