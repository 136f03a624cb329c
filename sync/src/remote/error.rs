//! Why a request came to nothing.

use std::time::Duration;

use super::wish;
use crate::BoxError;
use crate::error::UNSAID;
use crate::record::{Problem, Refusal};

/// Why a request came to nothing, by what that means for what waits: each variant is a class of failures, and the README ("What happens on
/// each failure") says what the engine does about each.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// No answer of the server itself: no connection, no such host, TLS, a timeout, or what something before it says in its place: 502, 503
    /// or 504, a proxy's 407, a network's 511, and 520 to 527, 530 and 540, which some hosts have besides.
    #[error("{url} cannot be reached: {reason}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// What went wrong.
        reason: String,
        /// How long the server wants to be left alone, if it said so (`Retry-After`).
        retry_after: Option<Duration>,
        /// Whether the request may have taken effect, and only the answer is missing: `true` unless the contrary is certain, as
        /// where there was no connection.
        in_doubt: bool,
        /// What the HTTP client said.
        #[source]
        source: Option<BoxError>,
    },
    /// 429, or a `Retry-After` with an answer to a question that comes before the request: the server wants to be left alone for a while.
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
    /// This request failed, and may succeed later. The attempt counts.
    #[error("{url} failed with status {status}{}{}", said(problem.as_deref()), cause.hint())]
    Transient {
        /// What was asked.
        url: String,
        /// The status.
        status: u16,
        /// Why it may succeed later.
        cause: TransientCause,
        /// What the server said, if it said anything.
        problem: Option<Box<Problem>>,
        /// How long everything to the server is to wait, if it said so (`Retry-After`).
        retry_after: Option<Duration>,
    },
    /// Any other 4xx: it will not succeed as it is, unless it names a time after which it may.
    #[error("{url} was refused: {refusal}{}", advice(refusal.status))]
    Refused {
        /// What was asked.
        url: String,
        /// What the server said.
        refusal: Refusal,
        /// How long everything to the server is to wait, if it said so (`Retry-After`).
        retry_after: Option<Duration>,
    },
    /// The server no longer knows what the cursor of a pull means: it said 410, or what the dialect has in its place, or it has not come
    /// as far as the cursor, or it refuses again and again the next pages that it names, or its list shifts again and again while it is
    /// read. Everything is to be pulled anew.
    #[error("{url} no longer knows the cursor, or where its list goes on; everything has to be pulled anew")]
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

    /// The same, from a server that has asked for so much patience besides.
    #[cfg(feature = "rest")]
    pub(crate) fn waiting(mut self, wish: Option<Duration>) -> Self {
        match &mut self {
            Self::Unreachable { retry_after, .. }
            | Self::Throttled { retry_after, .. }
            | Self::Unauthorized { retry_after, .. }
            | Self::Transient { retry_after, .. }
            | Self::Refused { retry_after, .. }
            | Self::CursorGone { retry_after, .. }
            | Self::Protocol { retry_after, .. } => *retry_after = (*retry_after).max(wish),
            Self::SignedOut { .. } | Self::CredentialsUnavailable { .. } => {}
        }
        self
    }

    /// The same without the words of the server, or of whoever has the credentials, which may quote the record or the credentials; `None`
    /// where there are none.
    pub(crate) fn without_words(&self) -> Option<Self> {
        Some(match self {
            Self::Unauthorized { url, reason: Some(_), retry_after } => {
                Self::Unauthorized { url: url.clone(), reason: None, retry_after: *retry_after }
            }
            Self::Transient { url, status, cause, problem: Some(_), retry_after } => Self::Transient {
                url: url.clone(),
                status: *status,
                cause: *cause,
                problem: None,
                retry_after: *retry_after,
            },
            Self::Refused { url, refusal, retry_after } => Self::Refused {
                url: url.clone(),
                refusal: Refusal { status: refusal.status, problem: None },
                retry_after: *retry_after,
            },
            Self::SignedOut { url, .. } => Self::SignedOut { url: url.clone(), reason: UNSAID.to_owned() },
            Self::CredentialsUnavailable { url, .. } => {
                let reason = UNSAID.to_owned();
                Self::CredentialsUnavailable { url: url.clone(), reason, source: None }
            }
            _ => return None,
        })
    }

    /// Whether this is about what was asked, and not about who asks, or when: frameworks refuse with a page of HTML, too, and who asks to
    /// wait says that it may be had later.
    pub(crate) fn refuses_what_was_asked(&self) -> bool {
        let refuses =
            matches!(self, Self::Refused { .. } | Self::Transient { cause: TransientCause::WebPage, .. });
        refuses && self.retry_after().is_none()
    }

    /// Whether the server does not go on from a place that it had named itself, as a page of HTML says, too: from a page, or an event.
    pub(crate) fn refuses_a_place(&self) -> bool {
        self.refuses_what_was_asked() || matches!(self, Self::CursorGone { .. })
    }

    /// Whether it says nothing of what was asked, but only of this moment, or of who asks.
    pub(crate) fn says_not_now(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::Throttled { .. }
            | Self::Unauthorized { .. }
            | Self::SignedOut { .. }
            | Self::CredentialsUnavailable { .. }
            | Self::Transient { cause: TransientCause::Server, .. } => true,
            Self::Transient { .. }
            | Self::Refused { .. }
            | Self::CursorGone { .. }
            | Self::Protocol { .. } => false,
        }
    }

    /// Whether the server may have done what it was asked to, as far as this tells.
    pub(crate) fn leaves_in_doubt(&self) -> bool {
        match self {
            Self::Unreachable { in_doubt, .. } => *in_doubt,
            Self::Transient { .. } | Self::CursorGone { .. } | Self::Protocol { .. } => true,
            Self::Throttled { .. }
            | Self::Unauthorized { .. }
            | Self::SignedOut { .. }
            | Self::CredentialsUnavailable { .. }
            | Self::Refused { .. } => false,
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

/// Why a request that failed may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransientCause {
    /// The server failed, or cannot take the request right now: 408, 425, and every 5xx that is not
    /// [`RemoteError::Unreachable`].
    Server,
    /// A page of HTML came with a 4xx: it may be a gateway's, a firewall's, or of a base URL that is none.
    WebPage,
    /// 404 or 410, and the collection is not there either: a router may have no route to the API, or the base URL or the endpoint is
    /// wrong.
    NoCollection,
}

impl TransientCause {
    /// What a person can do about it.
    fn hint(self) -> &'static str {
        match self {
            Self::Server => "",
            Self::WebPage => ", a page of HTML: is the base URL right, and the endpoint?",
            Self::NoCollection => {
                ", and the collection is not there either: is the base URL right, and the endpoint?"
            }
        }
    }
}

/// What a person can do about a refusal that is not about what was sent.
fn advice(status: u16) -> &'static str {
    match status {
        405 => {
            "; the server knows no such method there: the dialect's `create`, `update`, `overwrite` and `delete` say by `method` and `path` how each is sent, and `fetch` and `pull` by `path`"
        }
        _ => "",
    }
}

/// The server's own words.
fn said(problem: Option<&Problem>) -> String {
    problem
        .map(ToString::to_string)
        .filter(|words| !words.is_empty())
        .map(|words| format!(" ({words})"))
        .unwrap_or_default()
}
