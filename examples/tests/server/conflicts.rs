//! Two clients and one record: what `If-Match` refuses, and what the refusal tells.

use reqwest::Method;
use serde_json::{Value, json};

use crate::given::{get, patch, post, send, server};

#[tokio::test]
async fn a_repeated_id_is_a_conflict_that_shows_the_record() {
    let server = server();
    post(&server, "/notes", &json!({ "id": "a", "title": "first" })).await;
    let second = post(&server, "/notes", &json!({ "id": "a", "title": "second" })).await;
    second.problem(409);
    assert_eq!(second.etag(), "\"1\"");
    assert_eq!(second.body["current"], json!({ "id": "a", "title": "first" }));
    assert_eq!(server.records("/notes")["a"]["title"], "first");
}

#[tokio::test]
async fn a_stale_version_is_refused_for_every_verb() {
    let server = server();
    post(&server, "/notes", &json!({ "id": "a", "title": "first" })).await;
    server.write_as_other_client("/notes", "a", Some(&json!({ "id": "a", "title": "theirs" })));
    let record = json!({ "id": "a", "title": "ours" });
    for (method, body) in [(Method::PATCH, &record), (Method::PUT, &record), (Method::DELETE, &Value::Null)] {
        let refused = send(&server, method, "/notes/a", &[("if-match", "\"1\"")], body).await;
        refused.problem(412);
        assert_eq!(refused.etag(), "\"2\"");
        assert_eq!(refused.body["current"]["title"], "theirs");
    }
    assert_eq!(get(&server, "/notes/a").await.etag(), "\"2\"", "nothing took effect");
}

#[tokio::test]
async fn the_version_of_a_refusal_lets_the_next_attempt_through() {
    let server = server();
    post(&server, "/notes", &json!({ "id": "a" })).await;
    server.write_as_other_client("/notes", "a", Some(&json!({ "id": "a", "title": "theirs" })));
    let refused = patch(&server, "/notes/a", "\"1\"", &json!({ "title": "ours" })).await;
    let accepted = patch(&server, "/notes/a", refused.etag(), &json!({ "title": "ours" })).await;
    assert_eq!((accepted.status, &accepted.body["title"]), (200, &json!("ours")));
}

#[tokio::test]
async fn a_write_without_a_version_is_not_checked() {
    let server = server();
    post(&server, "/notes", &json!({ "id": "a" })).await;
    server.write_as_other_client("/notes", "a", Some(&json!({ "id": "a", "title": "theirs" })));
    let written = send(&server, Method::PATCH, "/notes/a", &[], &json!({ "title": "ours" })).await;
    assert_eq!(written.status, 200);
}

#[tokio::test]
async fn a_versioned_write_of_a_deleted_record_says_that_it_is_gone() {
    let server = server();
    post(&server, "/notes", &json!({ "id": "a" })).await;
    server.write_as_other_client("/notes", "a", None);
    let record = json!({ "id": "a", "title": "ours" });
    for (method, body) in [(Method::PATCH, &record), (Method::PUT, &record), (Method::DELETE, &Value::Null)] {
        send(&server, method, "/notes/a", &[("if-match", "\"1\"")], body).await.problem(410);
    }
    let never = json!({ "id": "never" });
    for (method, body) in [(Method::PATCH, &never), (Method::PUT, &never), (Method::DELETE, &Value::Null)] {
        send(&server, method, "/notes/never", &[("if-match", "\"1\"")], body).await.problem(404);
    }
    assert!(server.records("/notes").is_empty());
}

#[tokio::test]
async fn an_overwrite_brings_a_deleted_record_back_when_it_knows_of_the_deletion() {
    let server = server();
    let record = json!({ "id": "a", "title": "ours" });
    for headers in [&[("if-match", "\"2\"")][..], &[]] {
        server.write_as_other_client("/notes", "a", Some(&json!({ "id": "a" })));
        server.write_as_other_client("/notes", "a", None);
        let back = send(&server, Method::PUT, "/notes/a", headers, &record).await;
        assert_eq!((back.status, &back.body), (201, &record), "{headers:?}");
    }
}

#[tokio::test]
async fn if_match_compares_strongly_and_takes_lists() {
    let server = server();
    post(&server, "/notes", &json!({ "id": "a" })).await;
    let body = json!({ "title": "x" });
    patch(&server, "/notes/a", "W/\"1\"", &body).await.problem(412);
    patch(&server, "/notes/a", "\"abc\"", &body).await.problem(412);
    assert!(patch(&server, "/notes/a", "1", &body).await.problem(400).contains("If-Match"));
    assert_eq!(patch(&server, "/notes/a", "\"9\", \"1\"", &body).await.status, 200);
    assert_eq!(patch(&server, "/notes/a", "*", &body).await.status, 200);
    server.write_as_other_client("/notes", "a", None);
    let overwrite = json!({ "id": "a" });
    send(&server, Method::PUT, "/notes/a", &[("if-match", "*")], &overwrite).await.problem(410);
}

#[tokio::test]
async fn a_precondition_that_cannot_be_read_is_refused_and_not_left_out() {
    let server = server();
    post(&server, "/notes", &json!({ "id": "a" })).await;
    let twice = [("if-match", "\"1\""), ("if-match", "\"2\"")];
    send(&server, Method::PATCH, "/notes/a", &twice, &json!({ "title": "x" })).await.problem(400);
    let latin = crate::given::request(&server, Method::DELETE, "/notes/a")
        .header("if-match", reqwest::header::HeaderValue::from_bytes(b"\"\xe9\"").unwrap());
    crate::given::read(latin.send().await.unwrap()).await.problem(400);
    assert_eq!(get(&server, "/notes/a").await.etag(), "\"1\"");
}
