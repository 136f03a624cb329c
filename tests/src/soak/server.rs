//! A server that counts what arrives, and fails one request in twenty.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};

/// What came in so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Requests, failed ones included.
    pub requests: u64,
    /// Records that were created.
    pub arrived: u64,
    /// Requests that were failed before they took effect.
    pub failed_before: u64,
    /// Requests that were failed after they took effect.
    pub failed_after: u64,
    /// Requests that came again with the same idempotency key after they had taken effect.
    pub replayed: u64,
    /// Creations of a record that another operation had created.
    pub doubled: u64,
}

struct Shared {
    dice: StdRng,
    failing_percent: u32,
    tally: Tally,
    /// The idempotency key that created each record.
    records: HashMap<String, String>,
}

#[derive(Clone)]
struct Counting(Arc<Mutex<Shared>>);

impl Counting {
    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Deserialize)]
struct Created {
    id: String,
}

/// Serves on a free port of this machine until the process ends, and says where in a line on standard output.
///
/// # Errors
/// When there is no port to be had.
pub async fn serve(seed: u64, failing_percent: u32) -> std::io::Result<()> {
    let shared = Shared {
        dice: StdRng::seed_from_u64(seed),
        failing_percent,
        tally: Tally::default(),
        records: HashMap::new(),
    };
    let router = Router::new()
        .route("/notes", post(create))
        .route("/tally", get(tally))
        .with_state(Counting(Arc::new(Mutex::new(shared))));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}", listener.local_addr()?);
    axum::serve(listener, router).await
}

async fn tally(State(counting): State<Counting>) -> Json<Tally> {
    Json(counting.lock().tally)
}

async fn create(
    State(counting): State<Counting>,
    headers: HeaderMap,
    Json(record): Json<Created>,
) -> Response {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).unwrap_or_default();
    let mut shared = counting.lock();
    shared.tally.requests += 1;
    let fails = shared.dice.random_range(0..100) < shared.failing_percent;
    if fails && shared.dice.random_bool(0.5) {
        shared.tally.failed_before += 1;
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    match shared.records.get(&record.id).map(|by| by == key) {
        None => {
            shared.tally.arrived += 1;
            shared.records.insert(record.id, key.to_owned());
        }
        Some(true) => shared.tally.replayed += 1,
        Some(false) => {
            shared.tally.doubled += 1;
            return StatusCode::CONFLICT.into_response();
        }
    }
    if fails {
        shared.tally.failed_after += 1;
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    (StatusCode::CREATED, [("etag", "\"1\"")]).into_response()
}
