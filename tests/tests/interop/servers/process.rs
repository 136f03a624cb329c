//! A server's process.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// Where `tests/interop/install` has put a server.
pub fn installed(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/interop").join(name);
    assert!(folder.join("installed").exists(), "{name} is not installed: run tests/interop/install");
    folder
}

/// A process that is ended when this is dropped.
pub struct Process {
    pub port: u16,
    child: Child,
}

impl Process {
    /// Starts a server on a free port. Somebody else may take it first; then another one is tried.
    pub async fn start(command: impl Fn(u16) -> Command) -> Self {
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
            if let Some(child) = run(command(port), port).await {
                return Self { port, child };
            }
        }
        panic!("it ends as soon as it is started: {:?}", command(0));
    }

    /// Ends the process and starts it anew on its port. What the system has not taken back yet, the port or shared memory,
    /// may need some attempts.
    pub async fn restart(&mut self, command: impl Fn(u16) -> Command) {
        self.child.kill().await.unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        self.child = loop {
            if let Some(child) = run(command(self.port), self.port).await {
                break child;
            }
            assert!(Instant::now() < deadline, "it does not start again: {:?}", command(self.port));
            sleep(Duration::from_millis(50)).await;
        };
    }
}

/// Starts it and waits until it takes connections; `None` when it has ended before that.
async fn run(mut command: Command, port: u16) -> Option<Child> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
        if child.try_wait().unwrap().is_some() {
            return None;
        }
        assert!(Instant::now() < deadline, "it does not listen: {command:?}");
        sleep(Duration::from_millis(20)).await;
    }
    Some(child)
}
