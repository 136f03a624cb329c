//! What lies between a device and a server: it can lose an answer, and be out of order for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The way to a server, until it is dropped.
pub struct Proxy {
    port: u16,
    state: Arc<State>,
    /// Changes when all connections are to be cut.
    cut: watch::Sender<()>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    /// The server's port.
    server: AtomicU16,
    out_of_order: AtomicBool,
    loses: AtomicBool,
    lost: AtomicU32,
    batches: AtomicU32,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    pub async fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        state.server.store(server, Ordering::SeqCst);
        let (cut, cuts) = watch::channel(());
        let shared = Arc::clone(&state);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                if shared.out_of_order.load(Ordering::SeqCst) {
                    continue;
                }
                let (state, mut cuts) = (Arc::clone(&shared), cuts.clone());
                connections.spawn(async move {
                    cuts.mark_unchanged();
                    tokio::select! {
                        _ = carry(client, &state) => {}
                        _ = cuts.changed() => {}
                    }
                });
                while connections.try_join_next().is_some() {}
            }
        });
        Self { port, state, cut, task }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts every connection, and lets none through until it is told to.
    pub fn break_down(&self) {
        self.state.out_of_order.store(true, Ordering::SeqCst);
        self.cut.send_replace(());
    }

    /// Leads to another server from now on.
    pub fn lead_to(&self, server: u16) {
        self.state.server.store(server, Ordering::SeqCst);
        self.cut.send_replace(());
    }

    pub fn mend(&self) {
        self.state.out_of_order.store(false, Ordering::SeqCst);
    }

    /// Loses the next answer: the server has done what it was asked, and nobody is told.
    pub fn lose_an_answer(&self) {
        self.state.loses.store(true, Ordering::SeqCst);
    }

    /// How many requests to one of the known places for batches went through.
    pub fn batches(&self) -> u32 {
        self.state.batches.load(Ordering::SeqCst)
    }

    /// How many answers were lost.
    pub fn lost(&self) -> u32 {
        self.state.lost.load(Ordering::SeqCst)
    }
}

/// How requests begin that hold several operations; of a table, those that have more than one row are not told apart.
const BATCHES: [&[u8]; 3] = [b"POST /v1/batch ", b"POST /notes/_bulk_docs ", b"POST /notes "];

async fn carry(mut client: TcpStream, state: &State) -> std::io::Result<()> {
    let port = state.server.load(Ordering::SeqCst);
    let mut server = TcpStream::connect(("127.0.0.1", port)).await?;
    let (mut up, mut down) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    loop {
        tokio::select! {
            read = client.read(&mut up) => match read? {
                0 => return Ok(()),
                read => {
                    let sent = &up[..read];
                    if BATCHES.iter().any(|head| sent.starts_with(head)) {
                        state.batches.fetch_add(1, Ordering::SeqCst);
                    }
                    server.write_all(sent).await?;
                }
            },
            read = server.read(&mut down) => {
                let read = read?;
                if read == 0 {
                    return Ok(());
                }
                if state.loses.swap(false, Ordering::SeqCst) {
                    state.lost.fetch_add(1, Ordering::SeqCst);
                    return Ok(());
                }
                client.write_all(&down[..read]).await?;
            }
        }
    }
}
