//! Lists that are no pages, with too much in them.

use futures::StreamExt;
use futures::future::try_join_all;
use sync::record::{OperationId, Payload, RecordKey, Write};
use sync::remote::rest::{BatchDialect, BatchOutcomes, LiveDialect, Method, VersionCheck};
use sync::remote::{Changed, EventId, Heard, ListenRequest, Remote, WriteAnswer, WriteRequest};
use sync::{Dialect, RestRemote, Syncable};
use sync_tests::entities::Note;

use super::server::{Act, answer, page};
use super::story::{LIMIT, Story, Turn};

/// As many of the smallest items as a body may hold.
fn numbers() -> String {
    format!("[{}0]", "0,".repeat(LIMIT / 2 - 32))
}

/// The server of a story, in a dialect that has such lists.
fn remote(story: &Story, dialect: Dialect) -> RestRemote {
    RestRemote::builder(story.server.url()).dialect(dialect).max_response_bytes(LIMIT).build().unwrap()
}

fn creation(id: &str) -> WriteRequest {
    WriteRequest {
        entity: &Note::ENTITY,
        key: RecordKey::new(id).unwrap(),
        id: "018f3b6e-7d0c-7c3a-9a51-0123456789ab".parse::<OperationId>().unwrap(),
        write: Write::Create(Payload::from_json(&format!(r#"{{"id":"{id}"}}"#)).unwrap()),
        if_match: None,
        base: None,
        cleared: Vec::new(),
        attempt: 0,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_a_million_changes_in_one_answer_are_heard_as_one() {
    let turn = Turn::mine().await;
    let told = page(format!(r#"{{"last_seq":7,"results":{}}}"#, numbers()));
    let story = Story::of(&turn, move |_| told.clone()).await;
    let live = LiveDialect::LongPoll(Box::default());
    let remote = remote(&story, Dialect { live, ..Dialect::default() });
    let wanted = ListenRequest { entity: &Note::ENTITY, after: None };
    let mut changes = remote.changes(wanted).await.unwrap().unwrap();
    let heard = changes.next().await.unwrap().unwrap();
    assert_eq!(heard, Heard::Hint { event: Some(EventId::new("7")), changed: Changed::Anything });
    assert!(story.memory() < 6 * LIMIT, "{} bytes", story.memory());
    story.ends_well().await;
}

// On one thread the others wait before the first one is answered.
#[tokio::test]
async fn a_batch_answered_with_more_than_it_holds_is_sent_one_by_one() {
    let turn = Turn::mine().await;
    let BatchDialect::Records(receipts) = Dialect::couchdb().batch else { unreachable!("it has a list") };
    let mut rows = receipts.clone();
    rows.outcomes = BatchOutcomes::AllOrNothing;
    let part = r#"{"status":201,"headers":{"a":""}},"#.repeat(30_000);
    let parts = format!(r#"{{"responses":[{part}{{"status":201}}]}}"#);
    for (batch, told) in [
        (BatchDialect::Records(receipts), numbers()),
        (BatchDialect::Records(rows), numbers()),
        (Dialect::kinto().batch, parts),
    ] {
        let told = page(told);
        let story = Story::of(&turn, move |seen| match &*seen.target {
            "/notes/_bulk_docs" | "/batch" => told.clone(),
            _ => Act::Say(answer(201, "ETag: \"1\"\r\n", "")),
        })
        .await;
        let mut dialect = Dialect { batch, ..Dialect::default() };
        for change in [&mut dialect.update, &mut dialect.overwrite] {
            // As a record in a list is: it takes the place of what is there, and has no header for its version.
            (change.method, change.check) = (Method::Put, VersionCheck::Nothing);
        }
        let remote = remote(&story, dialect);
        let written = try_join_all(["a", "b", "c"].map(|id| remote.send(creation(id)))).await.unwrap();
        assert!(written.iter().all(|reply| matches!(reply.answer, WriteAnswer::Accepted { .. })));
        let seen = story.server.seen();
        let targets: Vec<_> =
            seen.iter().filter(|seen| seen.method == "POST").map(|seen| &seen.target).collect();
        assert_eq!(targets.len(), 4, "one alone, the batch, and each of it: {targets:?}");
        assert!(story.memory() < 6 * LIMIT, "{} bytes", story.memory());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_looked_for_in_a_list_costs_no_more_than_the_list() {
    let turn = Turn::mine().await;
    let mut dialect = Dialect::default();
    dialect.record.answered_in = "0".into();
    let told = answer(201, "Content-Type: application/json\r\n", numbers());
    let story = Story::of(&turn, move |_| Act::Say(told.clone())).await;
    let reply = remote(&story, dialect).send(creation("a")).await.unwrap();
    let WriteAnswer::Unclear { reason } = reply.answer else { panic!("{:?}", reply.answer) };
    assert!(reason.contains("expected a record under `0`"), "{reason}");
    assert!(story.memory() < 6 * LIMIT, "{} bytes", story.memory());
}
