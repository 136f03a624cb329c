//! A device: an application, its engine, and a switch for its network.

use std::path::{Path, PathBuf};

use sync::{BoxError, Engine, EntityOf, ManualConnectivity, RestRemote, SqliteStorage, SyncReport};

use crate::app::App;

pub struct Device {
    pub name: &'static str,
    pub app: App,
    pub engine: Engine<App>,
    network: ManualConnectivity,
}

/// The two files of a device: its queue and its application's records.
pub fn files(folder: &Path, name: &str) -> (PathBuf, PathBuf) {
    (folder.join(format!("{name}-queue.db")), folder.join(format!("{name}-app.db")))
}

impl Device {
    pub async fn start(name: &'static str, folder: &Path, url: &str) -> Result<Self, BoxError> {
        let (queue, records) = files(folder, name);
        let app = App::open(&records)?;
        let network = ManualConnectivity::new(true);
        let engine = Engine::builder(app.clone(), RestRemote::new(url)?, SqliteStorage::open(queue)?)
            .connectivity(network.clone())
            .build()
            .await?;
        Ok(Self { name, app, engine, network })
    }

    pub fn online(&self, online: bool) {
        self.network.set_online(online);
    }

    /// What happens when the user presses "save": the screen shows it, and it is durable.
    pub async fn save<T: EntityOf<App>>(&self, record: &T) -> Result<(), BoxError> {
        self.app.save(record)?;
        self.engine.push(record).await?;
        Ok(())
    }

    pub async fn delete<T: EntityOf<App>>(&self, id: &T::Id) -> Result<(), BoxError> {
        self.app.remove::<T>(id)?;
        self.engine.delete::<T>(id).await?;
        Ok(())
    }

    /// Syncs, and says how it went.
    pub async fn sync(&self) -> Result<SyncReport, BoxError> {
        let report = self.engine.full_sync().await?;
        println!(
            "   {:<6} pushed {}, pulled {}, conflicts {}, still waiting {}",
            self.name, report.pushed, report.pulled, report.conflicts, report.remaining
        );
        for error in report.errors.iter().take(1) {
            println!("          ({error})");
        }
        Ok(report)
    }
}
