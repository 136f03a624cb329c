//! Requests that are signed one by one.

use std::fmt;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::credentials::Authorization;
use super::request::Request;
use crate::BoxError;

/// Signs each request on its own, for servers that want that (an HMAC over method, path, date and body, say).
///
/// It runs for each attempt, redirects within the origin included, after all other headers were set, and has to be quick: it runs
/// on the runtime's threads. Tokens that have to be fetched belong into [`Credentials`](super::Credentials).
///
/// ```
/// use sync::{Authorization, BoxError, Signer, Unsigned};
///
/// struct Hmac { /* the key */ }
///
/// impl Signer for Hmac {
///     fn sign(&self, request: &Unsigned<'_>) -> Result<Vec<Authorization>, BoxError> {
///         let text = format!("{} {}", request.method(), request.url());
///         Ok(vec![Authorization::header("X-Signature", format!("{} bytes signed", text.len() + request.body().len()))])
///     }
/// }
/// ```
pub trait Signer: Send + Sync + 'static {
    /// The headers that make the request a signed one. They take the place of others with the same name.
    ///
    /// # Errors
    /// When it cannot be signed: nothing is sent, and the status becomes `Unauthorized`.
    fn sign(&self, request: &Unsigned<'_>) -> Result<Vec<Authorization>, BoxError>;
}

/// A request as it would be sent, for a [`Signer`].
pub struct Unsigned<'a> {
    request: &'a Request,
    headers: &'a HeaderMap,
}

impl<'a> Unsigned<'a> {
    pub(super) fn new(request: &'a Request, headers: &'a HeaderMap) -> Self {
        Self { request, headers }
    }

    /// The method, in capitals.
    #[must_use]
    pub fn method(&self) -> &str {
        self.request.method.as_str()
    }

    /// The whole URL, with the query.
    #[must_use]
    pub fn url(&self) -> &str {
        self.request.url.as_str()
    }

    /// A header's value, when it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body; empty when there is none.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.request.body.as_deref().unwrap_or_default()
    }
}

impl fmt::Debug for Unsigned<'_> {
    /// Shows neither headers, which may be secrets, nor the body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsigned").field("method", &self.method()).finish_non_exhaustive()
    }
}

/// Why a request was not signed.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotSigned {
    /// The signer failed.
    #[error("the request could not be signed: {0}")]
    Failed(BoxError),
    /// What it gave cannot be sent.
    #[error("the signer gave a header `{0}` that cannot be sent")]
    Header(String),
}

/// Adds what the signer says to the headers.
pub(super) fn sign(signer: &dyn Signer, request: &Request, headers: &mut HeaderMap) -> Result<(), NotSigned> {
    let given = signer.sign(&Unsigned::new(request, headers)).map_err(NotSigned::Failed)?;
    for authorization in given {
        let sent: Option<(HeaderName, HeaderValue)> = authorization.to_header();
        let (name, value) = sent.ok_or_else(|| NotSigned::Header(authorization.name().to_owned()))?;
        headers.insert(name, value);
    }
    Ok(())
}
