//! Those who read what a device keeps: in one transaction, or with a watch.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use futures::stream::BoxStream;
use sync::{Engine, EntityOf, Error, Query, Replicated, WatchChange, WatchEvent, Watched};

use super::app::{App, name_of};
use super::entities::Sample;
use super::life::Life;

/// Keeps a table of what a watch tells.
pub(super) async fn follow<T: Sample>(
    life: Arc<Life>,
    mut watch: BoxStream<'static, Result<WatchEvent<T>, Error>>,
) {
    while let Some(event) = watch.next().await {
        let state = &mut *life.world.state();
        let book = &mut state.books[life.device][life.account];
        let shown = |watched: &Watched<T>| {
            let json = serde_json::to_string(&watched.record).expect("the records of the histories are JSON");
            (name_of::<T>(watched.record.id()), Some(json))
        };
        let told = match event {
            Ok(WatchEvent::Snapshot(all)) => {
                book.watches_anew(T::KIND);
                all.iter().map(shown).collect()
            }
            Ok(WatchEvent::Changes(changes)) => {
                let told = |change: &WatchChange<T>| match change {
                    WatchChange::Inserted(watched) | WatchChange::Updated(watched) => shown(watched),
                    WatchChange::Removed(id) => (name_of::<T>(id), None),
                };
                changes.iter().map(told).collect()
            }
            // The disk was full: it tells when it can be read again.
            Err(_) => Vec::new(),
        };
        for (name, value) in told {
            book.watched(name, value);
        }
    }
}

/// Reads every record of a replica, in the way that an application does, at a moment when the model can be asked too.
pub(super) async fn look<T: Sample + EntityOf<App> + Replicated>(life: &Arc<Life>, engine: &Engine<App>) {
    let eyes = Arc::clone(life);
    let looked = engine.transaction::<_, Error, _>(move |tx| {
        let mut found = BTreeMap::new();
        for record in tx.query::<T>(Query::new())? {
            let json = serde_json::to_string(&record).expect("the records of the histories are JSON");
            found.insert(name_of::<T>(record.id()).key, json);
        }
        let state = &mut *eyes.world.state();
        let verdict = state.books[eyes.device][eyes.account].read(T::KIND, &found);
        state.judge(Some(eyes.device), verdict);
        Ok(())
    });
    if let Err(error) = looked.await {
        life.note(format_args!("  cannot look: {error}"));
    }
}
