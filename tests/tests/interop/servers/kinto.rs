//! Kinto, from memory and on `PostgreSQL`.

use std::path::Path;

use sync::Dialect;
use sync_tests::device::Folder;
use tokio::process::Command;

use super::postgres::Postgres;
use super::process::{Process, installed};
use crate::app::COLLECTIONS;
use crate::backend::Backend;

const USER: (&str, &str) = ("someone", "and their password");

pub struct Kinto {
    process: Process,
    folder: Folder,
    /// Where it keeps everything, if not in memory.
    database: Option<Postgres>,
}

/// Where it keeps everything.
fn backends(database: Option<u16>) -> String {
    let backend = if database.is_some() { "postgresql" } else { "memory" };
    let parts = ["storage", "cache", "permission"].map(|part| {
        let url =
            database.map(|port| format!("kinto.{part}_url = postgresql://tests@127.0.0.1:{port}/postgres\n"));
        format!("kinto.{part}_backend = kinto.core.{part}.{backend}\n{}", url.unwrap_or_default())
    });
    parts.concat()
}

fn settings(port: u16, database: Option<u16>, more: &str) -> String {
    let backends = backends(database);
    format!(
        "[app:main]\n\
         use = egg:kinto\n\
         kinto.bucket_create_principals = system.Authenticated\n\
         {backends}\
         kinto.userid_hmac_secret = of-a-test\n\
         multiauth.policies = basicauth\n\
         {more}\n\
         [server:main]\n\
         use = egg:waitress#main\n\
         host = 127.0.0.1\n\
         port = {port}\n"
    )
}

fn command(folder: &Folder, verb: &str, port: u16, database: Option<u16>, more: &str) -> Command {
    let file = folder.file("kinto.ini");
    std::fs::write(&file, settings(port, database, more)).unwrap();
    let program = installed("kinto").join("venv/bin/kinto");
    let mut kinto = Command::new(program);
    kinto.arg(verb).arg("--ini").arg(&file).current_dir(file.parent().unwrap_or(Path::new("/")));
    kinto
}

impl Kinto {
    async fn with(database: Option<Postgres>) -> Self {
        let folder = Folder::new();
        let at = database.as_ref().map(Postgres::port);
        if at.is_some() {
            let made = command(&folder, "migrate", 0, at, "").output().await.unwrap();
            assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        }
        let process = Process::start(|port| command(&folder, "start", port, at, "")).await;
        let kinto = Self { process, folder, database };
        let buckets = format!("http://127.0.0.1:{}/v1/buckets/app", kinto.port());
        kinto.put(&buckets).await;
        for collection in COLLECTIONS {
            kinto.put(&format!("{buckets}/collections{collection}")).await;
        }
        kinto
    }

    /// That takes no writes.
    pub async fn read_only() -> Self {
        let folder = Folder::new();
        let process =
            Process::start(|port| command(&folder, "start", port, None, "kinto.readonly = true")).await;
        Self { process, folder, database: None }
    }

    async fn put(&self, url: &str) {
        let request = reqwest::Client::new().put(url).basic_auth(USER.0, Some(USER.1));
        request.send().await.unwrap().error_for_status().unwrap();
    }
}

impl Backend for Kinto {
    fn dialect() -> Dialect {
        Dialect::kinto()
    }

    async fn start() -> Self {
        Self::with(None).await
    }

    fn path(&self) -> &'static str {
        "/v1/buckets/app/collections"
    }

    fn port(&self) -> u16 {
        self.process.port
    }

    async fn restart(&mut self) -> bool {
        let Some(database) = &self.database else { return false };
        let (folder, at) = (&self.folder, Some(database.port()));
        self.process.restart(|port| command(folder, "start", port, at, "")).await;
        true
    }

    fn takes_any_id() -> bool {
        false
    }

    fn user(&self) -> Option<(&str, &str)> {
        Some(USER)
    }
}

/// Kinto that keeps everything in `PostgreSQL`, and so forgets nothing when it ends.
pub struct KintoOnDisk(Kinto);

impl Backend for KintoOnDisk {
    fn dialect() -> Dialect {
        Dialect::kinto()
    }

    async fn start() -> Self {
        Self(Kinto::with(Some(Postgres::start().await)).await)
    }

    fn path(&self) -> &'static str {
        self.0.path()
    }

    fn port(&self) -> u16 {
        self.0.port()
    }

    async fn restart(&mut self) -> bool {
        self.0.restart().await
    }

    fn takes_any_id() -> bool {
        Kinto::takes_any_id()
    }

    fn user(&self) -> Option<(&str, &str)> {
        self.0.user()
    }
}
