//! Several operations in one request.

use async_trait::async_trait;
use futures::future::join_all;
use serde_json::{Value, json};
use sync::record::{Payload, Write};
use sync::remote::rest::{Authorization, BatchDialect, Credentials, CredentialsError, Dialect};
use sync::remote::{Reply, WriteAnswer, WriteRequest};
use sync::{Remote, RemoteError, RestRemote};

use crate::given::{key, operation, version};
use crate::server::{Answer, Seen, Server};

type Outcome = Result<Reply<WriteAnswer>, RemoteError>;

fn create(id: &str) -> WriteRequest {
    let record = Payload::from_json(&format!(r#"{{"id":"{id}","title":"{id}"}}"#)).unwrap();
    WriteRequest { key: key(id), ..operation(Write::Create(record)) }
}

/// Sends them at once: the first one alone, and what waits for it together.
async fn sent(server: &Server, dialect: Dialect, ids: &[&str]) -> Vec<Outcome> {
    let remote = RestRemote::builder(server.url()).dialect(dialect).build().unwrap();
    join_all(ids.iter().map(|id| remote.send(create(id)))).await
}

fn versions(outcomes: &[Outcome]) -> Vec<Option<String>> {
    let version = |outcome: &Outcome| match outcome {
        Ok(Reply { answer: WriteAnswer::Accepted { version, .. }, .. }) => {
            version.as_ref().map(ToString::to_string)
        }
        _ => None,
    };
    outcomes.iter().map(version).collect()
}

fn targets(server: &Server) -> Vec<String> {
    server.seen().iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect()
}

/// Kinto at the root of its host, so that its API's root is the host's.
fn kinto() -> Dialect {
    Dialect::kinto()
}

/// What Kinto says to each request of a batch.
fn kinto_says(seen: &Seen, limit: usize, each: impl Fn(&Value) -> Value) -> Answer {
    if seen.method == "GET" {
        return Answer::json(200, format!(r#"{{"settings":{{"batch_max_requests":{limit}}}}}"#));
    }
    if seen.method == "PUT" {
        let id = seen.target.rsplit('/').next().unwrap();
        return Answer::json(201, format!(r#"{{"data":{{"id":"{id}","last_modified":1}}}}"#));
    }
    let batch: Value = serde_json::from_str(&seen.body).unwrap();
    let requests = batch["requests"].as_array().unwrap();
    if requests.len() > limit {
        return Answer::status(413);
    }
    let responses: Vec<Value> = requests.iter().map(each).collect();
    Answer::json(200, json!({ "responses": responses }).to_string())
}

fn made(request: &Value) -> Value {
    let id = request["path"].as_str().unwrap().rsplit('/').next().unwrap();
    json!({ "status": 201, "headers": { "ETag": "\"2\"" }, "body": { "data": { "id": id, "last_modified": 2 } } })
}

#[tokio::test]
async fn what_waits_for_one_request_goes_together_in_the_next_one() {
    let server = Server::scripted(|seen, _| kinto_says(seen, 25, made)).await;
    let outcomes = sent(&server, kinto(), &["a", "b", "c", "d"]).await;
    let expected = ["1", "2", "2", "2"].map(|version| Some(version.to_owned()));
    assert_eq!(versions(&outcomes), expected);
    assert_eq!(targets(&server), ["PUT /notes/records/a", "GET /", "POST /batch"]);
    let batch: Value = serde_json::from_str(&server.seen()[2].body).unwrap();
    let first = &batch["requests"][0];
    assert_eq!(first["method"], "PUT");
    assert_eq!(first["path"], "/notes/records/b");
    assert_eq!(first["headers"]["if-none-match"], "*");
    assert_eq!(first["body"], json!({ "data": { "id": "b", "title": "b" } }));
}

#[tokio::test]
async fn one_that_is_refused_fails_none_of_its_neighbours() {
    let server = Server::scripted(|seen, _| {
        kinto_says(seen, 25, |request| match request["path"].as_str().unwrap() {
            "/notes/records/b" => json!({ "status": 400, "body": { "error": "Invalid", "message": "no" } }),
            "/notes/records/c" => {
                let existing = json!({ "id": "c", "last_modified": 9 });
                json!({ "status": 412, "body": { "details": { "existing": existing } } })
            }
            "/notes/records/d" => json!({ "status": 503, "headers": { "Retry-After": "7" } }),
            _ => made(request),
        })
    })
    .await;
    let outcomes = sent(&server, kinto(), &["a", "b", "c", "d", "e"]).await;
    assert!(matches!(&outcomes[1], Err(RemoteError::Refused { refusal, .. }) if refusal.status == 400));
    let Ok(Reply { answer: WriteAnswer::Conflict { version: theirs, .. }, .. }) = &outcomes[2] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(*theirs, version("9"));
    let Err(RemoteError::Unreachable { retry_after: Some(pause), .. }) = &outcomes[3] else {
        panic!("{outcomes:?}")
    };
    assert_eq!(pause.as_secs(), 7);
    assert_eq!(versions(&outcomes)[4].as_deref(), Some("2"));
}

#[tokio::test]
async fn a_part_with_more_headers_than_an_answer_may_have_says_nothing() {
    let server = Server::scripted(|seen, _| {
        kinto_says(seen, 25, |request| {
            let headers: Value = (0..40_000).map(|nth| (format!("x-{nth}"), json!("y"))).collect();
            json!({ "status": 201, "headers": headers, "body": made(request)["body"] })
        })
    })
    .await;
    let outcomes = sent(&server, kinto(), &["a", "b", "c"]).await;
    assert_eq!(versions(&outcomes), ["1", "1", "1"].map(|version| Some(version.to_owned())));
}

/// The other answers of the batch prove that the server is there, and nothing of the record.
#[tokio::test]
async fn what_a_batch_says_is_not_there_is_looked_for() {
    let server = Server::scripted(|seen, _| match (&*seen.method, &*seen.target) {
        ("GET", "/notes/records/b") => Answer::json(200, r#"{"data":{"id":"b","last_modified":9}}"#),
        ("GET", "/notes/records/c") | ("DELETE", _) => Answer::json(404, r#"{"error":"Not Found"}"#),
        ("GET", target) if target.starts_with("/notes/records?") => Answer::json(200, r#"{"data":[]}"#),
        _ => kinto_says(seen, 25, |request| match request["method"].as_str().unwrap() {
            "DELETE" => json!({ "status": 404, "body": { "error": "Not Found" } }),
            _ => made(request),
        }),
    })
    .await;
    let remote = RestRemote::builder(server.url()).dialect(kinto()).build().unwrap();
    let deletion = |id| WriteRequest { key: key(id), ..operation(Write::Delete) };
    let outcomes =
        join_all([create("a"), deletion("b"), deletion("c"), create("d")].map(|one| remote.send(one))).await;
    let answers: Vec<_> = outcomes.into_iter().map(|outcome| outcome.unwrap().answer).collect();
    assert!(matches!(&answers[1], WriteAnswer::Conflict { version: Some(_), .. }), "{answers:?}");
    assert_eq!(answers[2], WriteAnswer::Accepted { version: None, body: None });
    assert!(matches!(&answers[3], WriteAnswer::Accepted { version: Some(_), .. }), "{answers:?}");
}

/// A hook that has one fresh token.
#[derive(Debug)]
struct Fresh;

#[async_trait]
impl Credentials for Fresh {
    async fn authorization(
        &self,
        rejected: Option<&Authorization>,
    ) -> Result<Authorization, CredentialsError> {
        Ok(Authorization::bearer(if rejected.is_some() { "fresh" } else { "old" }))
    }
}

/// The batch as a whole was let through, so that the hook was not asked for it.
#[tokio::test]
async fn a_part_that_is_not_let_through_is_sent_by_itself_with_fresh_credentials() {
    for status in [401, 403] {
        let server = Server::scripted(move |seen, _| match &*seen.target {
            "/batch" => kinto_says(seen, 25, |request| match request["path"].as_str().unwrap() {
                "/notes/records/c" => json!({ "status": status, "body": { "error": "no" } }),
                _ => made(request),
            }),
            "/notes/records/c" if seen.header("authorization") != Some("Bearer fresh") => {
                Answer::json(status, r#"{"error":"no"}"#)
            }
            _ => kinto_says(seen, 25, made),
        })
        .await;
        let dialect = Dialect { unauthorized: vec![401, 403], ..kinto() };
        let builder = RestRemote::builder(server.url()).dialect(dialect).credentials(Fresh);
        let remote = builder.build().unwrap();
        let outcomes = join_all(["a", "b", "c", "d"].map(|id| remote.send(create(id)))).await;
        assert!(versions(&outcomes).iter().all(Option::is_some), "{status}: {outcomes:?}");
        let alone = targets(&server).into_iter().filter(|target| target.starts_with("PUT"));
        let expected = ["a", "c", "c"].map(|id| format!("PUT /notes/records/{id}"));
        assert_eq!(alone.collect::<Vec<_>>(), expected);
    }
}

/// Over a database with transactions, Kinto takes back what it has said yes to when one of them is 409.
#[tokio::test]
async fn what_was_done_beside_a_409_is_not_believed() {
    let server = Server::scripted(|seen, _| {
        kinto_says(seen, 25, |request| match request["path"].as_str().unwrap() {
            "/notes/records/c" => json!({ "status": 409, "body": { "error": "Conflict" } }),
            "/notes/records/e" => json!({ "status": 400, "body": { "error": "Invalid" } }),
            _ => made(request),
        })
    })
    .await;
    let outcomes = sent(&server, kinto(), &["a", "b", "c", "d", "e"]).await;
    let one = || Some("1".to_owned());
    assert_eq!(versions(&outcomes), [one(), one(), None, one(), None], "as they were answered alone");
    assert!(matches!(&outcomes[2], Ok(Reply { answer: WriteAnswer::Conflict { .. }, .. })), "{outcomes:?}");
    assert!(matches!(&outcomes[4], Err(RemoteError::Refused { .. })), "{outcomes:?}");
    let batches = targets(&server).into_iter().filter(|target| target == "POST /batch").count();
    assert_eq!(batches, 1);
}

#[tokio::test]
async fn a_batch_is_no_larger_than_the_server_says_it_takes() {
    let server = Server::scripted(|seen, _| kinto_says(seen, 2, made)).await;
    let outcomes = sent(&server, kinto(), &["a", "b", "c", "d", "e", "f"]).await;
    assert!(versions(&outcomes).iter().all(Option::is_some), "{outcomes:?}");
    let batches = server.seen().into_iter().filter(|seen| seen.target == "/batch");
    let sizes: Vec<_> = batches.map(|seen| seen.body.matches("\"method\"").count()).collect();
    assert_eq!(sizes, [2, 2], "and the last one alone");
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_sent_in_halves() {
    let server =
        Server::scripted(
            |seen, _| {
                if seen.method == "GET" { Answer::status(404) } else { kinto_says(seen, 2, made) }
            },
        )
        .await;
    let outcomes = sent(&server, kinto(), &["a", "b", "c", "d", "e"]).await;
    assert!(versions(&outcomes).iter().all(Option::is_some), "{outcomes:?}");
    let batches = server.seen().into_iter().filter(|seen| seen.target == "/batch");
    let sizes: Vec<_> = batches.map(|seen| seen.body.matches("\"method\"").count()).collect();
    assert_eq!(sizes, [4, 2, 2]);
}

#[tokio::test]
async fn a_failure_of_the_whole_batch_is_that_of_each_operation() {
    let server = Server::scripted(|seen, _| match &*seen.target {
        "/batch" => Answer::status(503).header("Retry-After", "9"),
        _ => kinto_says(seen, 25, made),
    })
    .await;
    let outcomes = sent(&server, kinto(), &["a", "b", "c"]).await;
    outcomes[0].as_ref().unwrap();
    for outcome in &outcomes[1..] {
        let error = outcome.as_ref().unwrap_err();
        assert!(matches!(error, RemoteError::Unreachable { .. }), "{error:?}");
        assert_eq!(error.retry_after().unwrap().as_secs(), 9);
    }
}

#[tokio::test]
async fn where_the_answers_cannot_be_told_apart_each_operation_is_sent_by_itself() {
    for unclear in [r#"{"responses":[]}"#, "[]", "<html>"] {
        let server = Server::scripted(move |seen, _| match &*seen.target {
            "/batch" => Answer::json(200, unclear),
            _ => kinto_says(seen, 25, made),
        })
        .await;
        let outcomes = sent(&server, kinto(), &["a", "b", "c"]).await;
        assert!(versions(&outcomes).iter().all(Option::is_some), "{unclear}: {outcomes:?}");
        let alone = targets(&server).iter().filter(|target| target.starts_with("PUT")).count();
        assert_eq!(alone, 3);
    }
}

#[tokio::test]
async fn couchdb_says_of_each_record_what_became_of_it() {
    let server = Server::scripted(|seen, _| match &*seen.target {
        "/notes/_bulk_docs" => {
            let docs: Value = serde_json::from_str(&seen.body).unwrap();
            assert_eq!(docs["docs"][0], json!({ "id": "b", "title": "b", "_id": "b" }));
            Answer::json(201, r#"[{"ok":true,"id":"b","rev":"1-b"},{"id":"c","error":"conflict"},{"ok":true,"id":"d","rev":"1-d"}]"#)
        }
        "/notes/a" => Answer::json(201, r#"{"ok":true,"id":"a","rev":"1-a"}"#),
        _ => Answer::json(409, r#"{"error":"conflict"}"#),
    })
    .await;
    let outcomes = sent(&server, Dialect::couchdb(), &["a", "b", "c", "d"]).await;
    let expected =
        [Some("1-a"), Some("1-b"), None, Some("1-d")].map(|version| version.map(ToOwned::to_owned));
    assert_eq!(versions(&outcomes), expected);
    assert!(matches!(&outcomes[2], Ok(Reply { answer: WriteAnswer::Conflict { .. }, .. })), "{outcomes:?}");
    assert_eq!(targets(&server), ["PUT /notes/a", "POST /notes/_bulk_docs", "PUT /notes/c"]);
}

#[tokio::test]
async fn postgrest_takes_all_rows_or_none_and_then_each_is_sent_by_itself() {
    for refused in [false, true] {
        let server = Server::scripted(move |seen, _| {
            let rows: Value = serde_json::from_str(&seen.body).unwrap();
            let ids: Vec<&str> = match &rows {
                Value::Array(rows) => rows.iter().map(|row| row["id"].as_str().unwrap()).collect(),
                row => vec![row["id"].as_str().unwrap()],
            };
            if refused && ids.contains(&"c") {
                return Answer::json(409, r#"{"code":"23505"}"#);
            }
            // In another order than they were sent in.
            let rows: Vec<_> = ids.iter().rev().map(|id| json!({ "id": id, "version": 4 })).collect();
            Answer::json(201, Value::from(rows).to_string())
        })
        .await;
        let outcomes = sent(&server, Dialect::postgrest(), &["a", "b", "c", "d"]).await;
        let four = || Some("4".to_owned());
        assert_eq!(versions(&outcomes), [four(), four(), if refused { None } else { four() }, four()]);
        let requests = server.seen().len();
        assert_eq!(requests, if refused { 5 } else { 2 });
    }
}

#[tokio::test]
async fn a_row_that_a_batch_answers_with_its_tombstone_is_sent_by_itself() {
    let server = Server::scripted(|seen, _| {
        let rows: Value = serde_json::from_str(&seen.body).unwrap();
        let row = |row: &Value| json!({ "id": row["id"], "version": 4, "deleted_at": (row["id"] == "c").then_some("now") });
        match &rows {
            Value::Array(rows) => Answer::json(201, rows.iter().map(row).collect::<Value>().to_string()),
            one if one["id"] == "c" => Answer::json(409, r#"{"code":"23505"}"#),
            one => Answer::json(201, json!([row(one)]).to_string()),
        }
    })
    .await;
    let outcomes = sent(&server, Dialect::postgrest(), &["a", "b", "c", "d"]).await;
    let four = || Some("4".to_owned());
    assert_eq!(versions(&outcomes), [four(), four(), None, four()]);
    assert_eq!(server.seen().len(), 3, "{:?}", targets(&server));
}

#[tokio::test]
async fn an_answer_that_lists_more_than_the_batch_holds_says_nothing_of_it() {
    let server = Server::scripted(|seen, _| match serde_json::from_str(&seen.body).unwrap() {
        Value::Array(rows) => {
            let row = |id: &Value| json!({ "id": id, "version": 3 });
            let stranger = row(&json!("stranger"));
            let rows = rows.iter().map(|sent| row(&sent["id"])).chain([stranger]);
            Answer::json(201, rows.collect::<Value>().to_string())
        }
        one => Answer::json(201, json!([{ "id": one["id"], "version": 4 }]).to_string()),
    })
    .await;
    let outcomes = sent(&server, Dialect::postgrest(), &["a", "b", "c"]).await;
    assert_eq!(versions(&outcomes), ["4", "4", "4"].map(|version| Some(version.to_owned())));
    assert_eq!(server.seen().len(), 4, "each was sent by itself: {:?}", targets(&server));
}

#[tokio::test]
async fn operations_that_no_batch_takes_are_sent_by_themselves() {
    let server = Server::saying(Answer::json(200, r#"[{"id":"n1","version":5}]"#)).await;
    let remote = RestRemote::builder(server.url()).dialect(Dialect::postgrest()).build().unwrap();
    join_all((0..3).map(|_| remote.send(operation(Write::Delete)))).await;
    assert!(targets(&server).iter().all(|target| target.starts_with("PATCH")), "{:?}", targets(&server));
    let error = RestRemote::builder(server.url()).dialect(Dialect {
        batch: match Dialect::kinto().batch {
            BatchDialect::Requests(batch) => {
                BatchDialect::Requests(sync::remote::rest::RequestBatch { limit: 1, ..batch })
            }
            other => other,
        },
        ..Dialect::default()
    });
    assert!(error.build().unwrap_err().to_string().contains("batch.limit"));
}
