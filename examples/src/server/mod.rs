//! The reference server: the HTTP contract for any JSON records, with axum and a SQLite file.
//!
//! It is what a server for `sync` has to do, written to be read: `store` holds the data and the rules (versions,
//! idempotency keys, tombstones, cursors), `http` the requests and answers, `live` what it tells on its own, [`intercept`] the faults that tests and the
//! quickstart switch on.

mod filter;
mod http;
mod if_match;
pub mod intercept;
mod live;
mod problem;
mod store;

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::runtime::{Builder, Runtime};

use self::http::Service;
use self::intercept::{Intercept, Interceptor, Seen};
use self::store::Store;

/// How long a stopping server waits for the SQLite calls that are under way.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What a server is to serve.
#[derive(Debug, Clone)]
pub struct Config {
    collections: BTreeMap<String, String>,
    file: Option<PathBuf>,
    port: u16,
    token: Option<String>,
    latency: Duration,
}

impl Config {
    /// A server with collections at these paths, whose records are named by their member `id`.
    #[must_use]
    pub fn new<'a>(collections: impl IntoIterator<Item = &'a str>) -> Self {
        let collections = collections.into_iter().map(|path| (path.to_owned(), "id".to_owned())).collect();
        Self { collections, file: None, port: 0, token: None, latency: Duration::ZERO }
    }

    /// Adds a collection whose records are named by another member.
    #[must_use]
    pub fn collection(mut self, path: &str, id_member: &str) -> Self {
        self.collections.insert(path.to_owned(), id_member.to_owned());
        self
    }

    /// Keeps the data in a file, so that a server started later goes on with it. Without one it is in memory.
    #[must_use]
    pub fn file(mut self, file: impl AsRef<Path>) -> Self {
        self.file = Some(file.as_ref().to_path_buf());
        self
    }

    /// Listens on this port, and not on a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Answers only requests with this bearer token.
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// Waits so long before it takes each request, as a server far away does. Requests wait side by side.
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }
}

/// A running server, on threads of its own. It stops when it is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    service: Arc<Service>,
    /// `None` once it was stopped.
    runtime: Option<Runtime>,
}

impl Server {
    /// Starts a server on 127.0.0.1.
    ///
    /// # Errors
    /// When the port is taken, or the file cannot be opened or is another program's.
    pub fn start(config: Config) -> io::Result<Self> {
        let store = Store::open(config.file.as_deref())?;
        let service = Arc::new(Service::new(store, config.collections, config.token, config.latency));
        let listener = TcpListener::bind(("127.0.0.1", config.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.spawn(http::serve(listener, Arc::clone(&service)));
        Ok(Self { address, service, runtime: Some(runtime) })
    }

    /// Where it listens.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Stops: connections are cut, whatever is under way. When this returns, the port is free.
    pub async fn stop(mut self) {
        if let Some(runtime) = self.runtime.take() {
            let stopping = tokio::task::spawn_blocking(move || runtime.shutdown_timeout(LAST_WORDS));
            // Without the caller's runtime there is nobody left to wait.
            let _ = stopping.await;
        }
    }

    /// Decides for each request what goes wrong with it.
    pub fn intercept(&self, interceptor: impl FnMut(&Seen) -> Intercept + Send + 'static) {
        self.service.faults.set(Some(Box::new(interceptor) as Interceptor));
    }

    /// Nothing goes wrong any more.
    pub fn heal(&self) {
        self.service.faults.set(None);
    }

    /// The requests that came in, in order; the newest 100,000 of them.
    #[must_use]
    pub fn requests(&self) -> Vec<Seen> {
        self.service.faults.seen()
    }

    /// The records of a collection, by id.
    ///
    /// # Panics
    /// When the server's own file cannot be read.
    #[must_use]
    pub fn records(&self, collection: &str) -> BTreeMap<String, Value> {
        self.service.store.records(collection).expect("the server of an example can read its file")
    }

    /// Another client writes a record; `None` deletes it.
    ///
    /// # Panics
    /// When the server's own file cannot be written.
    pub fn write_as_other_client(&self, collection: &str, id: &str, record: Option<&Value>) {
        self.service
            .write_unasked(collection, id, record)
            .expect("the server of an example can write its file");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
