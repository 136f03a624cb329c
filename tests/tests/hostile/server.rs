//! A server that does to a connection whatever it is told, and turns sane when it is told.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};
use tokio_rustls::TlsAcceptor;

/// A request, as far as the stories look at it.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub target: String,
    /// The lines of the head, the first included.
    pub head: Vec<String>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.iter().filter_map(|line| line.split_once(": "));
        lines.find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Act {
    /// It sends this and waits for the next request.
    Say(Vec<u8>),
    /// It sends the first, and then the second again and again, as quickly as the client takes it.
    Flood(Vec<u8>, Vec<u8>),
    /// It sends the first, and then the second byte by byte and slowly, again and again.
    Drip(Vec<u8>, Vec<u8>),
    /// It sends this and resets the connection.
    Reset(Vec<u8>),
}

/// An answer with a body whose length is told.
pub fn answer(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status} Scripted\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// A page with this JSON.
pub fn page(json: impl AsRef<[u8]>) -> Act {
    Act::Say(answer(200, "Content-Type: application/json\r\n", json))
}

type Script = dyn Fn(&Seen) -> Act + Send + Sync;

#[derive(Clone)]
struct Shared {
    script: Arc<Script>,
    sane: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Seen>>>,
    /// Bytes that sockets took.
    written: Arc<AtomicUsize>,
    tls: Option<TlsAcceptor>,
}

/// The server, until it is dropped.
pub struct Server {
    address: SocketAddr,
    shared: Shared,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub async fn new(script: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        Self::start(None, script).await
    }

    pub async fn with_tls(tls: TlsAcceptor) -> Self {
        let server = Self::start(Some(tls), |_| unreachable!("it is sane")).await;
        server.become_sane();
        server
    }

    async fn start(tls: Option<TlsAcceptor>, script: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Shared {
            script: Arc::new(script),
            sane: Arc::default(),
            seen: Arc::default(),
            written: Arc::default(),
            tls,
        };
        let each = shared.clone();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let shared = each.clone();
                connections.spawn(async move {
                    // Reset, and not closed, when it is dropped with something unread or unsent.
                    stream.set_zero_linger().unwrap();
                    match shared.tls.clone() {
                        None => serve(&shared, stream).await,
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => serve(&shared, stream).await,
                            Err(_) => None,
                        },
                    }
                });
            }
        });
        Self { address, shared, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// From now on it takes every write and has nothing to tell.
    pub fn become_sane(&self) {
        self.shared.sane.store(true, Ordering::SeqCst);
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// How many bytes the sockets took so far.
    pub fn written(&self) -> usize {
        self.shared.written.load(Ordering::SeqCst)
    }
}

/// Serves one connection, until the client hangs up or the script ends it.
async fn serve(shared: &Shared, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<()> {
    loop {
        let seen = receive(&mut stream).await?;
        let act = if shared.sane.load(Ordering::SeqCst) { sane(&seen) } else { (shared.script)(&seen) };
        shared.seen.lock().unwrap().push(seen);
        match act {
            Act::Say(bytes) => write(shared, &mut stream, &bytes).await?,
            Act::Flood(first, again) => {
                write(shared, &mut stream, &first).await?;
                loop {
                    write(shared, &mut stream, &again).await?;
                }
            }
            Act::Drip(first, again) => {
                write(shared, &mut stream, &first).await?;
                let mut pace = tokio::time::interval(Duration::from_millis(5));
                for byte in again.iter().cycle() {
                    pace.tick().await;
                    write(shared, &mut stream, &[*byte]).await?;
                }
            }
            Act::Reset(bytes) => {
                write(shared, &mut stream, &bytes).await?;
                return None;
            }
        }
    }
}

fn sane(seen: &Seen) -> Act {
    match &*seen.method {
        "GET" => page(r#"{"items":[],"cursor":"end","hasMore":false}"#),
        _ => Act::Say(answer(201, "ETag: \"1\"\r\n", "")),
    }
}

async fn receive(stream: &mut (impl AsyncRead + Unpin)) -> Option<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let head: Vec<_> = head.lines().filter(|line| !line.is_empty()).map(ToOwned::to_owned).collect();
    let mut first = head[0].split(' ').map(ToOwned::to_owned);
    let seen = Seen { method: first.next()?, target: first.next()?, head };
    let length = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
    stream.read_exact(&mut vec![0; length]).await.ok()?;
    Some(seen)
}

async fn write(shared: &Shared, stream: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Option<()> {
    // In small pieces, so that what is counted is what was taken.
    for piece in bytes.chunks(64 * 1024) {
        stream.write_all(piece).await.ok()?;
        stream.flush().await.ok()?;
        shared.written.fetch_add(piece.len(), Ordering::SeqCst);
    }
    Some(())
}
