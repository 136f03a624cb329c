//! The user's own statements, in one transaction with records.

use std::collections::HashSet;

use tokio::task::JoinSet;

use super::fresh::{get, path};
use super::{Fixture, SqliteTransaction, note, open, queued};
use crate::record::Principal;
use crate::storage::{self, StorageError, Transaction};

async fn with_table() -> Fixture {
    let fixture = Fixture::new();
    fixture.sql("CREATE TABLE tasks (title TEXT NOT NULL)").await;
    fixture
}

async fn tasks(fixture: &Fixture) -> i64 {
    let count = fixture.with_connection(|tx| {
        let count = tx.connection().query_row("SELECT count(*) FROM tasks", [], |row| row.get(0));
        Ok(count.expect("the table can be read"))
    });
    count.await.expect("the transaction succeeds")
}

async fn records(fixture: &Fixture) -> usize {
    fixture
        .run(|tx| Ok(tx.pending(None, None, 1000, &HashSet::new())?.len()))
        .await
        .expect("the transaction succeeds")
}

fn insert(tx: &SqliteTransaction<'_>) {
    tx.run_sql("INSERT INTO tasks VALUES ('buy milk')");
}

/// Keeps the tests short.
trait HasConnection {
    fn run_sql(&self, sql: &str);
}

impl HasConnection for SqliteTransaction<'_> {
    fn run_sql(&self, sql: &str) {
        self.connection().execute_batch(sql).expect("the SQL is right");
    }
}

#[tokio::test]
async fn a_table_of_the_user_and_the_queue_commit_together() {
    let fixture = with_table().await;
    let work = fixture.with_connection(|tx| {
        insert(tx);
        tx.put(&note("a"), &queued(1))
    });
    work.await.expect("the transaction succeeds");
    assert_eq!((tasks(&fixture).await, records(&fixture).await), (1, 1));
}

#[tokio::test]
async fn a_table_of_the_user_and_the_queue_roll_back_together() {
    let fixture = with_table().await;
    let work = fixture.with_connection(|tx| -> Result<(), StorageError> {
        insert(tx);
        tx.put(&note("a"), &queued(1))?;
        Err(StorageError::Closed)
    });
    assert!(matches!(work.await, Err(StorageError::Closed)));
    let panics = fixture.with_connection(|tx| -> Result<(), StorageError> {
        insert(tx);
        tx.put(&note("a"), &queued(1))?;
        std::panic::resume_unwind(Box::new("on purpose"))
    });
    assert!(matches!(panics.await, Err(StorageError::Panicked)));
    assert_eq!((tasks(&fixture).await, records(&fixture).await), (0, 0));
}

#[tokio::test]
async fn ending_the_transaction_is_an_error_and_disturbs_nobody() {
    for ending in
        ["COMMIT", "ROLLBACK", "COMMIT; BEGIN", "ROLLBACK; BEGIN; INSERT INTO tasks VALUES ('lost')"]
    {
        let fixture = with_table().await;
        let (before, culprit, after) = tokio::join!(
            fixture.run(|tx| tx.put(&note("before"), &queued(1))),
            fixture.with_connection(move |tx| {
                tx.put(&note("culprit"), &queued(2))?;
                tx.run_sql(ending);
                Ok(())
            }),
            fixture.run(|tx| tx.put(&note("after"), &queued(3))),
        );
        assert!(matches!(culprit, Err(StorageError::Ended)), "{ending}: {culprit:?}");
        before.expect("the one before is not concerned");
        after.expect("nor is the one after");
        let kept = if ending.starts_with("COMMIT") { 3 } else { 2 };
        assert_eq!(records(&fixture).await, kept, "{ending}");
        assert_eq!(tasks(&fixture).await, 0, "{ending}");
    }
}

#[tokio::test]
async fn own_statements_and_shared_transactions_keep_their_order() {
    let fixture = with_table().await;
    let mut works = JoinSet::new();
    for number in 0..300_u64 {
        let storage = fixture.storage.clone();
        // The runtime has one thread, so it begins with these in the order in which they are spawned.
        works.spawn(async move {
            let principal = Principal::default();
            if number % 10 > 0 {
                let work = move |tx: &mut dyn Transaction| tx.set_note("count", Some(&number.to_string()));
                return storage::transact(&storage, &principal, work).await;
            }
            let work = move |tx: &mut SqliteTransaction<'_>| {
                insert(tx);
                let seen = tx.note("count")?;
                assert_eq!(seen, number.checked_sub(1).map(|before| before.to_string()));
                tx.set_note("count", Some(&number.to_string()))
            };
            storage.transact_with_connection(&principal, work).await
        });
    }
    for result in works.join_all().await {
        result.expect("the transaction succeeds");
    }
    assert_eq!(tasks(&fixture).await, 30);
}

#[tokio::test]
async fn what_a_user_committed_is_found_even_if_it_cannot_be_counted_at_first() {
    let fixture = with_table().await;
    fixture.run(|tx| tx.put(&note("before"), &queued(1))).await.expect("it is written");
    let culprit = fixture.with_connection(|tx| {
        tx.put(&note("committed"), &queued(2))?;
        tx.run_sql("COMMIT; ALTER TABLE sync_bases RENAME TO elsewhere");
        Ok(())
    });
    assert!(matches!(culprit.await, Err(StorageError::Ended)));
    let unable = fixture.run(|tx| tx.counts());
    unable.await.expect_err("nobody knows what waits");
    let other = rusqlite::Connection::open(path(&fixture)).expect("the file is SQLite");
    other.execute_batch("ALTER TABLE elsewhere RENAME TO sync_bases").expect("nobody else is writing");
    for name in ["before", "committed"] {
        assert!(get(&fixture.storage, name).await.is_some(), "{name}");
    }
    let again = fixture.with_connection(|tx| tx.put(&note("again"), &queued(3)));
    again.await.expect("no name is entered twice");
    assert_eq!(records(&fixture).await, 3);
}

