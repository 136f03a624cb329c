//! Servers behind TLS.
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "only stories use it")]

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

/// A certificate that vouches for itself: what a server needs, and what a client that trusts it needs, as PEM.
#[must_use]
pub fn vouching_for(host: &str) -> (ServerConfig, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([host.to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let config = ServerConfig::builder().with_no_client_auth();
    (config.with_single_cert(vec![cert.der().clone()], key.into()).unwrap(), cert.pem())
}
