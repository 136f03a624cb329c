//! The cost of a hot statement has to follow its answer, not the length of the queue.

use std::ops::Bound;

use super::super::live::{ENTERED, PARKED};
use super::super::search::{Part, sql};
use super::super::statements;
use super::{Fixture, note, queued};
use crate::storage::{Condition, IndexValue, Order, Place, Search};

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
    let plans = fixture
        .with_connection(|tx| Ok([ENTERED, PARKED].map(|sql| plan(tx.connection(), sql))))
        .await
        .expect("the transaction succeeds");
    assert_eq!(plans[0], ["SCAN sync_names"], "it has the names and nothing else");
    assert!(plans[1][0].contains("COVERING INDEX sync_outbox_parked"), "{plans:?}");
}

/// Every shape that a search can have, with a word for it.
fn searches() -> Vec<(&'static str, Search)> {
    let single = |field| Condition::equal(field, IndexValue::Integer(1));
    let range =
        |field| Condition { field, low: Bound::Included(IndexValue::Integer(1)), high: Bound::Unbounded };
    let by = |field, descending| Some(Order { field, descending });
    let after = |value: IndexValue| Some(Place { value, key: note("a").key });
    let search = |conditions, order, after| Search { conditions, order, after, limit: 10 };
    let value = || after(IndexValue::Integer(1));
    vec![
        ("a value", search(vec![single("a")], None, None)),
        ("a value, later", search(vec![single("a")], None, value())),
        ("a range", search(vec![range("a")], None, None)),
        ("an order", search(Vec::new(), by("a", false), None)),
        ("an order, later", search(Vec::new(), by("a", false), value())),
        ("an order backwards, later", search(Vec::new(), by("a", true), value())),
        (
            "an order, later among those without a value",
            search(Vec::new(), by("a", false), after(IndexValue::Null)),
        ),
        ("a range in its order", search(vec![range("a")], by("a", true), None)),
        ("two values", search(vec![single("a"), single("b")], None, None)),
        ("a value in another order", search(vec![single("a")], by("b", false), value())),
        ("a range in another order", search(vec![range("a")], by("b", false), value())),
    ]
}

#[tokio::test]
async fn a_search_looks_at_nothing_but_indexes() {
    let fixture = Fixture::new();
    let plans: Vec<_> = fixture
        .with_connection(|tx| {
            let mut plans = Vec::new();
            for (shape, search) in searches() {
                for part in Part::of(&search) {
                    let sql = sql(1, &search, part, 10).text;
                    plans.push((shape, plan(tx.connection(), &sql)));
                }
            }
            Ok(plans)
        })
        .await
        .expect("the transaction succeeds");
    for (shape, plan) in &plans {
        assert!(!plan.iter().any(|step| step.contains("SCAN")), "{shape}: {plan:?}");
        assert!(
            plan[0].contains("USING COVERING INDEX sync_index_value (queue=? AND field=?"),
            "{shape}: {plan:?}"
        );
        // What is sorted are the records that have the value: fewer than there are.
        let sorts = plan.iter().any(|step| step.contains("TEMP B-TREE"));
        assert_eq!(sorts, ["a range", "a value in another order"].contains(shape), "{shape}: {plan:?}");
    }
    let entered_at_the_place =
        plans.iter().filter(|(shape, _)| shape.ends_with(", later") && shape.starts_with("an order"));
    for (shape, plan) in entered_at_the_place {
        assert!(
            plan[0].contains("value>?") || plan[0].contains("value<?") || plan[0].contains("value=?"),
            "{shape}: {plan:?}"
        );
    }
}
