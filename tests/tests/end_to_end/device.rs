//! A device with a SQLite file, on a real server.

use std::path::{Path, PathBuf};

use sync::{Engine, RestRemote, RetryPolicy, SqliteStorage};
use sync_examples::server::{Config, Server};
use sync_tests::app::App;

pub struct Device {
    pub app: App,
    pub engine: Engine<App>,
    pub storage: SqliteStorage,
}

pub fn server() -> Server {
    Server::start(Config::new(["/notes", "/tasks"])).unwrap()
}

impl Device {
    pub async fn open(file: &Path, url: &str) -> Self {
        Self::with(file, RestRemote::new(url).unwrap()).await
    }

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

/// A folder of the test's own, and a file in it.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}