#[tokio::test]
async fn what_could_not_be_counted_is_not_saved() {
    let fixture = with_table().await;
    let path = path(&fixture);
    let culprit = fixture.with_connection(|tx| {
        tx.put(&note("committed"), &queued(1))?;
        tx.run_sql("COMMIT; ALTER TABLE sync_bases RENAME TO elsewhere");
        Ok(())
    });
    assert!(matches!(culprit.await, Err(StorageError::Ended)));
    let Fixture { storage, folder: _folder } = fixture;
    drop(storage);
    let other = rusqlite::Connection::open(&path).expect("the file is SQLite");
    other.execute_batch("ALTER TABLE elsewhere RENAME TO sync_bases").expect("nobody else is writing");
    drop(other);
    assert!(get(&open(&path), "committed").await.is_some());
}

#[tokio::test]
async fn the_numbers_by_which_the_file_is_known_are_nobody_elses() {
    for (setting, pragma) in [
        ("PRAGMA user_version = 7", "user_version"),
        ("PRAGMA user_version = 0", "user_version"),
        ("PRAGMA user_version = -1", "user_version"),
        ("PRAGMA application_id = 7", "application_id"),
    ] {
        let fixture = with_table().await;
        let path = path(&fixture);
        let culprit = fixture.with_connection(move |tx| {
            insert(tx);
            tx.put(&note("culprit"), &queued(1))?;
            tx.run_sql(setting);
            Ok(())
        });
        let error = culprit.await.expect_err("they are the storage's");
        assert!(
            matches!(&error, StorageError::Reserved { pragma: named, .. } if *named == pragma),
            "{setting}: {error:?}"
        );
        assert_eq!((tasks(&fixture).await, records(&fixture).await), (0, 0), "{setting}");
        let after = fixture.with_connection(|tx| {
            insert(tx);
            tx.put(&note("after"), &queued(2))
        });
        after.await.expect("it is not concerned");
        assert_eq!((tasks(&fixture).await, records(&fixture).await), (1, 1), "{setting}");
        let Fixture { storage, folder: _folder } = fixture;
        drop(storage);
        assert!(get(&open(&path), "after").await.is_some(), "{setting}");
    }
}

#[tokio::test]
async fn a_number_of_the_header_that_a_user_committed_is_put_back() {
    for ending in [
        "PRAGMA user_version = 7; COMMIT",
        "PRAGMA application_id = 7; COMMIT; BEGIN",
        "COMMIT; PRAGMA user_version = -1; PRAGMA application_id = 0",
    ] {
        for fails in [false, true] {
            let fixture = with_table().await;
            let path = path(&fixture);
            let culprit = fixture.with_connection(move |tx| {
                tx.put(&note("culprit"), &queued(1))?;
                tx.run_sql(ending);
                if fails { Err(StorageError::Closed) } else { Ok(()) }
            });
            let error = culprit.await.expect_err("the transaction is not theirs to end");
            // What was committed stays, so it is not to be told that nothing does.
            assert!(
                if fails {
                    matches!(error, StorageError::Closed)
                } else {
                    matches!(error, StorageError::Ended)
                },
                "{ending}: {error:?}"
            );
            let Fixture { storage, folder: _folder } = fixture;
            drop(storage);
            assert!(get(&open(&path), "culprit").await.is_some(), "{ending}");
        }
    }
}

#[tokio::test]
async fn a_broken_constraint_of_the_users_own_is_no_damage() {
    for (children, before) in [
        ("parent INTEGER REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED", ""),
        ("parent INTEGER REFERENCES parents (id)", "PRAGMA defer_foreign_keys = ON"),
    ] {
        let fixture = with_table().await;
        let family =
            format!("CREATE TABLE parents (id INTEGER PRIMARY KEY); CREATE TABLE children ({children})");
        let set_up = fixture.with_connection(move |tx| {
            tx.run_sql(&family);
            Ok(())
        });
        set_up.await.expect("the transaction succeeds");
        let orphan = fixture.with_connection(move |tx| {
            insert(tx);
            tx.put(&note("a"), &queued(1))?;
            tx.run_sql(before);
            tx.run_sql("INSERT INTO children VALUES (7)");
            Ok(())
        });
        let error = orphan.await.expect_err("there is no such parent");
        assert!(matches!(error, StorageError::Constraint { .. }), "{children}: {error:?}");
        assert_eq!((tasks(&fixture).await, records(&fixture).await), (0, 0), "{children}");
        let adopted = fixture.with_connection(|tx| {
            tx.run_sql("INSERT INTO parents VALUES (7); INSERT INTO children VALUES (7)");
            tx.put(&note("a"), &queued(1))
        });
        adopted.await.expect("nothing is left of the one before");
        assert_eq!(records(&fixture).await, 1, "{children}");
    }
}

/// So what breaks such a rule is the application's.
#[tokio::test]
async fn the_storages_own_tables_have_no_foreign_keys_and_no_trigger_that_raises() {
    let fixture = Fixture::new();
    let found = fixture.with_connection(|tx| {
        let sql = "SELECT (SELECT count(*) FROM sqlite_schema AS t, pragma_foreign_key_list(t.name)),
            (SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND sql LIKE '%raise%')";
        let found = tx.connection().query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)));
        Ok(found.expect("the SQL is right"))
    });
    assert_eq!(found.await.expect("the transaction succeeds"), (0_i64, 0_i64));
}
