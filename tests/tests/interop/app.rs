//! An application with an entity for each strategy.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sync::{
    BoxError, Conflict, Engine, OnConflict, OnPull, Pulled, Resolution, RestRemote, RetryPolicy, Schema,
    SqliteStorage, SyncReport, Syncable,
};

macro_rules! entities {
    ($($name:ident $endpoint:literal $strategy:ident,)*) => {
        $(
            #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
            #[sync(endpoint = $endpoint, conflict = $strategy)]
            pub struct $name {
                pub id: String,
                pub title: String,
                pub body: String,
                #[serde(rename = "updatedAt")]
                pub updated_at: DateTime<Utc>,
            }

            impl Page for $name {
                fn page(id: &str, title: &str, body: &str, minute: i64) -> Self {
                    let start = DateTime::from_timestamp(1_767_225_600, 0).unwrap_or_default();
                    let updated_at = start + TimeDelta::minutes(minute);
                    Self { id: id.to_owned(), title: title.to_owned(), body: body.to_owned(), updated_at }
                }

                fn text(&self) -> (String, String) {
                    (self.title.clone(), self.body.clone())
                }
            }

            impl OnPull<$name> for App {
                async fn on_pull(&self, pulled: Pulled<$name>) -> Result<(), BoxError> {
                    for change in &pulled.changes {
                        self.put(change.id(), change.local());
                    }
                    Ok(())
                }
            }
        )*

        /// Every collection that a server has to have.
        pub const COLLECTIONS: &[&str] = &[$($endpoint),*];

        #[derive(Clone, Default, Schema)]
        #[sync(entities($($name),*))]
        pub struct App(Arc<Mutex<Copy>>);
    };
}

entities! {
    Note "/notes" LastWriteWins,
    Theirs "/theirs" ServerWins,
    Ours "/ours" ClientWins,
    Both "/both" Merge,
    Asked "/asked" Manual,
}

/// Two texts by entity and id.
pub type Copy = BTreeMap<(&'static str, String), (String, String)>;

/// What all entities have.
pub trait Page: Syncable<Id = String> {
    fn page(id: &str, title: &str, body: &str, minute: i64) -> Self;
    fn text(&self) -> (String, String);
}

impl App {
    fn put<T: Page>(&self, id: &str, record: Option<&T>) {
        let key = (T::NAME, id.to_owned());
        let mut copy = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match record {
            Some(record) => copy.insert(key, record.text()),
            None => copy.remove(&key),
        };
    }

    /// What the user of this device sees.
    pub fn copy(&self) -> Copy {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The titles of one entity by id.
    pub fn titles<T: Page>(&self) -> BTreeMap<String, String> {
        self.copy()
            .into_iter()
            .filter(|((name, _), _)| *name == T::NAME)
            .map(|((_, id), (title, _))| (id, title))
            .collect()
    }
}

impl OnConflict<Asked> for App {
    async fn on_conflict(&self, conflict: Conflict<Asked>) -> Result<Resolution<Asked>, BoxError> {
        let title =
            |side: &Option<Asked>| side.as_ref().map_or("nothing".to_owned(), |record| record.title.clone());
        let title = format!(
            "{} and {}, after {}",
            title(&conflict.local),
            title(&conflict.remote),
            title(&conflict.base)
        );
        Ok(match conflict.local.or(conflict.remote) {
            Some(record) => Resolution::Merged(Asked { title, ..record }),
            None => Resolution::Delete,
        })
    }
}

/// A device: what its user sees, and its engine on a file of its own.
pub struct Device {
    pub app: App,
    pub engine: Engine<App>,
}

impl Device {
    pub async fn open(file: &Path, remote: RestRemote) -> Self {
        let app = App::default();
        // Failed attempts are due again at once, so that no test has to wait.
        let at_once = RetryPolicy { base: std::time::Duration::ZERO, ..RetryPolicy::default() };
        let storage = SqliteStorage::open(file).unwrap();
        let engine = Engine::builder(app.clone(), remote, storage)
            .retry(at_once)
            .page_size(100)
            .build()
            .await
            .unwrap();
        Self { app, engine }
    }

    /// The user writes a record.
    pub async fn write<T: Page + sync::entity::EntityOf<App>>(&self, record: T) {
        self.app.put(record.id(), Some(&record));
        self.engine.push(&record).await.unwrap();
    }

    /// The user deletes a record.
    pub async fn delete<T: Page + sync::entity::EntityOf<App>>(&self, id: &str) {
        self.app.put::<T>(id, None);
        self.engine.delete::<T>(&id.to_owned()).await.unwrap();
    }

    /// Sends and pulls; all of it goes well.
    pub async fn sync(&self) -> SyncReport {
        let report = self.engine.full_sync().await.unwrap();
        assert!(report.errors.is_empty(), "{:#?}", report.errors);
        assert_eq!(self.engine.queue_len(), 0);
        report
    }
}
