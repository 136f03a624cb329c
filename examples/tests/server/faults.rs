//! What tests and the quickstart can make go wrong.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;
use sync_examples::server::intercept::Intercept;
use sync_examples::server::{Config, Server};

use crate::given::{get, post, request, send, server};

/// The bytes that a server sends on a connection until it closes it.
async fn raw(server: &Server, request: String) -> Vec<u8> {
    let port = server.port();
    let conversation = move || {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.write_all(request.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        // A reset is a cut connection as well.
        let _ = socket.read_to_end(&mut bytes);
        bytes
    };
    tokio::task::spawn_blocking(conversation).await.unwrap()
}

fn raw_post(body: &str) -> String {
    format!("POST /notes HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[tokio::test]
async fn a_cut_connection_shows_no_byte_and_has_no_effect() {
    let server = server();
    server.intercept(|_| Intercept::Cut);
    assert_eq!(raw(&server, raw_post(r#"{"id":"a"}"#)).await, b"");
    assert!(server.records("/notes").is_empty());
}

#[tokio::test]
async fn an_answer_can_be_lost_after_the_write_took_effect() {
    let server = server();
    server.intercept(|_| Intercept::CutAfter);
    assert_eq!(raw(&server, raw_post(r#"{"id":"a"}"#)).await, b"");
    assert_eq!(server.records("/notes").len(), 1);
    let lost = request(&server, Method::POST, "/notes").body(r#"{"id":"b"}"#).send().await;
    assert!(lost.is_err());
    assert_eq!(server.records("/notes").len(), 2);
    server.heal();
    assert_eq!(get(&server, "/notes/b").await.status, 200);
}

#[tokio::test]
async fn an_answer_can_be_scripted_per_request() {
    let server = server();
    server.intercept(|seen| match seen.method.as_str() {
        "POST" => Intercept::Answer {
            status: 503,
            headers: vec![("retry-after", "7".to_owned())],
            body: "{}".to_owned(),
        },
        _ => Intercept::Pass,
    });
    let response = request(&server, Method::POST, "/notes").body(r#"{"id":"a"}"#).send().await.unwrap();
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (503, &"7".parse().unwrap())
    );
    assert!(server.records("/notes").is_empty(), "it had no effect");
    assert_eq!(get(&server, "/notes").await.status, 200);
}

#[tokio::test]
async fn a_delay_holds_back_one_request_and_no_other() {
    let server = server();
    server.intercept(|seen| match seen.path.as_str() {
        "/tasks" => Intercept::Delay(Duration::from_millis(400)),
        _ => Intercept::Pass,
    });
    let start = Instant::now();
    let slow = async {
        assert_eq!(get(&server, "/tasks").await.status, 200);
        start.elapsed()
    };
    let quick = async {
        assert_eq!(get(&server, "/notes").await.status, 200);
        start.elapsed()
    };
    // Looked at in this order, for a machine on which both have ended before anybody looks.
    let (quick, slow) = futures::future::join(quick, slow).await;
    assert!(slow >= Duration::from_millis(400) && quick < slow, "{slow:?} {quick:?}");
}

#[tokio::test]
async fn latency_holds_every_request_back_side_by_side() {
    let latency = Duration::from_millis(500);
    let server = Server::start(Config::new(["/notes"]).latency(latency)).unwrap();
    let start = Instant::now();
    futures::future::join_all((0..8).map(|_| get(&server, "/notes"))).await;
    let taken = start.elapsed();
    assert!(taken >= latency && taken < latency * 8, "{taken:?}");
}

#[tokio::test]
async fn the_log_tells_what_came_in() {
    let server = server();
    let headers = [("idempotency-key", "k"), ("if-match", "\"1\"")];
    send(&server, Method::PATCH, "/notes/a%2Fb", &headers, &json!({})).await;
    get(&server, "/notes?limit=5").await;
    let log = server.requests();
    assert_eq!((log[0].method.as_str(), log[0].path.as_str()), ("PATCH", "/notes/a%2Fb"));
    assert_eq!(log[0].idempotency_key.as_deref(), Some("k"));
    assert_eq!(log[0].if_match.as_deref(), Some("\"1\""));
    assert_eq!((log[1].path.as_str(), log[1].query.as_str()), ("/notes", "limit=5"));
}

#[tokio::test]
async fn another_client_writes_behind_the_back_of_this_one() {
    let server = server();
    server.write_as_other_client("/notes", "a", Some(&json!({ "id": "a" })));
    assert_eq!(get(&server, "/notes/a").await.etag(), "\"1\"");
    server.write_as_other_client("/notes", "a", None);
    get(&server, "/notes/a").await.problem(410);
    assert_eq!(post(&server, "/notes", &json!({ "id": "a" })).await.etag(), "\"3\"");
}
