//! What the server tells on its own.

use reqwest::{Method, Response};
use serde_json::{Value, json};
use sync_examples::server::Server;

use crate::given::{get, read, request, server};

/// Listens to the notes.
async fn listen(server: &Server, last: Option<&str>) -> Response {
    listen_to("/notes", server, last).await
}

async fn listen_to(collection: &str, server: &Server, last: Option<&str>) -> Response {
    let path = format!("{collection}/changes");
    let mut listening = request(server, Method::GET, &path).header("Accept", "text/event-stream");
    if let Some(last) = last {
        listening = listening.header("Last-Event-ID", last);
    }
    listening.send().await.unwrap()
}

/// The next event's id and data.
async fn event(response: &mut Response, rest: &mut String) -> (String, Value) {
    loop {
        if let Some((event, after)) = rest.split_once("\n\n") {
            let field = |name: &str| {
                let line = event.lines().find_map(|line| line.strip_prefix(name));
                line.map(|text| text.trim_start_matches(": ").to_owned())
            };
            let found = field("id").zip(field("data"));
            let end = rest.len() - after.len();
            rest.drain(..end);
            if let Some((id, data)) = found {
                return (id, serde_json::from_str(&data).unwrap());
            }
            continue;
        }
        let chunk = response.chunk().await.unwrap().unwrap();
        *rest += std::str::from_utf8(&chunk).unwrap();
    }
}

#[tokio::test]
async fn each_change_of_the_collection_is_told_with_the_records_version() {
    let server = server();
    let mut listening = listen(&server, None).await;
    assert_eq!(listening.headers()["content-type"], "text/event-stream");
    server.write_as_other_client("/tasks", "t", Some(&json!({ "key": "t" })));
    let created = request(&server, Method::POST, "/notes").body(r#"{"id":"a"}"#).send().await.unwrap();
    assert_eq!(created.headers()["etag"], "\"2\"");
    let mut rest = String::new();
    assert_eq!(
        event(&mut listening, &mut rest).await,
        ("2".to_owned(), json!({ "id": "a", "version": "2" }))
    );
    server.write_as_other_client("/notes", "a", None);
    assert_eq!(
        event(&mut listening, &mut rest).await,
        ("3".to_owned(), json!({ "id": "a", "deleted": true }))
    );
}

#[tokio::test]
async fn an_event_names_its_record_by_id_whatever_the_collection_calls_that() {
    let server = server();
    let (mut listening, mut rest) = (listen_to("/tasks", &server, None).await, String::new());
    server.write_as_other_client("/tasks", "t", Some(&json!({ "key": "t" })));
    assert_eq!(event(&mut listening, &mut rest).await.1, json!({ "id": "t", "version": "1" }));
    server.write_as_other_client("/tasks", "t", None);
    assert_eq!(event(&mut listening, &mut rest).await.1, json!({ "id": "t", "deleted": true }));
}

#[tokio::test]
async fn a_client_that_lost_the_connection_is_told_what_it_missed() {
    let server = server();
    for id in ["a", "b", "c"] {
        server.write_as_other_client("/notes", id, Some(&json!({ "id": id })));
    }
    let mut listening = listen(&server, Some("1")).await;
    let mut rest = String::new();
    assert_eq!(event(&mut listening, &mut rest).await.0, "2");
    assert_eq!(event(&mut listening, &mut rest).await.0, "3");
}

#[tokio::test]
async fn an_event_id_of_another_server_is_gone() {
    let server = server();
    for last in ["17", "not a number", "-1"] {
        assert!(read(listen(&server, Some(last)).await).await.problem(410).contains("without it"));
    }
}

#[tokio::test]
async fn a_record_may_be_called_changes() {
    let server = server();
    server.write_as_other_client("/notes", "changes", Some(&json!({ "id": "changes" })));
    assert_eq!(get(&server, "/notes/changes").await.body, json!({ "id": "changes" }));
}
