//! A `PostgreSQL` cluster of a test's own.

use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Instant, sleep};
use tokio_postgres::{Client, NoTls};

use super::process::Process;

pub struct Postgres {
    process: Process,
    folder: TempDir,
    user: User,
}

/// Whom the server runs as: it refuses to run as root.
#[derive(Clone, Copy)]
enum User {
    Ours,
    Other { id: u32, group: u32 },
}

impl User {
    async fn for_server() -> Self {
        let root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
        if !root {
            return Self::Ours;
        }
        let number = async |flag| {
            let output = Command::new("id").args([flag, "postgres"]).output().await.unwrap();
            String::from_utf8(output.stdout)
                .unwrap()
                .trim()
                .parse()
                .expect("Debian's package makes the user `postgres`")
        };
        Self::Other { id: number("-u").await, group: number("-g").await }
    }

    fn run(self, program: &Path) -> Command {
        let mut command = Command::new(program);
        if let Self::Other { id, group } = self {
            command.uid(id).gid(group);
        }
        command.current_dir("/");
        command
    }
}

/// Where Debian puts the newest release.
fn program(name: &str) -> PathBuf {
    let releases =
        std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is installed: run tests/interop/install");
    let newest = releases.map(|release| release.unwrap().path()).max().expect("there is a release");
    newest.join("bin").join(name)
}

impl Postgres {
    pub async fn start() -> Self {
        let user = User::for_server().await;
        let folder = tempfile::tempdir().unwrap();
        if let User::Other { id, group } = user {
            chown(folder.path(), Some(id), Some(group)).unwrap();
        }
        let mut init = user.run(&program("initdb"));
        init.args(["--no-sync", "--encoding=UTF8", "--username=tests", "--auth=trust", "-D"])
            .arg(folder.path());
        let made = init.output().await.unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let process = Process::start(|port| server(user, folder.path(), port)).await;
        let postgres = Self { process, folder, user };
        postgres.is_ready().await;
        postgres
    }

    /// It takes connections before it answers queries.
    async fn is_ready(&self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while let Err(error) = self.connect().await {
            assert!(Instant::now() < deadline, "{error}");
            sleep(Duration::from_millis(20)).await;
        }
    }

    pub async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        connect(self.process.port).await
    }

    /// Kills it, and starts it on what is on its disk.
    pub async fn restart(&mut self) {
        let (user, folder) = (self.user, self.folder.path());
        self.process.restart(|port| server(user, folder, port)).await;
        self.is_ready().await;
    }

    pub fn port(&self) -> u16 {
        self.process.port
    }
}

pub async fn connect(port: u16) -> Result<Client, tokio_postgres::Error> {
    let address = format!("host=127.0.0.1 port={port} user=tests dbname=postgres");
    let (client, connection) = tokio_postgres::connect(&address, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn server(user: User, folder: &Path, port: u16) -> Command {
    // What a killed server left; its port may be taken by now.
    let _ = std::fs::remove_file(folder.join("postmaster.pid"));
    let mut postgres = user.run(&program("postgres"));
    postgres.arg("-D").arg(folder).args(["-p", &port.to_string()]);
    for setting in
        ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off", "shared_buffers=16MB"]
    {
        postgres.args(["-c", setting]);
    }
    postgres
}
