//! A server's process.

use std::net::TcpListener;
use std::ops::Range;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

/// Where `tests/interop/install` has put a server.
pub fn installed(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/interop").join(name);
    assert!(folder.join("installed").exists(), "{name} is not installed: run tests/interop/install");
    folder
}

/// The ports of the servers lie below those that the system gives out itself (from 32768 on Linux, from 49152 after RFC 6335,
/// section 6). One of those may go to the listener of another test after it was found free, and before the server has it.
const PORTS: Range<u16> = 20_000..32_000;

/// A port on which nobody listens. No other test of this program gets it; those of programs that run beside it begin elsewhere.
fn free_port() -> u16 {
    static GIVEN: AtomicUsize = AtomicUsize::new(0);
    let begin = std::process::id() as usize * 101;
    let ports = PORTS.len();
    (0..ports)
        .map(|_| GIVEN.fetch_add(1, Ordering::Relaxed))
        .filter_map(|given| PORTS.clone().nth((begin + given) % ports))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a port is free")
}

/// A process that is ended when this is dropped.
pub struct Process {
    pub port: u16,
    child: Child,
}

impl Process {
    /// Starts a server on a free port. Another program may take it first; then another one is tried.
    pub async fn start(command: impl Fn(u16) -> Command) -> Self {
        for _ in 0..5 {
            let port = free_port();
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
