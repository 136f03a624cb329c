//! Who is asking: tokens, and the hook that gives fresh ones.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::secret::Secret;
use crate::BoxError;

/// Gives [`RestRemote`](super::RestRemote) what it needs to authenticate.
///
/// It is asked before the first request, and once more after the server answered 401 (or what
/// [`Dialect::unauthorized`](super::Dialect::unauthorized) has besides), however many requests failed at the same time. What it gives is
/// kept in memory until the next 401, and never stored or logged. A remote
/// belongs to one account: for another account, build another remote.
///
/// ```
/// use async_trait::async_trait;
/// use sync::{Authorization, Credentials, CredentialsError};
///
/// struct Login { /* a refresh token, the address of the token server, … */ }
///
/// #[async_trait]
/// impl Credentials for Login {
///     async fn authorization(&self, rejected: Option<&Authorization>) -> Result<Authorization, CredentialsError> {
///         if rejected.is_some() {
///             // Ask the token server for a fresh token here.
///             return Err(CredentialsError::signed_out("the session has ended, please log in"));
///         }
///         Ok(Authorization::bearer("the token of the last login"))
///     }
/// }
/// ```
#[async_trait]
pub trait Credentials: Send + Sync + 'static {
    /// What to send. `rejected` is what the server answered 401 to; to give it again is of no use.
    ///
    /// The requests that need it wait meanwhile, without a time limit: the user may have to be asked.
    ///
    /// # Errors
    /// When there are no credentials to send. It ends the sync, and no operation loses an attempt by it; the next sync asks again.
    async fn authorization(
        &self,
        rejected: Option<&Authorization>,
    ) -> Result<Authorization, CredentialsError>;
}

/// What proves to the server who is asking: one header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    header: String,
    value: Secret,
}

impl Authorization {
    /// `Authorization: Bearer <token>` (RFC 6750, section 2.1).
    #[must_use]
    pub fn bearer(token: impl Into<Secret>) -> Self {
        let token: Secret = token.into();
        Self::header(AUTHORIZATION.as_str(), format!("Bearer {}", token.expose()))
    }

    /// `Authorization: Basic …` (RFC 7617, section 2).
    #[must_use]
    pub fn basic(user: &str, password: impl Into<Secret>) -> Self {
        let password: Secret = password.into();
        let encoded = BASE64_STANDARD.encode(format!("{user}:{}", password.expose()));
        Self::header(AUTHORIZATION.as_str(), format!("Basic {encoded}"))
    }

    /// Another header, such as that of an API key.
    #[must_use]
    pub fn header(name: impl Into<String>, value: impl Into<Secret>) -> Self {
        Self { header: name.into(), value: value.into() }
    }

    /// The header's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.header
    }

    /// The header's value.
    #[must_use]
    pub fn value(&self) -> &Secret {
        &self.value
    }

    /// The header as it is sent; `None` when its name or value cannot be one's.
    pub(super) fn to_header(&self) -> Option<(HeaderName, HeaderValue)> {
        let name = HeaderName::from_bytes(self.header.as_bytes()).ok()?;
        let mut value = HeaderValue::from_str(self.value.expose()).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    }
}

/// Why a [`Credentials`] hook has no credentials to give.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialsError {
    /// The user has to log in: the status becomes `Unauthorized`.
    #[error("{reason}")]
    SignedOut {
        /// Why, for the user.
        reason: String,
    },
    /// The token server cannot be reached: the status becomes `Offline`.
    #[error("fresh credentials cannot be had now")]
    Unavailable(#[source] BoxError),
}

impl CredentialsError {
    /// The user has to log in.
    #[must_use]
    pub fn signed_out(reason: impl Into<String>) -> Self {
        Self::SignedOut { reason: reason.into() }
    }

    /// The token server cannot be reached; it is worth trying again later.
    #[must_use]
    pub fn unavailable(source: impl Into<BoxError>) -> Self {
        Self::Unavailable(source.into())
    }
}

