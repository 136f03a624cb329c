//! A device: an application, its storage and its engine, on a server in memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sync::storage::{StorageError, StorageLock, Work};
use sync::testing::{Fault, ManualClock, ScriptedRemote};
use sync::{AutoSync, Engine, EngineBuilder, ManualConnectivity, MemoryStorage, Principal, Storage};
use sync_tests::app::App;
use sync_tests::entities::{Note, note, task};
use tokio::sync::Semaphore;

/// A background that flushes and hears nothing of the server.
pub const NO_PULLS: AutoSync =
    AutoSync { flush_after: Duration::from_millis(300), pull_every: None, listen: false };

pub struct Device {
    pub app: App,
    pub engine: Engine<App>,
    pub clock: ManualClock,
    pub switch: ManualConnectivity,
    pub storage: MemoryStorage,
    pub server: ScriptedRemote,
}

impl Device {
    pub async fn new() -> Self {
        Self::on(&ScriptedRemote::new()).await
    }

    pub async fn on(server: &ScriptedRemote) -> Self {
        Self::with(server, MemoryStorage::new(), |builder| builder).await
    }

    pub async fn with(
        server: &ScriptedRemote,
        storage: MemoryStorage,
        settings: impl FnOnce(EngineBuilder<App>) -> EngineBuilder<App>,
    ) -> Self {
        let (app, clock, switch) = (App::default(), ManualClock::default(), ManualConnectivity::new(true));
        let builder = Engine::builder(app.clone(), server.clone(), storage.clone())
            .clock(clock.clone())
            .seed(7)
            .connectivity(switch.clone());
        let engine = settings(builder).build().await.unwrap();
        Self { app, engine, clock, switch, storage, server: server.clone() }
    }

    /// The program ends, however it may, and starts anew on the same storage.
    pub async fn restart(self) -> Self {
        let Self { app, engine, clock, switch, storage, server } = self;
        drop(engine);
        let engine = Engine::builder(app.clone(), server.clone(), storage.clone())
            .clock(clock.clone())
            .seed(8)
            .connectivity(switch.clone())
            .build()
            .await
            .unwrap();
        Self { app, engine, clock, switch, storage, server }
    }

    /// Waits as long as any back-off can last.
    pub fn wait_out(&self) {
        self.clock.advance(chrono::TimeDelta::minutes(61));
    }

    /// A device with a note that the server has, and a refused edit of it. Of the note's base only the version is kept.
    pub async fn with_refused_edit() -> Self {
        let device = Self::new().await;
        device.server.put(&note("a", "theirs", 0));
        device.engine.pull().await.unwrap();
        device.engine.push(&note("a", "mine", 1)).await.unwrap();
        device.app.state().notes.insert("a".to_owned(), note("a", "mine", 1));
        device.server.once(Fault::Refused(422, "no".to_owned()));
        device.engine.flush().await.unwrap();
        device
    }

    /// A device with a note that the server does not know and has refused.
    pub async fn with_refused_creation() -> Self {
        let device = Self::new().await;
        device.engine.push(&note("a", "", 0)).await.unwrap();
        device.server.once(Fault::Refused(422, "a note needs a title".to_owned()));
        device.engine.flush().await.unwrap();
        device
    }

    /// Here and on the server, task 1 is changed since it was synced.
    pub async fn comes_into_conflict(&self) {
        self.engine.push(&task(1, None, "base")).await.unwrap();
        self.engine.full_sync().await.unwrap();
        self.server.put(&task(1, None, "theirs"));
        self.engine.push(&task(1, None, "mine")).await.unwrap();
    }

    /// Gives the parked edit of a note up.
    pub async fn discard(&self) {
        let parked = self.engine.parked::<Note>().await.unwrap();
        self.engine.discard(parked[0].operation).await.unwrap();
    }
}

/// A wall clock that follows tokio's, so that paused time moves both.
#[derive(Debug, Clone)]
pub struct Ticking(tokio::time::Instant);

impl Default for Ticking {
    fn default() -> Self {
        Self(tokio::time::Instant::now())
    }
}

impl sync::Clock for Ticking {
    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        chrono::DateTime::UNIX_EPOCH + chrono::TimeDelta::from_std(self.0.elapsed()).unwrap()
    }
}

/// The same, and somebody sets it. Clones are the same clock.
#[derive(Debug, Clone, Default)]
pub struct Set {
    ticking: Arc<Ticking>,
    seconds: Arc<AtomicI64>,
}

impl Set {
    /// Sets it forward by so much, or back.
    pub fn by(&self, time: chrono::TimeDelta) {
        self.seconds.fetch_add(time.num_seconds(), Ordering::Relaxed);
    }
}

impl sync::Clock for Set {
    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.ticking.now() + chrono::TimeDelta::seconds(self.seconds.load(Ordering::Relaxed))
    }
}

/// A storage that does something only when it is let.
#[derive(Debug, Clone)]
pub struct Gated {
    pub storage: MemoryStorage,
    pub gate: Arc<Semaphore>,
}

#[async_trait]
impl Storage for Gated {
    async fn transact(&self, principal: &Principal, work: Work) -> Result<(), StorageError> {
        let _permit = self.gate.acquire().await.map_err(|_| StorageError::Closed)?;
        self.storage.transact(principal, work).await
    }

    fn lock(&self) -> Result<StorageLock, StorageError> {
        self.storage.lock()
    }
}
