//! Tokens: fixed ones, and a hook that gives fresh ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use sync::remote::rest::RestRemoteBuilder;
use sync::{
    Authorization, BoxError, Credentials, CredentialsError, Dialect, Remote, RemoteError, RestRemote, Signer,
    Unsigned,
};
use tokio::sync::watch;

use super::given::{create, operation, page_of};
use super::server::{Answer, Server};

/// Gives `token-1`, `token-2` and so on.
#[derive(Default)]
struct Counting {
    asked: Arc<AtomicUsize>,
    /// Before a token takes another's place, so many requests have to have arrived.
    refresh_after: Option<(watch::Receiver<usize>, usize)>,
}

#[async_trait]
impl Credentials for Counting {
    async fn authorization(
        &self,
        rejected: Option<&Authorization>,
    ) -> Result<Authorization, CredentialsError> {
        let nth = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let expected = (nth > 1).then(|| format!("Bearer token-{}", nth - 1));
        assert_eq!(rejected.map(|rejected| rejected.value().expose()), expected.as_deref());
        if let (Some(_), Some((arrived, count))) = (rejected, &self.refresh_after) {
            arrived.clone().wait_for(|arrived| arrived >= count).await.unwrap();
        }
        Ok(Authorization::bearer(format!("token-{nth}")))
    }
}

/// Accepts this token and no other.
async fn server_for(token: &'static str) -> Server {
    Server::scripted(move |seen, _| {
        if seen.header("authorization") == Some(token) { Answer::status(201) } else { Answer::status(401) }
    })
    .await
}

fn with(server: &Server, credentials: impl Credentials) -> RestRemote {
    RestRemote::builder(server.url()).credentials(credentials).build().unwrap()
}

