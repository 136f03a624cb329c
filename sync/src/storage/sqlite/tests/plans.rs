//! The cost of a hot statement has to follow its answer, not the length of the queue.

use super::super::statements;
use super::{Fixture, note, queued};

/// How SQLite means to run a statement.
fn plan(connection: &rusqlite::Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("the SQL is right");
    let parameters = vec![rusqlite::types::Null; statement.parameter_count()];
    let rows = statement.query_map(rusqlite::params_from_iter(parameters), |row| row.get("detail"));
    rows.expect("the plan can be made").collect::<Result<_, _>>().expect("the plan can be read")
}

async fn assert_indexed(fixture: &Fixture) {
    let plans: Vec<_> = fixture
        .with_connection(|tx| {
            Ok(statements::HOT.iter().map(|sql| (*sql, plan(tx.connection(), sql))).collect())
        })
        .await
        .expect("the transaction succeeds");
    for (sql, plan) in plans {
        for step in &plan {
            // Queues are few; with one of them, looking at all is as good as looking one up.
            assert!(!step.contains("SCAN") || step == "SCAN queue", "{step}\nin the plan of{sql}");
            assert!(!step.contains("TEMP B-TREE"), "{step}\nin the plan of{sql}");
        }
        let inserts = sql.trim_start().starts_with("INSERT");
        assert!(inserts || plan.iter().any(|step| step.contains("SEARCH")), "{plan:?} is the plan of{sql}");
    }
}

#[tokio::test]
async fn every_hot_statement_is_answered_from_an_index() {
    let fixture = Fixture::new();
    assert_indexed(&fixture).await;
    fixture
        .run(|tx| (1..=2000).try_for_each(|number| tx.put(&note(&number.to_string()), &queued(number))))
        .await
        .expect("the records are written");
    fixture.sql("ANALYZE").await;
    assert_indexed(&fixture).await;
}

#[tokio::test]
async fn counting_after_a_crash_does_not_read_the_records() {
    let fixture = Fixture::new();
    let plan = fixture
        .with_connection(|tx| Ok(plan(tx.connection(), super::super::live::COUNT)))
        .await
        .expect("the transaction succeeds");
    assert!(plan.iter().any(|step| step.contains("COVERING INDEX sync_outbox_name")), "{plan:?}");
    assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:?}");
}
