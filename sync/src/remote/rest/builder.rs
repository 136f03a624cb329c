//! Settings of a [`RestRemote`].

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client};

use super::RestRemote;
use super::absence::Collections;
use super::base_url::BaseUrl;
use super::batch::Batches;
use super::credentials::{Access, Authorization, Credentials};
use super::dialect::Dialect;
use super::error::RestError;
use super::exchange::Exchange;
use super::secret::Secret;
use super::signer::Signer;

/// How often a quiet HTTP/2 connection is asked whether it is still there, and how long that may take.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// Headers that the protocol sets itself, or that would break it.
const RESERVED: [&str; 16] = [
    "accept",
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Builds a [`RestRemote`]; made by [`RestRemote::builder`]. Whatever is wrong is said by [`build`](Self::build).
///
/// ```
/// use std::time::Duration;
/// use sync::RestRemote;
///
/// let remote = RestRemote::builder("https://api.example.com/v1")
///     .bearer("the user's token")
///     .header("X-Client", "notes 1.0")
///     .timeout(Duration::from_secs(20))
///     .build()?;
/// # Ok::<(), sync::RestError>(())
/// ```
#[must_use = "nothing is built before `build`"]
pub struct RestRemoteBuilder {
    url: String,
    source: Source,
    signer: Option<Arc<dyn Signer>>,
    headers: Vec<(String, Secret)>,
    user_agent: String,
    connect_timeout: Duration,
    timeout: Duration,
    max_response_bytes: usize,
    silence: Duration,
    http2_prior_knowledge: bool,
    roots: Roots,
    dialect: Dialect,
}

/// Where credentials come from.
enum Source {
    None,
    Fixed(Authorization),
    Hook(Arc<dyn Credentials>),
}

/// Which root certificates are trusted; each is PEM, as it was given.
enum Roots {
    /// Those of the system, and these.
    BesideTheSystems(Vec<Vec<u8>>),
    /// These alone.
    Alone(Vec<Vec<u8>>),
}

impl RestRemoteBuilder {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            source: Source::None,
            signer: None,
            headers: Vec::new(),
            user_agent: concat!("sync/", env!("CARGO_PKG_VERSION")).to_owned(),
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(60),
            max_response_bytes: 16 * 1024 * 1024,
            silence: Duration::from_secs(120),
            http2_prior_knowledge: false,
            roots: Roots::BesideTheSystems(Vec::new()),
            dialect: Dialect::default(),
        }
    }

    /// A token that stays as it is, sent as `Authorization: Bearer …`. Takes the place of earlier credentials.
    ///
    /// When the server answers 401, the status becomes [`Unauthorized`](crate::State::Unauthorized), and the token is tried again, less and
    /// less often, until the server takes it. For a new token the engine has to be shut down and built anew on the same storage, with a
    /// remote that has it. Where tokens expire, use [`credentials`](Self::credentials), which are asked for a fresh one.
    pub fn bearer(mut self, token: impl Into<Secret>) -> Self {
        self.source = Source::Fixed(Authorization::bearer(token));
        self
    }

    /// A user's name and password, sent as `Authorization: Basic …`. Takes the place of earlier credentials.
    pub fn basic(mut self, user: &str, password: impl Into<Secret>) -> Self {
        self.source = Source::Fixed(Authorization::basic(user, password));
        self
    }

    /// A header that proves who is asking, such as that of an API key. Takes the place of earlier credentials.
    pub fn authorization(mut self, authorization: Authorization) -> Self {
        self.source = Source::Fixed(authorization);
        self
    }

    /// Signs each request on its own, beside what other credentials there are.
    pub fn signer(mut self, signer: impl Signer) -> Self {
        self.signer = Some(Arc::new(signer));
        self
    }

    /// A hook that gives credentials, and fresh ones after a 401, or what the dialect has in its place
    /// ([`Dialect::unauthorized`]). Takes the place of earlier credentials.
    pub fn credentials(mut self, credentials: impl Credentials) -> Self {
        self.source = Source::Hook(Arc::new(credentials));
        self
    }

    /// A header for every request. Its value is kept out of logs.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Secret>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The header `User-Agent`. Default: `sync/` and the version of this library.
    pub fn user_agent(mut self, text: impl Into<String>) -> Self {
        self.user_agent = text.into();
        self
    }

    /// How long a connection may take to be made, TLS included. Default: 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long a request may take from its start to the end of the answer's body, redirects included. Default: 60 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How large the body of an answer may be, in bytes after decompression. A larger one is refused as soon as it is
    /// known to be, and not read to its end. It bounds the items of a page as well: a page with more than were asked for, and with more
    /// than one for every 64 of these bytes (262,144 of them by default), is refused. Default: 16 MiB.
    pub fn max_response_bytes(mut self, bytes: usize) -> Self {
        self.max_response_bytes = bytes;
        self
    }

    /// How long a stream of live changes may be silent, comments of the server included, before it counts as lost and is
    /// opened anew. Default: 2 minutes.
    pub fn changes_timeout(mut self, timeout: Duration) -> Self {
        self.silence = timeout;
        self
    }

    /// Speaks HTTP/2 from the first byte, without asking whether the server knows it: for servers that offer HTTP/2
    /// without TLS. With TLS it is negotiated anyway.
    pub fn http2_prior_knowledge(mut self) -> Self {
        self.http2_prior_knowledge = true;
        self
    }

    /// A root certificate to be trusted, or several in one text, in PEM: beside those of the system, or of
    /// [`only_root_certificates_pem`](Self::only_root_certificates_pem) where that was called before.
    pub fn root_certificate_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        let (Roots::BesideTheSystems(given) | Roots::Alone(given)) = &mut self.roots;
        given.push(pem.into());
        self
    }

    /// Trusts these root certificates, one or several in PEM, and none of the system's. Takes the place of those that were given before.
    ///
    /// For an app that talks to a server of its own authority alone; and for Android, where the system's can be asked only once the app has
    /// initialised the crate `rustls-platform-verifier` with its Java context.
    pub fn only_root_certificates_pem(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.roots = Roots::Alone(vec![pem.into()]);
        self
    }

    /// What the server calls things. Default: the contract's names.
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Checks the settings and builds the remote. Nothing is sent.
    ///
    /// # Errors
    /// One for each kind of mistake; see [`RestError`].
    pub fn build(self) -> Result<RestRemote, RestError> {
        let base = BaseUrl::parse(&self.url)?;
        self.dialect.check()?;
        for (setting, zero) in [
            ("connect_timeout", self.connect_timeout.is_zero()),
            ("timeout", self.timeout.is_zero()),
            ("changes_timeout", self.silence.is_zero()),
            ("max_response_bytes", self.max_response_bytes == 0),
        ] {
            if zero {
                return Err(RestError::Zero { setting });
            }
        }
        let mut headers = headers(&self.headers)?;
        let agent = HeaderValue::from_str(&self.user_agent);
        headers.insert(USER_AGENT, agent.map_err(|_| RestError::HeaderValue { name: "User-Agent".into() })?);
        let access = access(self.source, &headers)?;
        let mut client = Client::builder()
            .connect_timeout(self.connect_timeout)
            .redirect(Policy::none())
            .referer(false)
            // A connection that a change of network has cut says nothing: without asking, each request would find out by its own timeout.
            .http2_keep_alive_interval(KEEP_ALIVE)
            .http2_keep_alive_timeout(KEEP_ALIVE)
            .http2_keep_alive_while_idle(true)
            .gzip(true);
        if self.http2_prior_knowledge {
            client = client.http2_prior_knowledge();
        }
        client = match &self.roots {
            Roots::BesideTheSystems(pems) if pems.is_empty() => client,
            Roots::BesideTheSystems(pems) => client.tls_certs_merge(certificates(pems)?),
            Roots::Alone(pems) => client.tls_certs_only(certificates(pems)?),
        };
        let client = client.build().map_err(|error| RestError::Client { source: error.into() })?;
        let exchange = Exchange {
            client,
            headers,
            access,
            unauthorized: self.dialect.unauthorized.clone(),
            signer: self.signer,
            connect_timeout: self.connect_timeout,
            timeout: self.timeout,
            max_response_bytes: self.max_response_bytes,
            silence: self.silence,
        };
        let batches = Batches::of(&self.dialect.batch);
        Ok(RestRemote {
            base,
            exchange: Arc::new(exchange),
            dialect: self.dialect,
            batches,
            collections: Collections::default(),
            compared: Mutex::default(),
        })
    }
}

