//! A server and a plain HTTP client.

use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::Value;
use sync_examples::server::{Config, Server};

/// Notes are named by `id`, tasks by `key`.
pub(crate) fn config() -> Config {
    Config::new(["/notes"]).collection("/tasks", "key")
}

/// A server with its data in memory.
pub(crate) fn server() -> Server {
    Server::start(config()).unwrap()
}

/// An answer, read to its end.
#[derive(Debug, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: Option<String>,
    pub(crate) etag: Option<String>,
    /// `Null` when there was no body.
    pub(crate) body: Value,
}

impl Answer {
    /// Asserts that it is a problem, and returns its advice.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> &str {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.kind.as_deref(), Some("application/problem+json"), "{self:?}");
        assert_eq!(self.body["status"], status, "{self:?}");
        assert!(self.body["title"].is_string() && self.body["type"].is_string(), "{self:?}");
        self.body["detail"].as_str().unwrap()
    }

    pub(crate) fn etag(&self) -> &str {
        self.etag.as_deref().unwrap()
    }
}

pub(crate) fn request(server: &Server, method: Method, target: &str) -> RequestBuilder {
    // A client for each request: none meets the pooled connection of a server that was stopped.
    let client = Client::builder().no_proxy().build().unwrap();
    client.request(method, format!("{}{target}", server.base_url()))
}

pub(crate) async fn read(response: Response) -> Answer {
    let text = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (status, kind, etag) = (response.status().as_u16(), text("content-type"), text("etag"));
    let body = response.bytes().await.unwrap();
    let body = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    Answer { status, kind, etag, body }
}

pub(crate) async fn get(server: &Server, target: &str) -> Answer {
    read(request(server, Method::GET, target).send().await.unwrap()).await
}

/// Writes with these headers; `Null` sends no body.
pub(crate) async fn send(
    server: &Server,
    method: Method,
    target: &str,
    headers: &[(&'static str, &str)],
    body: &Value,
) -> Answer {
    let mut request = request(server, method, target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    if !body.is_null() {
        request = request.body(body.to_string());
    }
    read(request.send().await.unwrap()).await
}

pub(crate) async fn post(server: &Server, target: &str, body: &Value) -> Answer {
    send(server, Method::POST, target, &[], body).await
}

pub(crate) async fn patch(server: &Server, target: &str, if_match: &str, body: &Value) -> Answer {
    send(server, Method::PATCH, target, &[("if-match", if_match)], body).await
}

pub(crate) async fn delete(server: &Server, target: &str) -> Answer {
    send(server, Method::DELETE, target, &[], &Value::Null).await
}
