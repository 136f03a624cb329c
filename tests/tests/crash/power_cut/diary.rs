//! What happened around a device, with the moments of its disk at which it happened: what a power cut does not take.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use sync::entity::EntityInfo;
use sync::record::RecordKey;
use sync::remote::{Fetched, Page, PullRequest, RemoteError, Reply, WriteAnswer, WriteRequest};
use sync::testing::ScriptedRemote;
use sync::{BoxError, OnPull, Pulled, Remote, Schema, Syncable as _};
use sync_tests::entities::Note;

use crate::vfs::Disk;

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Entry {
    /// An edit was begun.
    Begun(Edit),
    /// The engine acknowledged an edit.
    Acknowledged(Edit),
    /// An operation reached the server.
    Arrived(WriteRequest),
    /// Another device wrote a note.
    Elsewhere(Note),
    /// The application took over notes that were pulled.
    Shown(Vec<String>),
}

/// An edit of one note. Numbers grow with each edit of the story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    pub key: String,
    pub number: u32,
    pub deletes: bool,
}

/// The entries, each with the moment of the disk.
#[derive(Debug, Clone)]
pub struct Diary {
    disk: Disk,
    entries: Arc<Mutex<Vec<(usize, Entry)>>>,
}

impl Diary {
    pub fn new(disk: &Disk) -> Self {
        Self { disk: disk.clone(), entries: Arc::default() }
    }

    pub fn note(&self, entry: Entry) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.push((self.disk.now(), entry));
    }

    /// What had happened at a moment of the disk.
    pub fn until(&self, moment: usize) -> Vec<Entry> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().filter(|(at, _)| *at <= moment).map(|(_, entry)| entry.clone()).collect()
    }
}

/// The application: it takes over everything.
#[derive(Debug, Schema)]
#[sync(entities(Note))]
pub struct Phone(pub Diary);

impl OnPull<Note> for Phone {
    async fn on_pull(&self, pulled: Pulled<Note>) -> Result<(), BoxError> {
        let ids = pulled.changes.iter().map(|change| change.id().clone());
        self.0.note(Entry::Shown(ids.collect()));
        Ok(())
    }
}

/// The server, which stands elsewhere.
#[derive(Debug)]
pub struct Server {
    pub remote: ScriptedRemote,
    pub diary: Diary,
}

impl Server {
    /// The server as it was left, with a new diary.
    pub async fn again(entries: &[Entry], diary: Diary) -> Self {
        let remote = ScriptedRemote::new();
        for entry in entries {
            match entry {
                Entry::Elsewhere(note) => remote.put(note),
                Entry::Arrived(request) => drop(remote.send(request.clone()).await),
                Entry::Begun(_) | Entry::Acknowledged(_) | Entry::Shown(_) => {}
            }
        }
        Self { remote, diary }
    }
}

#[async_trait]
impl Remote for Server {
    async fn send(&self, request: WriteRequest) -> Result<Reply<WriteAnswer>, RemoteError> {
        self.diary.note(Entry::Arrived(request.clone()));
        self.remote.send(request).await
    }

    async fn pull(&self, request: PullRequest) -> Result<Reply<Page>, RemoteError> {
        self.remote.pull(request).await
    }

    async fn fetch(
        &self,
        entity: &'static EntityInfo,
        key: &RecordKey,
    ) -> Result<Reply<Fetched>, RemoteError> {
        self.remote.fetch(entity, key).await
    }

    async fn probe(&self) -> Result<(), RemoteError> {
        self.remote.probe().await
    }
}

/// The ids of notes that the application was shown.
pub fn shown(entries: &[Entry]) -> BTreeSet<String> {
    let pages = entries.iter().filter_map(|entry| match entry {
        Entry::Shown(ids) => Some(ids),
        _ => None,
    });
    pages.flatten().cloned().collect()
}

/// The notes that other devices wrote.
pub fn elsewhere(entries: &[Entry]) -> BTreeSet<String> {
    let notes = entries.iter().filter_map(|entry| match entry {
        Entry::Elsewhere(note) => Some(note.id().clone()),
        _ => None,
    });
    notes.collect()
}
