//! A repeated request has one effect, and the same answer.

use reqwest::Method;
use serde_json::{Value, json};

use crate::given::{get, post, send, server};

const KEY: &[(&str, &str)] = &[("idempotency-key", "k1")];

#[tokio::test]
async fn every_verb_answers_a_repetition_as_it_did_the_first_time() {
    let server = server();
    let record = json!({ "id": "a", "title": "x" });
    let writes = [
        (Method::POST, "/notes", &record),
        (Method::PATCH, "/notes/a", &json!({ "title": "y" })),
        (Method::PUT, "/notes/a", &record),
        (Method::DELETE, "/notes/a", &Value::Null),
    ];
    for (version, (method, target, body)) in writes.into_iter().enumerate() {
        let (key, tag) = (format!("k{version}"), format!("\"{version}\""));
        let mut headers = vec![("idempotency-key", key.as_str())];
        if method != Method::POST {
            headers.push(("if-match", &tag));
        }
        let first = send(&server, method.clone(), target, &headers, body).await;
        assert!(first.status < 300, "{first:?}");
        // The version is stale by now, and that does not matter.
        let again = send(&server, method, target, &headers, body).await;
        assert_eq!(first, again);
    }
    let page = get(&server, "/notes").await;
    assert_eq!(page.body["cursor"], "4", "each took effect once");
}

#[tokio::test]
async fn a_repetition_does_not_undo_what_others_did_since() {
    let server = server();
    let record = json!({ "id": "a", "title": "ours" });
    let first = send(&server, Method::PUT, "/notes/a", KEY, &record).await;
    server.write_as_other_client("/notes", "a", Some(&json!({ "id": "a", "title": "theirs" })));
    let again = send(&server, Method::PUT, "/notes/a", KEY, &record).await;
    assert_eq!(first, again);
    assert_eq!(server.records("/notes")["a"]["title"], "theirs");
}

#[tokio::test]
async fn a_key_belongs_to_one_request() {
    let server = server();
    let record = json!({ "id": "a", "title": "x" });
    send(&server, Method::POST, "/notes", KEY, &record).await;
    let other_body = json!({ "id": "a", "title": "y" });
    for (method, target, body) in [
        (Method::POST, "/notes", &other_body),
        (Method::POST, "/notes", &json!({ "id": "b" })),
        (Method::PUT, "/notes/a", &record),
        (Method::DELETE, "/notes/a", &Value::Null),
    ] {
        let refused = send(&server, method, target, KEY, body).await;
        assert!(refused.problem(422).contains("Idempotency-Key"));
    }
    assert_eq!(server.records("/notes").len(), 1);
    assert_eq!(get(&server, "/notes/a").await.etag(), "\"1\"");
}

#[tokio::test]
async fn a_refusal_is_not_remembered() {
    let server = server();
    post(&server, "/notes", &json!({ "id": "a" })).await;
    let stale = [("idempotency-key", "k1"), ("if-match", "\"9\"")];
    let body = json!({ "title": "x" });
    send(&server, Method::PATCH, "/notes/a", &stale, &body).await.problem(412);
    let right = [("idempotency-key", "k1"), ("if-match", "\"1\"")];
    assert_eq!(send(&server, Method::PATCH, "/notes/a", &right, &body).await.status, 200);
}

#[tokio::test]
async fn the_same_key_at_the_same_time_has_one_effect() {
    let server = server();
    let record = json!({ "id": "a" });
    let all = futures::future::join_all((0..8).map(|_| send(&server, Method::POST, "/notes", KEY, &record)));
    for answer in all.await {
        assert_eq!((answer.status, answer.etag()), (201, "\"1\""));
    }
}
