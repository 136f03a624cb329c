//! One request and its answer: credentials, redirects, time and size limits.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Client, Response, StatusCode};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::answer::failure;
use super::base_url::shown;
use super::body::{self, BodyError};
use super::credentials::{Access, CredentialsError, Pass};
use super::problem::problem;
use super::redirect::{Redirect, redirect};
use super::request::Request;
use super::retry_after::retry_after;
use super::scheme;
use super::signer::{Signer, sign};
use super::speaker::has_content_type;
use crate::BoxError;
use crate::record::Problem;
use crate::remote::RemoteError;

/// So much of a refusal is read, in bytes: problem details are short.
const REFUSAL_BYTES: usize = 64 * 1024;

/// What a longer time-out comes to: a clock cannot be set to the end of time.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The way to the server.
pub(super) struct Exchange {
    pub(super) client: Client,
    /// Sent with each request.
    pub(super) headers: HeaderMap,
    pub(super) access: Access,
    /// The statuses that say that the credentials are not taken.
    pub(super) unauthorized: Vec<u16>,
    pub(super) signer: Option<Arc<dyn Signer>>,
    /// For a connection, which the client sees to; here it is only told.
    pub(super) connect_timeout: Duration,
    /// For a request with its redirects and the answer's body.
    pub(super) timeout: Duration,
    pub(super) max_response_bytes: usize,
    /// How long a stream of events may be silent.
    pub(super) silence: Duration,
}

/// An answer whose body was not read yet.
struct Opened {
    /// What was asked, as errors show it.
    url: String,
    response: Response,
    deadline: Instant,
}

/// What a server said.
pub(super) struct Answer {
    /// What was asked, as errors show it.
    pub(super) url: String,
    /// Where it was answered, after redirects.
    pub(super) at: Url,
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    /// Looked at only by those whom the status sends there: a refusal stands without its body.
    pub(super) body: Result<Bytes, BodyError>,
}

impl Answer {
    pub(super) fn retry_after(&self) -> Option<Duration> {
        retry_after(&self.headers)
    }

    /// Why it is no success, in the server's words.
    pub(super) fn problem(&self) -> Option<Problem> {
        problem(self.body.as_ref().ok()?, has_content_type(self, b"text/plain"))
    }
}

impl Exchange {
    /// Sends a request with credentials, and with fresh ones if they are rejected.
    pub(super) async fn run(&self, request: Request) -> Result<Answer, RemoteError> {
        let opened = self.authorized(&request).await?;
        Ok(self.read(opened).await)
    }

    /// The same for an answer whose body has no end.
    pub(super) async fn open(&self, request: &Request) -> Result<Response, RemoteError> {
        Ok(self.authorized(request).await?.response)
    }

    /// Sends a request without credentials.
    pub(super) async fn run_anonymously(&self, request: Request) -> Result<Answer, RemoteError> {
        let opened = self.attempt(&request, None).await?;
        Ok(self.read(opened).await)
    }

    /// Why a request was not answered as it should have been.
    pub(super) async fn refused(&self, url: String, response: Response) -> RemoteError {
        failure(&self.read(Opened { url, response, deadline: self.deadline() }).await)
    }

    async fn authorized(&self, request: &Request) -> Result<Opened, RemoteError> {
        let pass = self.access.pass().await.map_err(|error| no_credentials(request, error))?;
        let opened = self.attempt(request, Some(&pass)).await?;
        if !self.unauthorized.contains(&opened.response.status().as_u16()) {
            return Ok(opened);
        }
        // To its end, so that the connection can be used again.
        let answer = self.read(opened).await;
        let Some(fresh) = self.access.fresh(&pass).await else {
            return Err(unauthorized(&answer));
        };
        let fresh = fresh.map_err(|error| no_credentials(request, error))?;
        let opened = self.attempt(request, Some(&fresh)).await?;
        // Any other status may be about what was asked: held against the credentials, one record that this user may not write would hold
        // up all the others.
        if opened.response.status() == StatusCode::UNAUTHORIZED {
            return Err(unauthorized(&self.read(opened).await));
        }
        Ok(opened)
    }

    /// When a request that begins now has to be answered.
    fn deadline(&self) -> Instant {
        Instant::now() + self.timeout.min(LONGEST)
    }

    async fn attempt(&self, request: &Request, pass: Option<&Pass>) -> Result<Opened, RemoteError> {
        let deadline = self.deadline();
        let url = shown(&request.url);
        let response = self.follow(request, pass, deadline).await?;
        Ok(Opened { url, response, deadline })
    }

    async fn read(&self, Opened { url, response, deadline }: Opened) -> Answer {
        let (status, headers, at) = (response.status(), response.headers().clone(), response.url().clone());
        let limit = match status {
            status if status.is_success() => self.max_response_bytes,
            StatusCode::CONFLICT | StatusCode::PRECONDITION_FAILED => self.max_response_bytes,
            _ => self.max_response_bytes.min(REFUSAL_BYTES),
        };
        let body = body::read(response, limit, deadline).await;
        Answer { url, at, status, headers, body }
    }

