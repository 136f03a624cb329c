//! Watching a query: its result, and then what changes in it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Weak};
use std::task::Poll;

use futures::FutureExt;
use futures::future::OptionFuture;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::Sleep;

use super::engine::Engine;
use super::entity::{Facts, id_of};
use super::parked::{SyncState, state, unreadable};
use super::replica::{PAGE, read};
use crate::engine::core::Core;
use crate::engine::kept::{self, Kept};
use crate::engine::ledger::{Ledger, readable};
use crate::engine::settings::RetryPolicy;
use crate::engine::to_its_end::by_itself;
use crate::engine::watches::{Changed, Registration};
use crate::entity::{EntityOf, Schema, Syncable};
use crate::error::Error;
use crate::record::{EntityName, RecordKey, RecordRef};
use crate::replica::{Query, Replicated};
use crate::storage::{Condition, IndexValue, Place, Search, StorageError};

/// What a watch tells: once the whole result, after that what has changed in it.
#[derive(Debug, Clone, PartialEq)]
pub enum WatchEvent<T: Syncable> {
    /// The records of the query, in its order: all of them, in memory. Give the query a [`limit`](Query::limit) where there may be many.
    Snapshot(Vec<Watched<T>>),
    /// What has changed since the last event. Of a record that changed several times there is the newest state alone.
    Changes(Vec<WatchChange<T>>),
}

/// A record that is watched.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Watched<T: Syncable> {
    /// The record as it looks on this device.
    pub record: T,
    /// Where it stands.
    pub state: SyncState,
}

/// A change in the result of a query.
#[derive(Debug, Clone, PartialEq)]
pub enum WatchChange<T: Syncable> {
    /// The record was not in the result before.
    Inserted(Watched<T>),
    /// The record looks different now, or stands elsewhere.
    Updated(Watched<T>),
    /// The record is no longer in the result, whether or not it still exists.
    Removed(T::Id),
}

impl<S: Schema> Engine<S> {
    /// Watches the records that are asked for: the result first, then what changes in it, by edits on this device and by
    /// pulls alike, once that is durable. While nobody reads the stream, changes of one record become one.
    ///
    /// The result is found at one moment, however many records it has, and each of them is told as it looks when it is read, which for
    /// the first 500 is that moment as well.
    ///
    /// A query with a [`limit`](Query::limit) or an [`after`](Query::after) is asked again whenever something in its range
    /// changes; one without reads the records that changed. The stream ends with the engine.
    ///
    /// The first event holds the whole result in memory, and the watch remembers the id of each record in it: give a query that may find
    /// many a `limit`, or read it with [`stream`](Self::stream) where it need not be watched.
    ///
    /// ```
    /// # use serde::{Deserialize, Serialize};
    /// # use sync::{Engine, Schema, Syncable};
    /// use futures::StreamExt;
    /// use sync::{WatchChange, WatchEvent};
    /// # #[derive(Clone, Serialize, Deserialize, Syncable)]
    /// # #[sync(endpoint = "/notes", conflict = ServerWins, replica)]
    /// # struct Note { id: String, #[sync(index)] done: bool }
    /// # #[derive(Schema)]
    /// # #[sync(entities(Note))]
    /// # struct App;
    /// # async fn example(engine: Engine<App>) -> Result<(), Box<dyn std::error::Error>> {
    /// let mut open = engine.watch(Note::DONE.eq(false));
    /// while let Some(event) = open.next().await {
    ///     match event? {
    ///         WatchEvent::Snapshot(notes) => println!("{} open notes", notes.len()),
    ///         WatchEvent::Changes(changes) => for change in changes {
    ///             match change {
    ///                 WatchChange::Inserted(note) | WatchChange::Updated(note) => println!("{}: {:?}", note.record.id, note.state),
    ///                 WatchChange::Removed(id) => println!("{id} is no longer open"),
    ///             }
    ///         }
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// An item is an error when the storage fails, after which the watch looks again, less and less often, or when a record cannot be read as `T`, which
    /// is then left out.
    pub fn watch<T: EntityOf<S> + Replicated>(
        &self,
        query: impl Into<Query<T>>,
    ) -> BoxStream<'static, Result<WatchEvent<T>, Error>> {
        let (core, query) = (self.core(), query.into());
        let watching = Watching {
            registration: core.watches.begin(T::INFO.entity_name(), query.conditions.clone()),
            core: Arc::downgrade(self.shared()),
            closing: core.closing.subscribe(),
            query,
            known: BTreeMap::new(),
            broken: BTreeMap::new(),
            looked: false,
            failures: 0,
            retry: core.settings.retry,
            runtime: core.runtime.clone(),
            begun: false,
            told: VecDeque::new(),
        };
        stream::unfold(watching, |mut watching| async move {
            let event = watching.next().await?;
            Some((event, watching))
        })
        .boxed()
    }
}

