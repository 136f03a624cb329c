//! A server behind TLS that speaks HTTP/2 and HTTP/1.1.

use std::sync::{Arc, Mutex};

use axum::extract::Request;
use axum::http::{StatusCode, Version};
use axum::routing::post;
use axum::serve::Listener;
use axum::{Router, serve};
use sync::RestRemote;
use sync_tests::device::{Device, Folder};
use sync_tests::entities::note;
use sync_tests::tls;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Takes calls, and begins each with TLS.
struct TlsListener {
    listener: TcpListener,
    tls: TlsAcceptor,
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = Listener::accept(&mut self.listener).await;
            if let Ok(stream) = self.tls.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// Sends notes to a server that offers these protocols (RFC 7301); answers in which versions the requests came.
async fn versions(protocols: &[&str]) -> Vec<Version> {
    let (mut config, pem) = tls::vouching_for("localhost");
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sees = Arc::clone(&seen);
    let take = move |request: Request| {
        sees.lock().unwrap().push(request.version());
        async { StatusCode::CREATED }
    };
    let listener = TlsListener { listener, tls: TlsAcceptor::from(Arc::new(config)) };
    let serving = tokio::spawn(serve(listener, Router::new().route("/notes", post(take))).into_future());

    let folder = Folder::new();
    let remote = RestRemote::builder(url).root_certificate_pem(pem).build().unwrap();
    let device = Device::with(&folder.file("a.db"), remote).await;
    for id in ["a", "b", "c"] {
        device.engine.push(&note(id, "x", 0)).await.unwrap();
    }
    let report = device.engine.flush().await.unwrap();
    serving.abort();
    assert!(report.is_clean() && report.pushed == 3, "{report:?}");
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.len(), 3);
    seen
}

#[tokio::test]
async fn http2_is_spoken_where_tls_negotiates_it() {
    assert_eq!(versions(&["h2", "http/1.1"]).await, [Version::HTTP_2; 3]);
}

#[tokio::test]
async fn http1_is_spoken_where_the_server_knows_nothing_newer() {
    assert_eq!(versions(&["http/1.1"]).await, [Version::HTTP_11; 3]);
}