    /// Sends a request, and again where it is redirected to within the origin.
    async fn follow(
        &self,
        request: &Request,
        pass: Option<&Pass>,
        deadline: Instant,
    ) -> Result<Response, RemoteError> {
        let mut request = request.clone();
        let mut hops = 0;
        loop {
            let response = self.once(&request, pass, deadline).await?;
            match redirect(&request.method, response.status(), response.headers(), &request.url, hops) {
                None => return Ok(response),
                Some(Redirect::Follow(url)) => request.url = url,
                Some(Redirect::Refuse(reason)) => {
                    return Err(RemoteError::Protocol {
                        url: shown(&request.url),
                        reason,
                        retry_after: retry_after(response.headers()),
                        source: None,
                    });
                }
            }
            hops += 1;
        }
    }

    async fn once(
        &self,
        request: &Request,
        pass: Option<&Pass>,
        deadline: Instant,
    ) -> Result<Response, RemoteError> {
        let Request { method, url, headers, body } = request;
        let shown = shown(url);
        let mut all = self.headers.clone();
        all.extend(headers.iter().map(|(name, value)| (name.clone(), value.clone())));
        if let Some(pass) = pass {
            pass.apply(&mut all);
            if let Some(signer) = &self.signer {
                sign(&**signer, request, &mut all).map_err(|error| RemoteError::SignedOut {
                    url: shown.clone(),
                    reason: error.to_string(),
                })?;
            }
        }
        let mut builder = self.client.request(method.clone(), url.clone()).headers(all);
        if let Some(body) = body {
            builder = builder.body(body.clone());
        }
        let sent = timeout_at(deadline, builder.send()).await;
        let response = match sent {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(self.no_answer(shown, error.without_url())),
            Err(_) => return Err(self.late(shown)),
        };
        tracing::debug!(method = %method, url = %shown, status = response.status().as_u16(), "answered");
        Ok(response)
    }

    fn no_answer(&self, url: String, error: reqwest::Error) -> RemoteError {
        let reason = if error.is_connect() && error.is_timeout() {
            format!("no connection within {:?}", self.connect_timeout)
        } else if error.is_timeout() {
            return self.late(url);
        } else if error.is_builder() {
            // The client could make nothing of the request, or of the address that it was redirected to.
            let reason = format!("the request cannot be sent: {}", root_cause(&error));
            return RemoteError::Protocol { url, reason, retry_after: None, source: Some(error.into()) };
        } else if error.is_connect() {
            format!("no connection: {}", root_cause(&error))
        } else {
            format!("no answer: {}", root_cause(&error))
        };
        let reason = match scheme::meant(&url, &error) {
            Some(scheme) => format!("{reason}; should the base URL begin with `{scheme}`?"),
            None => reason,
        };
        tracing::debug!(%url, %reason, "not answered");
        let in_doubt = !error.is_connect();
        RemoteError::Unreachable { url, reason, retry_after: None, in_doubt, source: Some(error.into()) }
    }

    fn late(&self, url: String) -> RemoteError {
        let reason = format!("no complete answer within {:?}", self.timeout);
        tracing::debug!(%url, %reason, "not answered");
        RemoteError::Unreachable { url, reason, retry_after: None, in_doubt: true, source: None }
    }

    /// The body of an answer whose status asks for one.
    pub(super) fn body(&self, answer: &mut Answer) -> Result<Bytes, RemoteError> {
        let url = answer.url.clone();
        match std::mem::replace(&mut answer.body, Ok(Bytes::new())) {
            Ok(body) => Ok(body),
            Err(BodyError::Late) => Err(self.late(url)),
            Err(BodyError::Broken(source)) => Err(RemoteError::Unreachable {
                url,
                reason: format!("the answer broke off: {}", root_cause(&*source)),
                retry_after: answer.retry_after(),
                in_doubt: true,
                source: Some(source),
            }),
            Err(BodyError::TooLarge { limit }) => Err(RemoteError::Protocol {
                url,
                reason: format!(
                    "the answer is larger than {limit} bytes and was not read; let the server send smaller pages, or raise `max_response_bytes`"
                ),
                retry_after: answer.retry_after(),
                source: None,
            }),
            Err(BodyError::Undecodable(source)) => Err(RemoteError::Protocol {
                url,
                reason: "the answer is not encoded as its headers say".to_owned(),
                retry_after: answer.retry_after(),
                source: Some(source),
            }),
        }
    }
}

fn no_credentials(request: &Request, error: Arc<CredentialsError>) -> RemoteError {
    let url = shown(&request.url);
    match &*error {
        CredentialsError::SignedOut { reason } => RemoteError::SignedOut { url, reason: reason.clone() },
        CredentialsError::Unavailable(cause) => RemoteError::CredentialsUnavailable {
            url,
            reason: cause.to_string(),
            source: Some(BoxError::from(error)),
        },
    }
}

fn unauthorized(answer: &Answer) -> RemoteError {
    let reason = answer.problem().and_then(|problem| problem.detail.or(problem.title));
    RemoteError::Unauthorized { url: answer.url.clone(), reason, retry_after: answer.retry_after() }
}

/// The innermost error: what the system or the TLS library said, without the names of the layers above it.
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