struct Watching<T: Syncable> {
    registration: Registration,
    core: Weak<Core>,
    closing: watch::Receiver<bool>,
    retry: RetryPolicy,
    runtime: Handle,
    query: Query<T>,
    /// The records of the result, each with a digest of how it was told of.
    known: BTreeMap<RecordKey, u64>,
    /// The records that cannot be read, each with a digest of why.
    broken: BTreeMap<RecordKey, u64>,
    /// Whether it has looked at all: then it waits for a change before it looks again.
    looked: bool,
    /// How often in a row looking failed.
    failures: u32,
    /// Whether the result was told.
    begun: bool,
    /// What is still to be told.
    told: VecDeque<Result<WatchEvent<T>, Error>>,
}

/// What reading came to: each record that was looked at, and whether it is in the result.
type Seen = Vec<(RecordRef, Result<Option<Kept>, StorageError>)>;

/// How many records are asked for at once where all are to be found: a limit that any storage can take.
const FOUND: usize = 100_000;

impl<T: Replicated> Watching<T> {
    async fn next(&mut self) -> Option<Result<WatchEvent<T>, Error>> {
        loop {
            if let Some(event) = self.told.pop_front() {
                return Some(event);
            }
            if self.looked {
                let pause = OptionFuture::from(self.pause());
                tokio::select! {
                    () = self.registration.woken() => {}
                    // Nothing may change any more that would wake it.
                    Some(()) = pause => {}
                    closed = self.closing.wait_for(|closing| *closing) => {
                        drop(closed);
                        return None;
                    }
                }
            }
            match self.look().await {
                Ok(()) => self.failures = 0,
                // The engine is gone.
                Err(Error::ShutDown) => return None,
                Err(error) => {
                    self.failures = self.failures.saturating_add(1);
                    self.registration.failed();
                    self.told.push_back(Err(error));
                }
            }
            self.looked = true;
        }
    }

    /// The wait after a failure, by the clock of the runtime that polls, or of the engine's: who polls may be outside of any, and the
    /// engine's may be gone.
    fn pause(&self) -> Option<Sleep> {
        let runtime = Handle::try_current().unwrap_or_else(|_| self.runtime.clone());
        let _entered = runtime.enter();
        (self.failures > 0).then(|| tokio::time::sleep(self.retry.delay(self.failures, 1.0)))
    }

