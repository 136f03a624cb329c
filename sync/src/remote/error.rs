//! Why a request came to nothing.

use std::time::Duration;

use super::wish;
use crate::BoxError;
use crate::record::Refusal;

/// Why a request came to nothing, by what that means for what waits: each variant is a class of failures, and the README ("What happens on
/// each failure") says what the engine does about each.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// No answer of the server itself: no connection, no such host, TLS, a timeout, or 502, 503 or 504 of something
    /// before it.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// What went wrong.
        reason: String,
        /// How long the server wants to be left alone, if it said so (`Retry-After`).
        retry_after: Option<Duration>,
        /// What the HTTP client said.
        #[source]
        source: Option<BoxError>,
    },
    /// 429: the server wants to be left alone for a while.
    #[error("{url} asks to wait (status {status})")]
    Throttled {
        /// What was asked.
        url: String,
        /// The status.
        status: u16,
        /// How long (`Retry-After`); without it, the engine's own back-off.
        retry_after: Option<Duration>,
    },
    /// 401, also with fresh credentials where a hook had any.
    #[error("{url} does not accept the credentials{}", reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default())]
    Unauthorized {
        /// What was asked.
        url: String,
        /// What the server said.
        reason: Option<String>,
        /// How long everything to the server is to wait, if it said so (`Retry-After`).
        retry_after: Option<Duration>,
    },
    /// There is nothing to authenticate the request with, so it was not sent, or not again after a 401: a credentials hook says that the
    /// user has to log in, or a signer failed. It means what [`Unauthorized`](Self::Unauthorized) means.
    #[error("there are no credentials for {url}: {reason}")]
    SignedOut {
        /// What was to be asked.
        url: String,
        /// What the hook or the signer said.
        reason: String,
    },
    /// A credentials hook cannot get credentials for the time being, so the request was not sent, or not again after a 401. It means
    /// what [`Unreachable`](Self::Unreachable) means.
    #[error("credentials for {url} cannot be had for now: {reason}")]
    CredentialsUnavailable {
        /// What was to be asked.
        url: String,
        /// What the hook said.
        reason: String,
        /// What the hook said, where it is not told in words alone.
        #[source]
        source: Option<BoxError>,
    },
    /// 408, 425, 500 and other 5xx, and a page of HTML with any other 4xx, which may be a gateway's: this request failed, and may succeed
    /// later.
    #[error("{url} failed with status {status}{}", hint(*status))]
    Transient {
        /// What was asked.
        url: String,
        /// The status.
        status: u16,
        /// How long everything to the server is to wait, if it said so (`Retry-After`).
        retry_after: Option<Duration>,
    },
    /// Any other 4xx: it will not succeed as it is, unless it names a time after which it may.
    #[error("{url} was refused: {refusal}")]
    Refused {
        /// What was asked.
        url: String,
        /// What the server said.
        refusal: Refusal,
        /// How long everything to the server is to wait, if it said so (`Retry-After`).
        retry_after: Option<Duration>,
    },
    /// The server no longer knows what the cursor of a pull means: it said 410, or what the dialect has in its place, or it has not come
    /// as far as the cursor, or it refuses again and again the next pages that it names. Everything is to be pulled anew.
    #[error("{url} no longer knows the cursor; everything has to be pulled anew")]
    CursorGone {
        /// What was asked.
        url: String,
        /// How long everything to the server is to wait, if it said so (`Retry-After`).
        retry_after: Option<Duration>,
    },
    /// An answer that is none of this protocol's: too large, not JSON, of another shape, a redirect elsewhere.
    #[error("{url} gave an answer of no use: {reason}")]
    Protocol {
        /// What was asked.
        url: String,
        /// What was expected and what came.
        reason: String,
        /// How long everything to the server is to wait, if it said so (`Retry-After`).
        retry_after: Option<Duration>,
        /// What the parser said.
        #[source]
        source: Option<BoxError>,
    },
}

impl RemoteError {
    /// What was asked.
    #[must_use]
    pub fn url(&self) -> &str {
        match self {
            Self::Unreachable { url, .. }
            | Self::Throttled { url, .. }
            | Self::Unauthorized { url, .. }
            | Self::SignedOut { url, .. }
            | Self::CredentialsUnavailable { url, .. }
            | Self::Transient { url, .. }
            | Self::Refused { url, .. }
            | Self::CursorGone { url, .. }
            | Self::Protocol { url, .. } => url,
        }
    }

    /// How long the server asked to be left alone; `None` also where it said no time at all, so that a retry keeps its
    /// own back-off.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let retry_after = match self {
            Self::Unreachable { retry_after, .. }
            | Self::Throttled { retry_after, .. }
            | Self::Unauthorized { retry_after, .. }
            | Self::Transient { retry_after, .. }
            | Self::Refused { retry_after, .. }
            | Self::CursorGone { retry_after, .. }
            | Self::Protocol { retry_after, .. } => *retry_after,
            Self::SignedOut { .. } | Self::CredentialsUnavailable { .. } => None,
        };
        wish(retry_after)
    }
}

/// What a person can do about a failure that may pass.
fn hint(status: u16) -> &'static str {
    match status {
        408 | 425 => "",
        400..500 => ", a page of HTML: is the base URL right, and the endpoint?",
        _ => "",
    }
}
