//! `CouchDB`'s protocol, as express-pouchdb serves it from memory.

use sync::Dialect;
use tokio::process::Command;

use super::process::{Process, installed};
use crate::app::COLLECTIONS;
use crate::backend::Backend;

pub struct CouchDb(Process);

impl Backend for CouchDb {
    fn dialect() -> Dialect {
        Dialect::couchdb()
    }

    async fn start() -> Self {
        let folder = installed("couchdb");
        let process = Process::start(|port| {
            let mut node = Command::new("node");
            node.current_dir(&folder).arg("server.js").arg(port.to_string());
            node
        })
        .await;
        for collection in COLLECTIONS {
            let url = format!("http://127.0.0.1:{}{collection}", process.port);
            reqwest::Client::new().put(url).send().await.unwrap().error_for_status().unwrap();
        }
        Self(process)
    }

    fn path(&self) -> &'static str {
        ""
    }

    fn port(&self) -> u16 {
        self.0.port
    }

    async fn restart(&mut self) -> bool {
        false
    }
}
