//! Requests that are wrong: each answer says what to do (RFC 9457), and nothing is written.

use reqwest::Method;
use serde_json::{Value, json};
use sync_examples::server::Server;

use crate::given::{config, get, post, read, request, send, server};

#[tokio::test]
async fn a_path_that_is_no_collections_is_not_found() {
    let server = server();
    for target in ["/", "/nothing", "/nothing/a", "/notes/", "/notes/a/b"] {
        get(&server, target).await.problem(404);
    }
}

#[tokio::test]
async fn a_wrong_method_names_the_right_ones() {
    let server = server();
    for (method, target, allowed) in
        [(Method::DELETE, "/notes", "GET, POST"), (Method::POST, "/notes/a", "GET, PATCH, PUT, DELETE")]
    {
        let response = request(&server, method, target).send().await.unwrap();
        assert_eq!(response.headers()["allow"], allowed);
        read(response).await.problem(405);
    }
}

#[tokio::test]
async fn a_body_that_is_no_object_is_refused() {
    let server = server();
    for body in ["", "{", "[]", "7", "null", "\u{fffd}"] {
        let answer = read(request(&server, Method::POST, "/notes").body(body).send().await.unwrap()).await;
        answer.problem(400);
    }
}

#[tokio::test]
async fn a_record_without_a_usable_id_is_refused() {
    let server = server();
    for record in [json!({}), json!({ "id": "" }), json!({ "id": null }), json!({ "id": ["a"] })] {
        assert!(post(&server, "/notes", &record).await.problem(422).contains("`id`"));
    }
    assert!(post(&server, "/tasks", &json!({ "id": "a" })).await.problem(422).contains("`key`"));
}

/// In a list, they would be taken for a deletion and for the record's version.
#[tokio::test]
async fn a_record_with_a_member_that_is_the_servers_own_is_refused() {
    let server = server();
    post(&server, "/notes", &json!({ "id": "a", "title": "x" })).await;
    for (name, value) in [("deleted", json!(true)), ("deleted", json!(false)), ("version", json!(7))] {
        let new = post(&server, "/notes", &json!({ "id": "b", name: value })).await;
        assert!(new.problem(422).contains(&format!("`{name}` is this server's own")), "{new:?}");
        for method in [Method::PUT, Method::PATCH] {
            let edited = send(&server, method, "/notes/a", &[], &json!({ "id": "a", name: value })).await;
            assert!(edited.problem(422).contains(&format!("rename = \"{name}_\"")), "{edited:?}");
        }
    }
    assert_eq!(get(&server, "/notes").await.body["items"].as_array().unwrap().len(), 1);
    assert_eq!(get(&server, "/notes/a").await.body, json!({ "id": "a", "title": "x" }));
}

#[tokio::test]
async fn a_body_that_speaks_of_another_record_is_refused() {
    let server = server();
    post(&server, "/notes", &json!({ "id": "a" })).await;
    for method in [Method::PUT, Method::PATCH] {
        send(&server, method.clone(), "/notes/a", &[], &json!({ "id": "b" })).await.problem(422);
    }
    send(&server, Method::PUT, "/notes/a", &[], &json!({ "title": "no id" })).await.problem(422);
    assert_eq!(get(&server, "/notes/a").await.body, json!({ "id": "a" }));
}

#[tokio::test]
async fn an_id_that_is_no_utf_8_is_refused() {
    get(&server(), "/notes/%ff").await.problem(400);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let server = server();
    let record = json!({ "id": "a", "title": "x".repeat(9 << 20) });
    // The server may answer and hang up before the body is through.
    if let Ok(response) = request(&server, Method::POST, "/notes").body(record.to_string()).send().await {
        read(response).await.problem(413);
    }
    assert!(server.records("/notes").is_empty());
}

#[tokio::test]
async fn a_token_is_asked_for_and_never_logged() {
    let server = Server::start(config().token("secret-token")).unwrap();
    for token in [None, Some("Bearer wrong"), Some("secret-token")] {
        let mut attempt = request(&server, Method::GET, "/notes");
        if let Some(token) = token {
            attempt = attempt.header("authorization", token);
        }
        let response = attempt.send().await.unwrap();
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        read(response).await.problem(401);
    }
    let right = [("authorization", "Bearer secret-token")];
    assert_eq!(send(&server, Method::GET, "/notes", &right, &Value::Null).await.status, 200);
    let log = server.requests();
    assert_eq!(log.iter().map(|seen| seen.authorized).collect::<Vec<_>>(), [false, true, true, true]);
    assert!(!format!("{log:?}").contains("secret-token"));
}
