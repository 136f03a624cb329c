//! Certificates: nobody's, the right one, and the right one for another host.

use std::sync::Arc;

use sync::{RemoteError, RestRemoteBuilder, SyncError};
use sync_tests::tls;
use tokio_rustls::TlsAcceptor;

use super::story::{Story, Turn};

/// A server's side of TLS, and the certificate that a client has to trust.
fn vouching_for(host: &str) -> (TlsAcceptor, String) {
    let (config, pem) = tls::vouching_for(host);
    (TlsAcceptor::from(Arc::new(config)), pem)
}

async fn is_refused(story: &Story) {
    let error = story.flush_error().await;
    let SyncError::Push { source: RemoteError::Unreachable { reason, .. }, .. } = &*error else {
        panic!("{error:?}")
    };
    assert!(reason.contains("certificate"), "{error}");
    assert!(story.server.seen().is_empty(), "nothing was told to it");
    assert_eq!(story.engine.queue_len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let turn = Turn::mine().await;
    let (tls, _) = vouching_for("localhost");
    is_refused(&Story::with_tls(&turn, tls, "localhost", |remote| remote).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trusted_certificate_of_another_host_is_refused() {
    let turn = Turn::mine().await;
    let (tls, pem) = vouching_for("other.example");
    is_refused(&Story::with_tls(&turn, tls, "localhost", |remote| remote.root_certificate_pem(pem)).await)
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_trusted_is_taken() {
    let turn = Turn::mine().await;
    let (tls, pem) = vouching_for("localhost");
    let story = Story::with_tls(&turn, tls, "localhost", |remote| remote.root_certificate_pem(pem)).await;
    story.ends_well().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_only_some_authorities_are_trusted_another_one_is_refused() {
    let (turn, others) = (Turn::mine().await, vouching_for("localhost").1);
    let (tls, pem) = vouching_for("localhost");
    let trusting = |pem: String| move |remote: RestRemoteBuilder| remote.only_root_certificates_pem(pem);
    is_refused(&Story::with_tls(&turn, tls.clone(), "localhost", trusting(others.clone())).await).await;
    let both = others + &pem;
    Story::with_tls(&turn, tls, "localhost", trusting(both)).await.ends_well().await;
}
