//! A device: an application, its storage and its engine, on a server in memory.

use std::time::Duration;

use sync::testing::{ManualClock, ScriptedRemote};
use sync::{AutoSync, Engine, EngineBuilder, ManualConnectivity, MemoryStorage};
use sync_tests::app::App;

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
}
