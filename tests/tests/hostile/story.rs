//! A device that meets a hostile server, and what has to hold whatever that server does.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::TimeDelta;
use peak_alloc::PeakAlloc;
use sync::testing::ManualClock;
use sync::{Engine, RestRemote, RestRemoteBuilder, RetryPolicy, SqliteStorage, SyncError, SyncReport};
use sync_tests::app::App;
use sync_tests::device::Folder;
use sync_tests::entities::{Note, note};
use sync_tests::log::Log;
use tokio::sync::{Mutex, MutexGuard};

use super::server::{Act, Seen, Server};

/// Counts what the program holds: the client, and the little that the server needs.
#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// A test's turn: they come one after the other, from the first body that a test makes to its last story, so that
/// the memory of each is its own.
pub struct Turn(#[expect(dead_code, reason = "it is held, not read")] MutexGuard<'static, ()>);

impl Turn {
    pub async fn mine() -> Self {
        static TURN: Mutex<()> = Mutex::const_new(());
        Self(TURN.lock().await)
    }
}

const TOKEN: &str = "hunter2-is-the-token";

/// Long enough for an answer on a busy machine, and short enough to wait for.
pub const TIMEOUT: Duration = Duration::from_secs(2);

/// What every body may have, in bytes.
pub const LIMIT: usize = 1024 * 1024;

/// A device with one note to send, and its server.
pub struct Story {
    pub server: Server,
    pub engine: Engine<App>,
    pub app: App,
    clock: ManualClock,
    log: Log,
    before: usize,
    _folder: Folder,
}

impl Story {
    /// With a server that does this to each request.
    pub async fn of(_: &Turn, script: impl Fn(&Seen) -> Act + Send + Sync + 'static) -> Self {
        let server = Server::new(script).await;
        let url = server.url();
        Self::with(server, &url, |remote| remote).await
    }

    /// With a server behind TLS, and a remote that has more settings.
    pub async fn with_tls(
        _: &Turn,
        tls: tokio_rustls::TlsAcceptor,
        host: &str,
        more: impl FnOnce(RestRemoteBuilder) -> RestRemoteBuilder,
    ) -> Self {
        let server = Server::with_tls(tls).await;
        let url = format!("https://{host}:{}", server.port());
        Self::with(server, &url, more).await
    }

    async fn with(
        server: Server,
        url: &str,
        more: impl FnOnce(RestRemoteBuilder) -> RestRemoteBuilder,
    ) -> Self {
        let log = log_of_this_program();
        log.clear();
        let remote = RestRemote::builder(url).bearer(TOKEN).timeout(TIMEOUT).max_response_bytes(LIMIT);
        let folder = Folder::new();
        let storage = SqliteStorage::open(folder.file("a.db")).unwrap();
        let (app, clock) = (App::default(), ManualClock::default());
        let retry = RetryPolicy { base: Duration::ZERO, ..RetryPolicy::default() };
        let engine = Engine::builder(app.clone(), more(remote).build().unwrap(), storage)
            .retry(retry)
            .clock(clock.clone())
            .page_limit(20)
            .build()
            .await
            .unwrap();
        engine.push(&note("mine", "written offline", 0)).await.unwrap();
        let before = MEMORY.current_usage();
        MEMORY.reset_peak_usage();
        Self { server, engine, app, clock, log, before, _folder: folder }
    }

    /// Flushes, and gives the one thing that went wrong.
    pub async fn flush_error(&self) -> Arc<SyncError> {
        only_error(&in_time(self.engine.flush()).await)
    }

    /// Pulls notes, and gives the one thing that went wrong.
    pub async fn pull_error(&self) -> Arc<SyncError> {
        only_error(&in_time(self.engine.pull_only::<Note>()).await)
    }

    /// How much more memory was held at most than at the start, in bytes.
    pub fn memory(&self) -> usize {
        MEMORY.peak_usage().saturating_sub(self.before)
    }

    /// Time passes.
    pub fn later(&self, hours: i64) {
        self.clock.advance(TimeDelta::hours(hours));
    }

    /// The server turns sane: what waited is sent, once, and nothing was told to anybody.
    pub async fn ends_well(self) {
        assert_eq!(self.engine.queue_len(), 1, "the operation is still there");
        assert_eq!(self.engine.status().parked, 0);
        let hostile = self.server.seen().len();
        self.server.become_sane();
        // Past the back-off of a single operation.
        self.clock.advance(TimeDelta::seconds(1));
        let report = self.engine.full_sync().await.unwrap();
        assert!(report.is_clean(), "{:?}", report.errors);
        assert_eq!(self.engine.queue_len(), 0);
        let seen = self.server.seen();
        let posts: Vec<_> = seen[hostile..].iter().filter(|seen| seen.method == "POST").collect();
        assert_eq!(posts.len(), 1, "{posts:?}");
        assert_eq!(posts[0].header("authorization"), Some(&*format!("Bearer {TOKEN}")));
        let keys: Vec<_> = seen.iter().filter_map(|seen| seen.header("idempotency-key")).collect();
        assert!(keys.iter().all(|key| key == &keys[0]), "every attempt has the same key: {keys:?}");
        let log = self.log.text();
        assert!(log.contains("Note"), "something was logged");
        assert!(!log.contains(TOKEN), "the token was logged");
    }
}

fn only_error(report: &SyncReport) -> Arc<SyncError> {
    assert_eq!(report.errors.len(), 1, "{:?}", report.errors);
    let told = report.errors[0].to_string();
    assert!(told.contains("Note"), "it does not say what it is about: {told}");
    assert!(told.len() < 2000, "it is for people: {told}");
    assert!(!told.chars().any(char::is_control), "it stays one line: {told:?}");
    Arc::clone(&report.errors[0])
}

/// A watchdog, for what would never end.
async fn in_time(sync: impl IntoFuture<Output = Result<SyncReport, sync::Error>>) -> SyncReport {
    tokio::time::timeout(20 * TIMEOUT, sync.into_future()).await.expect("it ends").unwrap()
}

/// What this program logs.
fn log_of_this_program() -> Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    let log = LOG.get_or_init(|| {
        let log = Log::default();
        let writer = log.clone();
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || writer.clone())
            .with_ansi(false)
            .init();
        log
    });
    log.clone()
}
