//! A small HTTP server with a runtime and a thread of its own.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::response::IntoResponse;
use axum::routing::get;

use super::Note;

/// What the server does.
#[derive(Clone)]
struct Service {
    latency: Duration,
    /// The pages, written once; a cursor is the number of the page that follows.
    pages: Arc<Vec<Bytes>>,
}

/// Starts a server that takes every write after `latency`, and serves `records` in pages of `per_page`, the same in
/// each collection. It runs until the process ends.
pub fn start(latency: Duration, records: u64, per_page: u64) -> String {
    let service = Service { latency, pages: Arc::new(pages(records, per_page)) };
    let (tell, told) = std::sync::mpsc::channel::<SocketAddr>();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let app = Router::new().route("/{collection}", get(page).post(take)).with_state(service);
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            axum::serve(listener, app).await.unwrap();
        });
    });
    format!("http://{}", told.recv().unwrap())
}

fn pages(records: u64, per_page: u64) -> Vec<Bytes> {
    let mut pages = Vec::new();
    let mut next = 0;
    while next < records {
        let last = records.min(next + per_page);
        let items: Vec<_> = (next..last)
            .map(|number| {
                let mut item = serde_json::to_value(Note::number(number)).unwrap();
                item["version"] = number.into();
                item
            })
            .collect();
        let cursor = (pages.len() + 1).to_string();
        let page = serde_json::json!({ "items": items, "cursor": cursor, "hasMore": last < records });
        pages.push(Bytes::from(page.to_string()));
        next = last;
    }
    pages
}

async fn take(State(service): State<Service>, body: Bytes) -> impl IntoResponse {
    std::hint::black_box(body);
    if !service.latency.is_zero() {
        tokio::time::sleep(service.latency).await;
    }
    (StatusCode::CREATED, [(ETAG, "\"1\"")])
}

async fn page(
    State(service): State<Service>,
    Query(query): Query<HashMap<String, String>>,
) -> impl IntoResponse {
    let number: usize = query.get("since").map_or(0, |cursor| cursor.parse().unwrap());
    ([(CONTENT_TYPE, "application/json")], service.pages[number].clone())
}