/// What requests are sent with, and where it comes from.
pub(super) enum Access {
    /// Nothing is asked for.
    Open,
    /// A token that stays.
    Fixed(Pass),
    /// A hook.
    Hook(Box<Hook>),
}

/// What one request is sent with.
#[derive(Clone)]
pub(super) struct Pass {
    /// Which answer of the hook this is.
    generation: u64,
    authorization: Option<Arc<Authorization>>,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Pass {
    fn of(authorization: Authorization, generation: u64) -> Option<Self> {
        let header = authorization.to_header()?;
        Some(Self { generation, authorization: Some(Arc::new(authorization)), header: Some(header) })
    }

    pub(super) fn apply(&self, headers: &mut HeaderMap) {
        if let Some((name, value)) = &self.header {
            headers.insert(name.clone(), value.clone());
        }
    }
}

/// A hook, and the last that it said.
pub(super) struct Hook {
    credentials: Arc<dyn Credentials>,
    /// Never held across an await.
    last: Mutex<Last>,
    /// Held while the hook is asked, so that it is asked once for all who wait: the one lock that has to span an await.
    /// If the request that asks is dropped, the lock goes to the next one that waits, which asks again.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Clone, Default)]
struct Last {
    /// Grows with each answer of the hook.
    generation: u64,
    answer: Option<Result<Pass, Arc<CredentialsError>>>,
    /// What the server did not take, also while the hook has nothing better.
    rejected: Option<Arc<Authorization>>,
}

impl Access {
    /// A token that stays; `None` when it cannot stand in a header.
    pub(super) fn fixed(authorization: Authorization) -> Option<Self> {
        Pass::of(authorization, 0).map(Self::Fixed)
    }

    pub(super) fn hook(credentials: Arc<dyn Credentials>) -> Self {
        Self::Hook(Box::new(Hook {
            credentials,
            last: Mutex::default(),
            asking: tokio::sync::Mutex::default(),
        }))
    }

    /// What to send a request with.
    pub(super) async fn pass(&self) -> Result<Pass, Arc<CredentialsError>> {
        match self {
            Self::Open => Ok(Pass { generation: 0, authorization: None, header: None }),
            Self::Fixed(pass) => Ok(pass.clone()),
            Self::Hook(hook) => {
                let last = hook.last();
                match last.answer {
                    Some(Ok(pass)) => Ok(pass),
                    // A failure is only shared with those who waited for it.
                    _ => hook.ask(last.generation).await,
                }
            }
        }
    }

    /// What to send a request with after the server rejected `rejected`; `None` when there is nothing else.
    pub(super) async fn fresh(&self, rejected: &Pass) -> Option<Result<Pass, Arc<CredentialsError>>> {
        match self {
            Self::Open | Self::Fixed(_) => None,
            Self::Hook(hook) => Some(hook.ask(rejected.generation).await),
        }
    }
}

impl Hook {
    fn last(&self) -> Last {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks the hook, unless it answered since `seen`.
    async fn ask(&self, seen: u64) -> Result<Pass, Arc<CredentialsError>> {
        let _turn = self.asking.lock().await;
        let last = self.last();
        if last.generation > seen
            && let Some(answer) = last.answer
        {
            return answer;
        }
        let generation = last.generation + 1;
        let rejected = match last.answer {
            Some(Ok(pass)) => pass.authorization,
            _ => last.rejected,
        };
        let answer = match self.credentials.authorization(rejected.as_deref()).await {
            Ok(authorization) => {
                let name = authorization.header.clone();
                Pass::of(authorization, generation).ok_or_else(|| {
                    let reason = format!("the credentials hook gave a header `{name}` that cannot be sent");
                    Arc::new(CredentialsError::SignedOut { reason })
                })
            }
            Err(error) => Err(Arc::new(error)),
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) =
            Last { generation, answer: Some(answer.clone()), rejected };
        answer
    }
}
