//! A server that is told what to say.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// One request, as it came over the wire.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Seen {
    /// The header's value; the test fails when it is there twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name));
        let value = values.next().map(|(_, value)| value.as_str());
        assert!(values.next().is_none(), "{name} was sent twice: {:?}", self.headers);
        value
    }
}

/// An answer: its bytes, and what the server does after them.
#[derive(Debug, Clone)]
pub struct Answer {
    head: String,
    body: Vec<u8>,
    ending: Ending,
}

#[derive(Debug, Clone)]
enum Ending {
    /// Says how long the body is and keeps the connection.
    Framed,
    /// Sends nothing more, closes the connection.
    Close,
    /// Sends nothing more and keeps the connection open.
    Stall,
    /// Sends the body again and again, as chunks, until the client hangs up.
    Repeat,
}

impl Answer {
    pub fn status(status: u16) -> Self {
        Self { head: format!("HTTP/1.1 {status} Scripted\r\n"), body: Vec::new(), ending: Ending::Framed }
    }

    pub fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::status(status).header("Content-Type", "application/json").body(body)
    }

    pub fn header(mut self, name: &str, value: impl AsRef<str>) -> Self {
        self.head += &format!("{name}: {}\r\n", value.as_ref());
        self
    }

    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The bytes as they are, without any framing, and then the end of the connection.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { head: String::new(), body: bytes.into(), ending: Ending::Close }
    }

    /// Announces so many bytes, sends the body, and closes the connection.
    pub fn cut_short_of(mut self, length: u64) -> Self {
        self.head += &format!("Content-Length: {length}\r\n");
        self.ending = Ending::Close;
        self
    }

    /// Announces so many bytes, sends the body, and then nothing for ever.
    pub fn stalling_short_of(mut self, length: u64) -> Self {
        self.head += &format!("Content-Length: {length}\r\n");
        self.ending = Ending::Stall;
        self
    }

    /// Never ends.
    pub fn endless(mut self) -> Self {
        self.head += "Transfer-Encoding: chunked\r\n";
        self.ending = Ending::Repeat;
        self
    }

    /// Never says anything.
    pub fn nothing() -> Self {
        Self { head: String::new(), body: Vec::new(), ending: Ending::Stall }
    }
}

type Script = dyn Fn(&Seen, usize) -> Answer + Send + Sync;

/// The server, until it is dropped.
pub struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<AtomicUsize>,
    /// How many requests came.
    pub arrived: watch::Receiver<usize>,
    /// How many bytes of bodies were written.
    pub written: watch::Receiver<usize>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Says the same to everyone.
    pub async fn saying(answer: Answer) -> Self {
        Self::scripted(move |_, _| answer.clone()).await
    }

    /// Says one thing after the other; the last one for ever.
    pub async fn saying_in_turn(answers: Vec<Answer>) -> Self {
        Self::scripted(move |_, nth| answers[nth.min(answers.len() - 1)].clone()).await
    }

    /// Says what the script says to a request and its number, starting with 0.
    pub async fn scripted(script: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let script: Arc<Script> = Arc::new(script);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (count, arrived) = watch::channel(0);
        let (output, written) = watch::channel(0);
        let kept = Arc::clone(&seen);
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            let mut tasks = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::SeqCst);
                let connection = Connection {
                    stream,
                    script: Arc::clone(&script),
                    seen: Arc::clone(&kept),
                    count: count.clone(),
                    output: output.clone(),
                };
                tasks.spawn(connection.serve());
            }
        });
        Self { address, seen, connections, arrived, written, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many connections were made.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// All requests so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The only request so far.
    pub fn only(&self) -> Seen {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:#?}");
        seen[0].clone()
    }
}

struct Connection {
    stream: TcpStream,
    script: Arc<Script>,
    seen: Arc<Mutex<Vec<Seen>>>,
    count: watch::Sender<usize>,
    output: watch::Sender<usize>,
}

impl Connection {
    /// Ends when the client hangs up.
    async fn serve(mut self) {
        while let Some(request) = self.receive().await {
            let nth = {
                let mut seen = self.seen.lock().unwrap();
                seen.push(request.clone());
                seen.len() - 1
            };
            self.count.send_modify(|count| *count += 1);
            let answer = (self.script)(&request, nth);
            if self.answer(&request, answer).await.is_none() {
                return;
            }
        }
    }

    async fn receive(&mut self) -> Option<Seen> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let mut first = lines.next()?.split(' ');
        let (method, target) = (first.next()?.to_owned(), first.next()?.to_owned());
        assert_eq!((first.next(), first.next()), (Some("HTTP/1.1"), None), "{head}");
        let headers: Vec<_> = lines
            .take_while(|line| !line.is_empty())
            .map(|line| line.split_once(": ").map(|(n, v)| (n.to_owned(), v.to_owned())).unwrap())
            .collect();
        let mut seen = Seen { method, target, headers, body: String::new() };
        let length = seen.header("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).await.ok()?;
        seen.body = String::from_utf8(body).unwrap();
        Some(seen)
    }

    /// `None` when the connection is not to be used again.
    async fn answer(&mut self, request: &Seen, answer: Answer) -> Option<()> {
        let Answer { mut head, body, ending } = answer;
        if matches!(ending, Ending::Framed) {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        if !head.is_empty() {
            head += "\r\n";
        }
        self.write(head.as_bytes()).await?;
        if request.method == "HEAD" {
            return Some(());
        }
        match ending {
            Ending::Framed => self.write(&body).await,
            Ending::Close => {
                self.write(&body).await?;
                None
            }
            Ending::Stall => {
                self.write(&body).await?;
                // Until the client hangs up.
                let _ = self.stream.read_u8().await;
                None
            }
            Ending::Repeat => {
                let chunk = [format!("{:x}\r\n", body.len()).as_bytes(), &body, b"\r\n"].concat();
                loop {
                    self.write(&chunk).await?;
                }
            }
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Option<()> {
        self.stream.write_all(bytes).await.ok()?;
        self.output.send_modify(|written| *written += bytes.len());
        Some(())
    }
}
