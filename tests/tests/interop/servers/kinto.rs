//! Kinto, from memory.

use std::path::Path;

use sync::Dialect;
use sync_tests::device::Folder;
use tokio::process::Command;

use super::process::{Process, installed};
use crate::app::COLLECTIONS;
use crate::backend::Backend;

const USER: (&str, &str) = ("someone", "and their password");

pub struct Kinto {
    process: Process,
    _folder: Folder,
}

fn settings(port: u16, more: &str) -> String {
    format!(
        "[app:main]\n\
         use = egg:kinto\n\
         kinto.bucket_create_principals = system.Authenticated\n\
         kinto.storage_backend = kinto.core.storage.memory\n\
         kinto.cache_backend = kinto.core.cache.memory\n\
         kinto.permission_backend = kinto.core.permission.memory\n\
         kinto.userid_hmac_secret = of-a-test\n\
         multiauth.policies = basicauth\n\
         {more}\n\
         [server:main]\n\
         use = egg:waitress#main\n\
         host = 127.0.0.1\n\
         port = {port}\n"
    )
}

fn command(folder: &Folder, port: u16, more: &str) -> Command {
    let file = folder.file("kinto.ini");
    std::fs::write(&file, settings(port, more)).unwrap();
    let program = installed("kinto").join("venv/bin/kinto");
    let mut kinto = Command::new(program);
    kinto.arg("start").arg("--ini").arg(&file).current_dir(file.parent().unwrap_or(Path::new("/")));
    kinto
}

impl Kinto {
    async fn empty() -> Self {
        let folder = Folder::new();
        let process = Process::start(|port| command(&folder, port, "")).await;
        let kinto = Self { process, _folder: folder };
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
        let process = Process::start(|port| command(&folder, port, "kinto.readonly = true")).await;
        Self { process, _folder: folder }
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
        Self::empty().await
    }

    fn path(&self) -> &'static str {
        "/v1/buckets/app/collections"
    }

    fn port(&self) -> u16 {
        self.process.port
    }

    async fn restart(&mut self) -> bool {
        false
    }

    fn takes_any_id() -> bool {
        false
    }

    fn user(&self) -> Option<(&str, &str)> {
        Some(USER)
    }
}
