//! A disk without room, provoked with a limit on the file's pages.

use std::collections::HashSet;

use futures::future::join_all;

use super::{Fixture, note, open, queued, run};
use crate::record::{Base, Payload, Record};
use crate::storage::StorageError;

fn large() -> Record {
    let value = Payload::encode(&"x".repeat(1_000_000)).expect("a string is JSON");
    Record { base: Some(Base { version: None, value: Some(value) }), ..Record::default() }
}

async fn limit(fixture: &Fixture, more_pages: i64) {
    let work = fixture.with_connection(move |tx| {
        let pages: i64 = tx
            .connection()
            .query_row("PRAGMA page_count", [], |row| row.get(0))
            .expect("the pages can be counted");
        tx.connection()
            .pragma_update_and_check(None, "max_page_count", pages + more_pages, |_| Ok(()))
            .expect("it can be set");
        Ok(())
    });
    work.await.expect("the transaction succeeds");
}

#[tokio::test]
async fn a_full_disk_is_reported_and_nothing_is_lost() {
    let fixture = Fixture::new();
    fixture.run(|tx| tx.put(&note("before"), &queued(1))).await.expect("there is room");
    limit(&fixture, 20).await;
    let full = fixture.run(|tx| {
        tx.put(&note("with it"), &queued(2))?;
        tx.put(&note("large"), &large())
    });
    let full = full.await;
    assert!(matches!(full, Err(StorageError::Full { .. })), "{full:?}");
    fixture.run(|tx| tx.put(&note("small"), &queued(3))).await.expect("there is room for that");
    limit(&fixture, 10_000).await;
    fixture.run(|tx| tx.put(&note("large"), &large())).await.expect("there is room now");

    let path = fixture.folder.path().join("app.db");
    drop(fixture.storage);
    let storage = open(&path);
    let found = run(&storage, |tx| {
        assert_eq!(tx.record(&note("large"))?, Some(large()));
        tx.pending(None, None, 10, &HashSet::new())
    });
    assert_eq!(
        found.await.expect("it can be read"),
        [(note("before"), queued(1)), (note("small"), queued(3))]
    );
}

#[tokio::test]
async fn when_work_hides_that_the_disk_is_full_nothing_of_it_stays() {
    let fixture = Fixture::new();
    limit(&fixture, 20).await;
    let hidden = fixture.run(|tx| {
        tx.put(&note("first"), &queued(1))?;
        let _ = tx.put(&note("large"), &large());
        Ok(())
    });
    let hidden = hidden.await;
    let first = fixture.run(|tx| tx.record(&note("first"))).await.expect("it can be read");
    assert_eq!(first.is_some(), hidden.is_ok(), "{hidden:?}");
}

#[tokio::test]
async fn of_those_who_share_a_commit_nobody_is_told_wrong() {
    let fixture = Fixture::new();
    limit(&fixture, 40).await;
    let works = (1..=100_u64).map(|number| {
        let record = if number % 20 == 10 { large() } else { queued(number) };
        fixture.run(move |tx| tx.put(&note(&number.to_string()), &record))
    });
    let results = join_all(works).await;
    assert!(results.iter().any(Result::is_ok), "small records fit");
    for (number, result) in (1..).zip(results) {
        let stays = fixture.run(move |tx| Ok(tx.record(&note(&i32::to_string(&number)))?.is_some())).await;
        assert_eq!(stays.expect("it can be read"), result.is_ok(), "{number}: {result:?}");
        assert!(matches!(result, Ok(()) | Err(StorageError::Full { .. })), "{number}: {result:?}");
    }
}