    /// Reads what has changed, and prepares to tell it.
    async fn look(&mut self) -> Result<(), Error> {
        let seen = match self.registration.read() {
            Changed::These(keys) if self.begun && !self.is_page() => {
                self.read(keys.into_iter().collect()).await?
            }
            _ => self.read_everything().await?,
        };
        let (mut result, mut changes) = (Vec::new(), Vec::new());
        let (mut shown, mut hidden) = (Vec::new(), Vec::new());
        for (name, kept) in seen {
            let kept = match kept {
                Ok(kept) => kept,
                Err(damaged) => {
                    self.cannot_read(&name, damaged.into(), &mut changes, &mut shown);
                    continue;
                }
            };
            let Some(kept) = kept else {
                let broken = self.broken.remove(&name.key).is_some();
                if self.known.remove(&name.key).is_some() {
                    changes.extend(self.removed(&name.key));
                    hidden.push(name.key);
                } else if broken {
                    hidden.push(name.key);
                }
                continue;
            };
            let record = match read::<T>(&name, &kept.view) {
                Ok(record) => record,
                Err(error) => {
                    self.cannot_read(&name, error, &mut changes, &mut shown);
                    continue;
                }
            };
            self.broken.remove(&name.key);
            let state = state(&kept.record, kept.blocker.as_ref());
            let digest = digest(&(kept.view.as_str(), &state));
            let before = self.known.insert(name.key.clone(), digest);
            if before.is_none() {
                shown.push(name.key.clone());
            }
            if before == Some(digest) {
                continue;
            }
            let watched = Watched { record, state };
            match (self.begun, before) {
                (false, _) => result.push((self.place(&watched.record), name.key, watched)),
                (true, None) => changes.push(WatchChange::Inserted(watched)),
                (true, Some(_)) => changes.push(WatchChange::Updated(watched)),
            }
        }
        self.registration.shows(shown.iter(), hidden.iter());
        if !self.begun {
            self.begun = true;
            // One that was changed after it was found stands elsewhere.
            let descending = self.query.order.is_some_and(|order| order.descending);
            result.sort_by(|(a, a_key, _), (b, b_key, _)| {
                let order = (a, a_key).cmp(&(b, b_key));
                if descending { order.reverse() } else { order }
            });
            let result = result.into_iter().map(|(_, _, watched)| watched).collect();
            self.told.push_back(Ok(WatchEvent::Snapshot(result)));
        } else if !changes.is_empty() {
            self.told.push_back(Ok(WatchEvent::Changes(changes)));
        }
        Ok(())
    }

    /// Whether what is in the result depends on other records.
    fn is_page(&self) -> bool {
        self.query.limit.is_some() || self.query.is_after()
    }

    /// The value by which a record stands in the order of the query; nothing where that is by id alone.
    fn place(&self, record: &T) -> IndexValue {
        let field = self.query.order.map(|order| order.field);
        let entry = field.and_then(|field| record.index().into_iter().find(|entry| entry.field == field));
        entry.map_or(IndexValue::Null, |entry| entry.value)
    }

    /// Looks at some records.
    async fn read(&self, keys: Vec<RecordKey>) -> Result<Seen, Error> {
        let conditions = self.query.conditions.clone();
        self.transact(move |ledger| look_at::<T>(ledger, keys, &conditions)).await
    }

    /// Asks the query again. What is shown and was not found is gone.
    ///
    /// All of it is found in one transaction: a record that changes its place between two would be found twice, or not at all. To read
    /// so many takes longer, and nobody is to wait for that, so it is done in several; a record that is changed meanwhile is looked at
    /// again after that.
    async fn read_everything(&self) -> Result<Seen, Error> {
        let search = self.query.search(self.query.limit.unwrap_or(usize::MAX));
        let search = search.map_err(|source| Error::Id { entity: T::INFO.entity_name(), source })?;
        let (mut seen, rest) = self
            .transact(move |ledger| {
                let mut keys = find(ledger, &T::INFO.entity_name(), search)?;
                let rest = keys.split_off(keys.len().min(PAGE));
                // They hold what was asked for: that is how they were found.
                Ok((look_at::<T>(ledger, keys, &[])?, rest))
            })
            .await?;
        for keys in rest.chunks(PAGE) {
            seen.extend(self.read(keys.to_vec()).await?);
        }
        let found: BTreeSet<_> = seen.iter().map(|(name, _)| &name.key).collect();
        let shown = self.known.keys().chain(self.broken.keys());
        let gone: Vec<_> = shown.filter(|key| !found.contains(key)).cloned().collect();
        let name = |key| RecordRef::new(T::INFO.entity_name(), key);
        seen.extend(gone.into_iter().map(|key| (name(key), Ok(None))));
        Ok(seen)
    }

