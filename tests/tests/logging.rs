//! Spans and events name entity, operation and attempt; never a payload or a credential.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use chrono::TimeDelta;
use futures::{FutureExt, StreamExt};
use sync::remote::rest::{Authorization, Credentials, CredentialsError};
use sync::testing::{ManualClock, ScriptedRemote};
use sync::{AutoSync, Engine, MemoryStorage, RemoteError, RestRemote, SqliteStorage, SyncError, SyncEvent};
use sync_examples::server::intercept::Intercept;
use sync_examples::server::{Config, Server};
use sync_tests::app::App;
use sync_tests::device::Folder;
use sync_tests::entities::note;
use sync_tests::log::Log;
use tracing_subscriber::fmt::format::FmtSpan;

#[tokio::test]
async fn logs_name_the_operation_and_tell_no_secret() {
    let sink = Log::default();
    let writer = sink.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(FmtSpan::NEW | FmtSpan::CLOSE)
        .with_writer(move || writer.clone())
        .with_ansi(false)
        .finish();
    // The only test of this program, so that nobody else decides what is logged.
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let folder = Folder::new();
    let server = Server::start(Config::new(["/notes", "/tasks"]).token("a-secret-token")).unwrap();
    let remote = RestRemote::builder(server.base_url()).bearer("a-secret-token").build().unwrap();
    let storage = SqliteStorage::open(folder.file("a.db")).unwrap();
    // Nothing becomes due by itself, so that each sync makes one attempt.
    let clock = ManualClock::default();
    let engine = Engine::builder(App::default(), remote, storage).clock(clock.clone()).build().await.unwrap();
    let receipt = engine.push(&note("a", "the-private-title", 0)).await.unwrap();
    // A server, and what it tells to a reader who expects something else, quotes what people wrote.
    let mut answers = [
        Some((500, r#"{"detail":"the-private-title is a bad title"}"#)),
        Some((422, r#"{"title":"Bad title","detail":"the-private-title is a bad title"}"#)),
    ];
    server.intercept(move |request| {
        if request.method == "GET" {
            let body = r#"{"items":[{"id":"b","title":["the-private-title"],"updatedAt":"the-private-title"}],"has_more":false}"#;
            return Intercept::Answer { status: 200, headers: Vec::new(), body: body.to_owned() };
        }
        let Some((status, body)) = answers.iter_mut().find_map(Option::take) else { return Intercept::Pass };
        Intercept::Answer { status, headers: Vec::new(), body: body.to_owned() }
    });
    let report = engine.full_sync().await.unwrap();
    let [failed, unreadable, _] = &*report.errors else { panic!("{report:?}") };
    assert!(matches!(&**failed, SyncError::Push { source: RemoteError::Transient { .. }, .. }));
    assert!(matches!(&**unreadable, SyncError::Unreadable { .. }));
    clock.advance(TimeDelta::seconds(1));
    let report = engine.flush().await.unwrap();
    let [refused] = &*report.errors else { panic!("{report:?}") };
    assert!(refused.to_string().contains("the-private-title is a bad title"), "the app is told: {refused}");
    // What it says of credentials may quote them.
    let expired = r#"{"detail":"a-secret-token has expired"}"#;
    server.intercept(move |_| Intercept::Answer {
        status: 401,
        headers: Vec::new(),
        body: expired.to_owned(),
    });
    engine.push(&note("b", "the-private-title", 0)).await.unwrap();
    for report in [engine.flush().await.unwrap(), engine.pull().await.unwrap()] {
        let [unauthorized] = &*report.errors else { panic!("{report:?}") };
        assert!(
            unauthorized.to_string().contains("a-secret-token has expired"),
            "the app is told: {unauthorized}"
        );
    }
    users_code_quotes_secrets(&folder).await;
    let log = sink.text();
    for told in [
        "entity=Note",
        "verb=\"create\"",
        "attempt=1",
        "attempt=2",
        "status 500",
        "status 422",
        "parked: it is not sent again by itself; `engine.parked()` lists it",
        "does not accept the credentials",
        "invalid type: a list, expected a string",
        "credentials for http://127.0.0.1:9/notes cannot be had for now",
        "there are no credentials for http://127.0.0.1:9/notes",
        "listening panicked",
        "`OnPull` of Note panicked",
        &receipt.id().to_string(),
    ] {
        assert!(log.contains(told), "{told} is missing in:\n{log}");
    }
    for secret in ["a-secret-token", "the-private-title"] {
        assert!(!log.contains(secret), "{secret} was logged");
    }
    assert!(!format!("{engine:?}").contains("secret"));
    engine.start(AutoSync::default());
    drop(engine);
    let told = sink.text();
    let last = told.lines().rfind(|line| line.contains("the last handle of the engine was dropped"));
    assert!(last.is_some_and(|line| line.contains("WARN") && line.contains("waiting=1")), "{last:?}");
    let stored: Vec<u8> = ["a.db", "a.db-wal"]
        .iter()
        .flat_map(|file| fs::read(folder.file(file)).unwrap_or_default())
        .collect();
    let is_stored = |text: &str| stored.windows(text.len()).any(|bytes| bytes == text.as_bytes());
    assert!(is_stored("the-private-title"), "the operation is");
    assert!(!is_stored("a-secret-token"), "credentials are not");
}

/// Who has no answer, and says why.
#[derive(Debug, Default)]
struct Hook(AtomicU32);

#[async_trait]
impl Credentials for Hook {
    async fn authorization(&self, _: Option<&Authorization>) -> Result<Authorization, CredentialsError> {
        match self.0.fetch_add(1, Ordering::Relaxed) {
            0 => Err(CredentialsError::unavailable("a-secret-token cannot be renewed")),
            1 => Err(CredentialsError::signed_out("a-secret-token has run out")),
            _ => panic!("a-secret-token is no token"),
        }
    }
}

/// What hooks and handlers say is for the app.
async fn users_code_quotes_secrets(folder: &Folder) {
    let remote = RestRemote::builder("http://127.0.0.1:9").credentials(Hook::default()).build().unwrap();
    let storage = SqliteStorage::open(folder.file("b.db")).unwrap();
    let engine = Engine::builder(App::default(), remote, storage).build().await.unwrap();
    engine.push(&note("a", "the-private-title", 0)).await.unwrap();
    for told in ["a-secret-token cannot be renewed", "a-secret-token has run out"] {
        let report = engine.flush().await.unwrap();
        let [error] = &*report.errors else { panic!("{report:?}") };
        let SyncError::Push { source, .. } = &**error else { panic!("{error:?}") };
        let words = std::error::Error::source(source).and_then(std::error::Error::source);
        assert!(source.to_string().contains(told) || words.is_some_and(|words| words.to_string() == told));
    }
    let mut events = engine.events();
    engine.start(AutoSync { pull_every: None, ..AutoSync::default() });
    while !matches!(events.next().await, Some(SyncEvent::SyncComplete(_))) {}
    engine.shutdown().await;

    let app = App::default();
    app.state().on_page = Some(Box::new(|| async { panic!("the-private-title is no title") }.boxed()));
    let server = ScriptedRemote::new();
    server.put(&note("a", "the-private-title", 0));
    let engine = Engine::builder(app, server, MemoryStorage::new()).build().await.unwrap();
    let report = engine.pull().await.unwrap();
    let [error] = &*report.errors else { panic!("{report:?}") };
    assert!(error.to_string().contains("the-private-title is no title"), "the app is told: {error}");
}
