//! Stopping, and going on with the same file on the same port.

use reqwest::Method;
use serde_json::json;
use sync_examples::server::Server;

use crate::given::{config, get, patch, post, request, send};

#[tokio::test]
async fn a_server_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let config = config().file(folder.path().join("server.db"));
    let server = Server::start(config.clone()).unwrap();
    let key = [("idempotency-key", "k1")];
    let record = json!({ "id": "a", "title": "x" });
    let first = send(&server, Method::POST, "/notes", &key, &record).await;
    post(&server, "/notes", &json!({ "id": "7" })).await;
    server.write_as_other_client("/notes", "7", None);
    let page = get(&server, "/notes").await;
    let (port, url) = (server.port(), server.base_url());
    server.stop().await;

    let server = Server::start(config.port(port)).unwrap();
    assert_eq!(server.base_url(), url);
    assert_eq!(get(&server, "/notes").await, page, "records, tombstones and the cursor");
    assert_eq!(send(&server, Method::POST, "/notes", &key, &record).await, first, "the remembered answer");
    assert!(send(&server, Method::PUT, "/notes/a", &key, &record).await.problem(422).contains("Key"));
    assert_eq!(patch(&server, "/notes/a", first.etag(), &json!({ "title": "y" })).await.etag(), "\"4\"");
    assert_eq!(get(&server, "/notes?since=3").await.body["items"][0]["id"], "a", "old cursors still count");
}

#[tokio::test]
async fn a_stopped_server_refuses_connections() {
    let server = Server::start(config()).unwrap();
    let attempt = request(&server, Method::GET, "/notes");
    server.stop().await;
    assert!(attempt.send().await.unwrap_err().is_connect());
}

#[tokio::test]
async fn a_dropped_server_stops() {
    let server = Server::start(config()).unwrap();
    let port = server.port();
    drop(server);
    let free = || std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
    for _ in 0..100 {
        if free() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("the port is still taken");
}

#[tokio::test]
async fn a_taken_port_is_an_error() {
    let server = Server::start(config()).unwrap();
    let second = Server::start(config().port(server.port()));
    assert_eq!(second.unwrap_err().kind(), std::io::ErrorKind::AddrInUse);
}

#[tokio::test]
async fn a_file_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("other.db");
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.execute_batch("create table records (name text)").unwrap();
    drop(connection);
    let before = std::fs::read(&file).unwrap();
    let error = Server::start(config().file(&file)).unwrap_err();
    assert!(error.to_string().contains("choose another one"), "{error}");
    assert_eq!(std::fs::read(&file).unwrap(), before);
}