    /// Reads, and leaves that to the engine where it takes longer: a stream at which nobody looks any more keeps neither that nor, with it,
    /// the lock on the storage.
    async fn transact<R, F>(&self, work: F) -> Result<R, Error>
    where
        R: Send + 'static,
        F: FnOnce(&mut Ledger<'_>) -> Result<R, StorageError> + Send + 'static,
    {
        let core = self.core.upgrade().ok_or(Error::ShutDown)?;
        let engine = Arc::clone(&core);
        let mut reading =
            async move { engine.transact::<_, Error, _>(move |ledger| Ok(work(ledger)?)).await }.boxed();
        if let Poll::Ready(read) = futures::poll!(&mut reading) {
            return read;
        }
        let read = by_itself(&core, reading);
        drop(core);
        read.await
    }

    /// A record cannot be read: it is not in the result any more, and its error is told once.
    fn cannot_read(
        &mut self,
        name: &RecordRef,
        error: Error,
        changes: &mut Vec<WatchChange<T>>,
        shown: &mut Vec<RecordKey>,
    ) {
        if self.known.remove(&name.key).is_some() {
            changes.extend(self.removed(&name.key));
        }
        let digest = digest(&error.to_string());
        if self.broken.insert(name.key.clone(), digest) != Some(digest) {
            shown.push(name.key.clone());
            self.told.push_back(Err(error));
        }
    }

    fn removed(&mut self, key: &RecordKey) -> Option<WatchChange<T>> {
        match id_of::<T>(key) {
            Ok(id) => Some(WatchChange::Removed(id)),
            Err(error) => {
                let name = RecordRef::new(T::INFO.entity_name(), key.clone());
                self.told.push_back(Err(unreadable(&name, &error, None)));
                None
            }
        }
    }
}

/// Finds all records of a search.
fn find(
    ledger: &mut Ledger<'_>,
    entity: &EntityName,
    mut search: Search,
) -> Result<Vec<RecordKey>, StorageError> {
    let limit = search.limit;
    let by_rows = search.conditions.is_empty() && search.order.is_none() && limit < usize::MAX;
    let mut found = Vec::new();
    loop {
        search.limit = FOUND.min(limit - found.len());
        let places = ledger.tx.find(entity, &search)?;
        search.after = places.last().filter(|_| places.len() == search.limit).cloned();
        for Place { key, .. } in places {
            // Of a record that is deleted here there is a row, and nothing to be seen.
            let name = RecordRef::new(entity.clone(), key);
            if !by_rows || readable(kept::view(ledger, &name))?.is_none_or(|view| view.is_some()) {
                found.push(name.key);
            }
        }
        if search.after.is_none() || found.len() >= limit {
            return Ok(found);
        }
    }
}

/// Looks at records, and whether the conditions hold for them. One that cannot be read as `T` is to be told of, whatever it is.
fn look_at<T: Syncable>(
    ledger: &mut Ledger<'_>,
    keys: Vec<RecordKey>,
    conditions: &[Condition],
) -> Result<Seen, StorageError> {
    let mut seen = Vec::with_capacity(keys.len());
    for key in keys {
        let name = RecordRef::new(T::INFO.entity_name(), key);
        let kept = match kept::one(ledger, &name) {
            Err(damaged) if damaged.damaged().is_some() => Err(damaged),
            kept => Ok(kept?.filter(|kept| {
                conditions.is_empty()
                    || kept::fits(ledger, &name, kept, conditions)
                    || read::<T>(&name, &kept.view).is_err()
            })),
        };
        seen.push((name, kept));
    }
    Ok(seen)
}

/// What tells two states of a record apart.
fn digest(shown: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    shown.hash(&mut hasher);
    hasher.finish()
}
