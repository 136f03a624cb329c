//! json-server, before and after its rewrite.

use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use sync::Dialect;
use sync_tests::device::Folder;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::process::{Process, installed};
use crate::app::COLLECTIONS;
use crate::backend::Backend;

/// Which release.
pub trait Release {
    const FOLDER: &'static str;
    const PROGRAM: &'static str;
}

/// 0.17.4
pub struct V0;

/// 1.0.0-beta.3
pub struct V1;

impl Release for V0 {
    const FOLDER: &'static str = "json-server-0.17";
    const PROGRAM: &'static str = "node_modules/json-server/lib/cli/bin.js";
}

impl Release for V1 {
    const FOLDER: &'static str = "json-server-1.0";
    const PROGRAM: &'static str = "node_modules/json-server/lib/bin.js";
}

pub struct JsonServer<R> {
    process: Process,
    file: PathBuf,
    _folder: Folder,
    _release: PhantomData<R>,
}

impl<R: Release> JsonServer<R> {
    /// How many notes the file has; `None` while it is being written.
    fn on_disk(&self) -> Option<usize> {
        let file: Value = serde_json::from_str(&std::fs::read_to_string(&self.file).ok()?).ok()?;
        file["notes"].as_array().map(Vec::len)
    }

    async fn in_memory(&self) -> Option<usize> {
        let notes = reqwest::get(format!("http://127.0.0.1:{}/notes", self.process.port)).await.ok()?;
        let notes: Value = serde_json::from_str(&notes.text().await.ok()?).ok()?;
        notes.as_array().map(Vec::len)
    }
}

fn command<R: Release>(file: &Path, port: u16) -> Command {
    let mut node = Command::new("node");
    let home = file.parent().unwrap_or(Path::new("/"));
    // In production, it asks for such a folder of static files where it is started.
    std::fs::create_dir_all(home.join("public")).unwrap();
    node.current_dir(home)
        // Otherwise 1.0 reads its file again whenever it has written it, and forgets what it took meanwhile.
        .env("NODE_ENV", "production")
        .arg(installed(R::FOLDER).join(R::PROGRAM))
        .args(["--host", "127.0.0.1", "--port", &port.to_string()])
        .arg(file);
    node
}

impl<R: Release> Backend for JsonServer<R> {
    fn dialect() -> Dialect {
        Dialect::json_server()
    }

    async fn start() -> Self {
        let folder = Folder::new();
        let file = folder.file("db.json");
        let empty: Vec<_> = COLLECTIONS.iter().map(|name| format!("\"{}\": []", &name[1..])).collect();
        std::fs::write(&file, format!("{{{}}}", empty.join(", "))).unwrap();
        let process = Process::start(|port| command::<R>(&file, port)).await;
        Self { process, file, _folder: folder, _release: PhantomData }
    }

    fn path(&self) -> &'static str {
        ""
    }

    fn port(&self) -> u16 {
        self.process.port
    }

    async fn restart(&mut self) -> bool {
        // It answers before it has written: what is killed at that moment is lost there, whatever the devices do.
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.on_disk() != self.in_memory().await {
            assert!(Instant::now() < deadline, "it does not write");
            sleep(Duration::from_millis(20)).await;
        }
        self.process.restart(|port| command::<R>(&self.file, port)).await;
        true
    }
}