fn certificates(pems: &[Vec<u8>]) -> Result<Vec<Certificate>, RestError> {
    let mut certificates = Vec::new();
    for pem in pems {
        let read = Certificate::from_pem_bundle(pem)
            .map_err(|error| RestError::Certificate { source: error.into() })?;
        if read.is_empty() {
            return Err(RestError::Certificate { source: "there is no certificate in it".into() });
        }
        certificates.extend(read);
    }
    Ok(certificates)
}

fn headers(given: &[(String, Secret)]) -> Result<HeaderMap, RestError> {
    let mut headers = HeaderMap::new();
    for (text, value) in given {
        let name = HeaderName::from_bytes(text.as_bytes())
            .map_err(|_| RestError::HeaderName { name: text.clone() })?;
        if RESERVED.contains(&name.as_str()) {
            return Err(RestError::HeaderReserved { name: text.clone() });
        }
        let mut value = HeaderValue::from_str(value.expose())
            .map_err(|_| RestError::HeaderValue { name: text.clone() })?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

fn access(source: Source, headers: &HeaderMap) -> Result<Access, RestError> {
    if headers.contains_key(AUTHORIZATION) && !matches!(source, Source::None) {
        return Err(RestError::TwoCredentials);
    }
    match source {
        Source::None => Ok(Access::Open),
        Source::Fixed(authorization) => {
            let name = authorization.name().to_owned();
            Access::fixed(authorization).ok_or(RestError::HeaderValue { name })
        }
        Source::Hook(credentials) => Ok(Access::hook(credentials)),
    }
}

impl fmt::Debug for RestRemoteBuilder {
    /// Shows no URL, which may hold a password that [`build`](Self::build) would refuse, and no header's value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("RestRemoteBuilder").field("headers", &headers).finish_non_exhaustive()
    }
}