/// A server that takes each record, and has none.
async fn taking_everything() -> Server {
    Server::scripted(|seen, _| match &*seen.method {
        "GET" => Answer::json(200, r#"{"items":[]}"#),
        _ => Answer::status(201),
    })
    .await
}

#[tokio::test]
async fn a_fixed_token_is_sent_with_every_request() {
    let server = taking_everything().await;
    let remote = RestRemote::builder(server.url()).bearer("abc").build().unwrap();
    remote.send(operation(create())).await.unwrap();
    remote.pull(page_of(1)).await.unwrap();
    assert!(server.seen().iter().all(|seen| seen.header("authorization") == Some("Bearer abc")));
}

#[tokio::test]
async fn the_hook_is_asked_once_and_its_token_kept() {
    let server = server_for("Bearer token-1").await;
    let asked = Arc::default();
    let remote = with(&server, Counting { asked: Arc::clone(&asked), ..Counting::default() });
    for _ in 0..3 {
        remote.send(operation(create())).await.unwrap();
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn after_a_401_the_request_is_sent_again_with_a_fresh_token() {
    let server = server_for("Bearer token-2").await;
    let remote = with(&server, Counting::default());
    remote.send(operation(create())).await.unwrap();
    let seen = server.seen();
    let tokens: Vec<_> = seen.iter().map(|seen| seen.header("authorization").unwrap()).collect();
    assert_eq!(tokens, ["Bearer token-1", "Bearer token-2"]);
    assert_eq!(seen[0].header("idempotency-key"), seen[1].header("idempotency-key"));
    assert_eq!(seen[0].body, seen[1].body);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixteen_requests_that_fail_together_ask_once() {
    let server = server_for("Bearer token-2").await;
    let asked = Arc::default();
    let hook = Counting {
        asked: Arc::clone(&asked),
        // All sixteen were sent with the old token before there is a new one.
        refresh_after: Some((server.arrived.clone(), 16)),
    };
    let remote = Arc::new(with(&server, hook));
    let requests = (0..16).map(|_| {
        let remote = Arc::clone(&remote);
        tokio::spawn(async move { remote.send(operation(create())).await })
    });
    for request in requests.collect::<Vec<_>>() {
        request.await.unwrap().unwrap();
    }
    assert_eq!(asked.load(Ordering::SeqCst), 2, "the first token, and one fresh one");
    assert_eq!(server.seen().len(), 32);
}

#[tokio::test]
async fn a_second_401_is_unauthorized() {
    let server = server_for("Bearer nobody's").await;
    let asked = Arc::default();
    let remote = with(&server, Counting { asked: Arc::clone(&asked), ..Counting::default() });
    let error = remote.send(operation(create())).await.unwrap_err();
    assert!(matches!(error, RemoteError::Unauthorized { .. }), "{error:?}");
    assert_eq!((asked.load(Ordering::SeqCst), server.seen().len()), (2, 2));
    assert!(!format!("{error} {error:?}").contains("token"), "{error:?}");
}

/// As Django REST framework does with session authentication first, and Spring with its `Http403ForbiddenEntryPoint`.
fn saying_403_without_valid_credentials(server: &Server) -> RestRemoteBuilder {
    let dialect = Dialect { unauthorized: vec![401, 403], ..Dialect::default() };
    RestRemote::builder(server.url()).dialect(dialect)
}

#[tokio::test]
async fn a_server_that_says_403_of_an_expired_token_gets_a_fresh_one() {
    let server = Server::scripted(|seen, _| match seen.header("authorization") {
        Some("Bearer token-2") => Answer::status(201),
        _ => Answer::status(403),
    })
    .await;
    let remote = saying_403_without_valid_credentials(&server);
    remote.credentials(Counting::default()).build().unwrap().send(operation(create())).await.unwrap();
    assert_eq!(server.seen().len(), 2);
    let error =
        with(&server, Giving(Authorization::bearer("x"))).send(operation(create())).await.unwrap_err();
    assert!(matches!(error, RemoteError::Refused { .. }), "it means nothing else by default: {error:?}");
}

#[tokio::test]
async fn what_is_forbidden_with_fresh_credentials_as_well_is_refused() {
    let server = Server::saying(Answer::status(403)).await;
    let remote = saying_403_without_valid_credentials(&server).credentials(Counting::default());
    let error = remote.build().unwrap().send(operation(create())).await.unwrap_err();
    assert!(matches!(&error, RemoteError::Refused { refusal, .. } if refusal.status == 403), "{error:?}");
    assert_eq!(server.seen().len(), 2);
    let fixed = saying_403_without_valid_credentials(&server).bearer("abc");
    let error = fixed.build().unwrap().send(operation(create())).await.unwrap_err();
    assert!(matches!(error, RemoteError::Unauthorized { .. }), "there is no better one to try: {error:?}");
}

/// Fails, and counts.
struct Failing {
    asked: Arc<AtomicUsize>,
    arrived: watch::Receiver<usize>,
    error: fn() -> CredentialsError,
}

#[async_trait]
impl Credentials for Failing {
    async fn authorization(
        &self,
        rejected: Option<&Authorization>,
    ) -> Result<Authorization, CredentialsError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if rejected.is_none() {
            return Ok(Authorization::bearer("old"));
        }
        self.arrived.clone().wait_for(|arrived| *arrived >= 8).await.unwrap();
        Err((self.error)())
    }
}

async fn failing_together(error: fn() -> CredentialsError) -> Vec<RemoteError> {
    let server = server_for("Bearer nobody's").await;
    let asked = Arc::default();
    let hook = Failing { asked: Arc::clone(&asked), arrived: server.arrived.clone(), error };
    let remote = with(&server, hook);
    let requests = (0..8).map(|_| remote.send(operation(create())));
    let errors = futures::future::join_all(requests).await;
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    // The next sync may ask again.
    remote.send(operation(create())).await.unwrap_err();
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    errors.into_iter().map(Result::unwrap_err).collect()
}

#[tokio::test]
async fn a_hook_that_is_signed_out_fails_all_who_wait_and_is_asked_again_later() {
    for error in failing_together(|| CredentialsError::signed_out("please log in")).await {
        let RemoteError::SignedOut { url, reason } = &error else { panic!("{error:?}") };
        assert_eq!(reason, "please log in");
        assert_eq!(error.to_string(), format!("there are no credentials for {url}: please log in"));
    }
}

#[tokio::test]
async fn a_hook_whose_token_server_is_away_is_told_from_a_server_that_is() {
    for error in failing_together(|| CredentialsError::unavailable("no route to login.example")).await {
        let RemoteError::CredentialsUnavailable { url, .. } = &error else { panic!("{error:?}") };
        let expected = format!("credentials for {url} cannot be had for now: no route to login.example");
        assert_eq!(error.to_string(), expected);
    }
}

struct Giving(Authorization);

#[async_trait]
impl Credentials for Giving {
    async fn authorization(&self, _: Option<&Authorization>) -> Result<Authorization, CredentialsError> {
        Ok(self.0.clone())
    }
}

#[tokio::test]
async fn credentials_may_be_another_header() {
    let server = Server::saying(Answer::status(201)).await;
    let remote = with(&server, Giving(Authorization::header("X-Api-Key", "k3y")));
    remote.send(operation(create())).await.unwrap();
    assert_eq!(server.only().header("x-api-key"), Some("k3y"));
    assert_eq!(server.only().header("authorization"), None);
}

#[tokio::test]
async fn a_hook_cannot_inject_headers() {
    for authorization in [
        Authorization::bearer("a\r\nX-Admin: yes"),
        Authorization::header("X Key", "v"),
        Authorization::header("", ""),
    ] {
        let server = Server::saying(Answer::status(201)).await;
        let error = with(&server, Giving(authorization)).send(operation(create())).await.unwrap_err();
        assert!(matches!(error, RemoteError::SignedOut { .. }), "{error:?}");
        assert!(!error.to_string().contains("X-Admin"), "{error}");
        assert!(server.seen().is_empty());
    }
}

#[tokio::test]
async fn a_request_that_is_dropped_while_it_asks_leaves_the_turn_to_the_next() {
    struct Slow(Arc<AtomicUsize>);
    #[async_trait]
    impl Credentials for Slow {
        async fn authorization(&self, _: Option<&Authorization>) -> Result<Authorization, CredentialsError> {
            if self.0.fetch_add(1, Ordering::SeqCst) == 0 {
                std::future::pending::<()>().await;
            }
            Ok(Authorization::bearer("t"))
        }
    }
    let server = server_for("Bearer t").await;
    let remote = with(&server, Slow(Arc::default()));
    {
        let mut asking = std::pin::pin!(remote.send(operation(create())));
        assert!(futures::poll!(&mut asking).is_pending());
    }
    remote.send(operation(create())).await.unwrap();
}

#[test]
fn nothing_shows_a_secret() {
    let authorization = Authorization::bearer("hunter2");
    assert!(!format!("{authorization:?}").contains("hunter2"));
    let builder = RestRemote::builder("https://x.example").bearer("hunter2").header("X-Key", "hunter2");
    assert!(!format!("{builder:?}").contains("hunter2"));
    let text = format!("{:?}", builder.build().unwrap());
    assert!(text.contains("https://x.example") && !text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_name_and_password_are_sent_as_basic_authentication() {
    let server = Server::saying(Answer::status(201)).await;
    let remote = RestRemote::builder(server.url()).basic("Aladdin", "open sesame").build().unwrap();
    remote.send(operation(create())).await.unwrap();
    // The example of RFC 7617, section 2.
    assert_eq!(server.only().header("authorization"), Some("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="));
}

#[tokio::test]
async fn an_api_key_has_a_header_of_its_own() {
    let server = Server::saying(Answer::status(201)).await;
    let key = Authorization::header("X-Api-Key", "k3y");
    let remote = RestRemote::builder(server.url()).authorization(key).build().unwrap();
    remote.send(operation(create())).await.unwrap();
    assert_eq!(server.only().header("x-api-key"), Some("k3y"));
    assert_eq!(server.only().header("authorization"), None);
}

/// Signs what it is shown, or says why it cannot.
struct Signing(Result<&'static str, &'static str>);

impl Signer for Signing {
    fn sign(&self, request: &Unsigned<'_>) -> Result<Vec<Authorization>, BoxError> {
        let name = self.0?;
        assert!(!format!("{request:?}").contains("token"), "{request:?}");
        let (method, url) = (request.method(), request.url().rsplit_once('/').unwrap().1);
        let (token, body) = (request.header("authorization").unwrap_or("none"), request.body().len());
        Ok(vec![Authorization::header(name, format!("{method} {url}; {token}; {body} bytes"))])
    }
}

#[tokio::test]
async fn each_request_is_signed_with_all_that_it_is() {
    let server = taking_everything().await;
    let remote =
        RestRemote::builder(server.url()).bearer("token").signer(Signing(Ok("X-Signature"))).build().unwrap();
    remote.send(operation(create())).await.unwrap();
    remote.pull(page_of(1)).await.unwrap();
    remote.probe().await.unwrap();
    let signatures: Vec<_> =
        server.seen().iter().map(|seen| seen.header("x-signature").map(ToOwned::to_owned)).collect();
    let expected = ["POST notes; Bearer token; 26 bytes", "GET notes?limit=1; Bearer token; 0 bytes"];
    assert_eq!(signatures, [Some(expected[0].to_owned()), Some(expected[1].to_owned()), None]);
}

#[tokio::test]
async fn what_cannot_be_signed_is_not_sent() {
    let server = Server::saying(Answer::status(201)).await;
    for (signer, expected) in [
        (Signing(Err("the key is locked")), "the key is locked"),
        (Signing(Ok("not a header name")), "`not a header name` that cannot be sent"),
    ] {
        let remote = RestRemote::builder(server.url()).signer(signer).build().unwrap();
        let error = remote.send(operation(create())).await.unwrap_err();
        assert!(matches!(error, RemoteError::SignedOut { .. }), "{error:?}");
        assert!(
            error.to_string().contains(expected) && !error.to_string().contains("does not accept"),
            "{error}"
        );
    }
    assert_eq!(server.seen().len(), 0);
}
