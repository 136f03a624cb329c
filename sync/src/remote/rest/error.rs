//! Why a [`RestRemote`](super::RestRemote) could not be built.

/// What is wrong with the settings of a [`RestRemote`](super::RestRemote). Each message says what to write. None shows
/// a header's value, a token, or a password in a URL.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestError {
    /// The base URL cannot be used.
    #[error("the base URL `{url}` cannot be used: {problem}")]
    BaseUrl {
        /// The URL, without user name and password.
        url: String,
        /// What is wrong with it.
        #[source]
        problem: BaseUrlProblem,
    },
    /// The name is not that of a header (RFC 9110, section 5.1).
    #[error("`{name}` is not the name of a header; use letters, digits and `-`")]
    HeaderName {
        /// The name.
        name: String,
    },
    /// The value cannot stand in a header (RFC 9110, section 5.5).
    #[error(
        "the value of the header `{name}` cannot be sent: it has a line break or another control character"
    )]
    HeaderValue {
        /// The header.
        name: String,
    },
    /// The header belongs to the protocol: setting it would break requests.
    #[error("the header `{name}` is set for each request; remove it")]
    HeaderReserved {
        /// The header.
        name: String,
    },
    /// There are two sources of `Authorization`.
    #[error(
        "requests would carry two sources of credentials: a header that signs in, and `bearer`, `basic` or `credentials`; keep one of them"
    )]
    TwoCredentials,
    /// A limit is zero, so that no request could succeed.
    #[error("`{setting}` is zero, so that no request could succeed; leave it out for the default")]
    Zero {
        /// The builder's method.
        setting: &'static str,
    },
    /// The root certificate is no PEM certificate.
    #[error("the root certificate cannot be read; it has to be PEM: `-----BEGIN CERTIFICATE-----` …")]
    Certificate {
        /// What the TLS library said.
        #[source]
        source: crate::BoxError,
    },
    /// The dialect contradicts itself.
    #[error("the dialect cannot be used: {reason}")]
    Dialect {
        /// What contradicts what.
        reason: String,
    },
    /// The HTTP client could not be started, for instance because the system's certificates cannot be read.
    #[error("the HTTP client could not be started")]
    Client {
        /// What it said.
        #[source]
        source: crate::BoxError,
    },
}

/// What is wrong with a base URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BaseUrlProblem {
    /// It is empty.
    #[error("it is empty; write one such as `https://api.example.com/v1`")]
    Empty,
    /// It does not start with `http://` or `https://`.
    #[error("it does not start with `https://` or `http://`; write one such as `https://api.example.com/v1`")]
    NotAbsolute,
    /// It has another scheme.
    #[error("its scheme is `{0}`; `https` and `http` can be used")]
    Scheme(String),
    /// It has white space or control characters, which URL parsers quietly remove.
    #[error("it has white space or control characters; remove them, or percent-encode them")]
    Whitespace,
    /// It carries a user name or a password.
    #[error(
        "it carries a user name or password, which would end up in logs; use `.basic(…)`, `.bearer(…)` or `.credentials(…)`"
    )]
    Credentials,
    /// It has a query.
    #[error("it has a query (`?…`), and the endpoints come after it; use `.header(…)` for keys")]
    Query,
    /// It has a fragment.
    #[error("it has a fragment (`#…`), which is never sent; remove it")]
    Fragment,
    /// It is no URL for another reason.
    #[error("{0}")]
    Malformed(#[from] url::ParseError),
}
