//! A device with a SQLite file, on a real server.
#![allow(
    clippy::missing_panics_doc,
    clippy::unwrap_used,
    clippy::new_without_default,
    reason = "only stories use it"
)]

use std::path::{Path, PathBuf};

use crate::app::App;
use sync::{Engine, RestRemote, RetryPolicy, SqliteStorage};
use sync_examples::server::{Config, Server};

/// An application, its engine and its storage.
#[allow(missing_debug_implementations, reason = "nobody prints it")]
pub struct Device {
    /// The application.
    pub app: App,
    /// Its engine.
    pub engine: Engine<App>,
    /// The engine's storage.
    pub storage: SqliteStorage,
}

/// A server for the entities of the stories.
#[must_use]
pub fn server() -> Server {
    Server::start(Config::new(["/notes", "/tasks"])).unwrap()
}

impl Device {
    /// Opens a file, on the server at a URL.
    pub async fn open(file: &Path, url: &str) -> Self {
        Self::with(file, RestRemote::new(url).unwrap()).await
    }

    /// Opens a file, with a remote.
    pub async fn with(file: &Path, remote: RestRemote) -> Self {
        let storage = SqliteStorage::open(file).unwrap();
        let app = App::default();
        // Failed attempts are due again at once, so that no test has to wait.
        let at_once = RetryPolicy { base: std::time::Duration::ZERO, ..RetryPolicy::default() };
        let engine =
            Engine::builder(app.clone(), remote, storage.clone()).retry(at_once).build().await.unwrap();
        Self { app, engine, storage }
    }
}

/// A folder of the test's own.
#[derive(Debug)]
pub struct Folder(tempfile::TempDir);

impl Folder {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}
