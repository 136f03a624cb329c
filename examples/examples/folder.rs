//! Devices that meet in a shared folder, a USB stick for instance: a `Remote` for a transport that is no REST at all.
//!
//! `cargo run --example folder`. The folder has a file for each record, with its version and its place among all changes;
//! whoever writes holds a lock on the folder. Everything else (the queue, the conflicts, the cursors) is the engine's.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sync::entity::EntityInfo;
use sync::record::{OperationId, RecordKey, Version, Write};
use sync::remote::{Fetched, Page, PageItem, Position, PullRequest, Reply, WriteAnswer, WriteRequest};
use sync::storage::Cursor;
use sync::{BoxError, Engine, OnPull, Pulled, Remote, RemoteError, Schema, SqliteStorage, Syncable};

/// A folder that holds the records of all devices.
#[derive(Debug, Clone)]
struct Folder(PathBuf);

/// One record in the folder, or what is left of it.
#[derive(Serialize, Deserialize)]
struct Entry {
    /// The id, as JSON has it.
    id: Box<RawValue>,
    /// Grows with each change in the folder: the record's version, and its place in the list of changes.
    change: u64,
    /// What wrote it: an operation that is sent again is known by it.
    operation: OperationId,
    /// `None` once it was deleted.
    record: Option<Box<RawValue>>,
}

impl Entry {
    fn version(&self) -> Version {
        Version::new(self.change.to_string())
    }

    fn body(&self) -> Option<bytes::Bytes> {
        self.record.as_ref().map(|record| bytes::Bytes::copy_from_slice(record.get().as_bytes()))
    }
}

impl Folder {
    fn collection(&self, entity: &EntityInfo) -> PathBuf {
        self.0.join(entity.name)
    }

    fn file(&self, entity: &EntityInfo, key: &RecordKey) -> PathBuf {
        self.collection(entity).join(format!("{}.json", utf8_percent_encode(key.as_str(), NON_ALPHANUMERIC)))
    }

    /// Nobody else writes until the file is closed.
    fn lock(&self) -> io::Result<File> {
        let file = File::options().create(true).append(true).open(self.0.join("lock"))?;
        file.lock()?;
        Ok(file)
    }

    /// All records of an entity, deleted ones included, in the order of their last change.
    fn entries(&self, entity: &EntityInfo) -> io::Result<BTreeMap<u64, Entry>> {
        let folder = self.collection(entity);
        if !folder.exists() {
            return Ok(BTreeMap::new());
        }
        let files = fs::read_dir(folder)?.map(|file| Ok(file?.path()));
        let files = files.filter(|path: &io::Result<PathBuf>| {
            path.as_ref().map_or(true, |path| path.extension().is_some_and(|extension| extension == "json"))
        });
        files.map(|path| read(&path?).map(|entry| (entry.change, entry))).collect()
    }

    fn write(&self, request: &WriteRequest) -> io::Result<WriteAnswer> {
        let _lock = self.lock()?;
        let path = self.file(request.entity, &request.key);
        let there = if path.exists() { Some(read(&path)?) } else { None };
        if let Some(there) = &there
            && there.operation == request.id
        {
            return Ok(WriteAnswer::Accepted { version: Some(there.version()), body: there.body() });
        }
        let exists = there.as_ref().filter(|there| there.record.is_some());
        let expected = match (&request.write, exists) {
            (Write::Create(_), Some(_)) => false,
            (Write::Update(_) | Write::Overwrite(_), None) => return Ok(WriteAnswer::Missing),
            (Write::Delete, None) => return Ok(WriteAnswer::Accepted { version: None, body: None }),
            (_, Some(there)) => request.if_match.as_ref().is_none_or(|version| *version == there.version()),
            (Write::Create(_), None) => true,
        };
        if let (false, Some(there)) = (expected, exists) {
            return Ok(WriteAnswer::Conflict {
                version: Some(there.version()),
                body: there.body(),
                problem: None,
            });
        }
        let change = self.entries(request.entity)?.last_key_value().map_or(1, |(newest, _)| newest + 1);
        let record =
            request.write.payload().map(|payload| RawValue::from_string(payload.as_str().to_owned()));
        let entry = Entry {
            id: serde_json::value::to_raw_value(request.key.as_str())?,
            change,
            operation: request.id,
            record: record.transpose()?,
        };
        fs::create_dir_all(self.collection(request.entity))?;
        // Whoever reads meanwhile sees the one or the other.
        let new = path.with_extension("new");
        fs::write(&new, serde_json::to_vec(&entry)?)?;
        fs::rename(new, path)?;
        Ok(WriteAnswer::Accepted { version: Some(entry.version()), body: None })
    }

    fn page(&self, request: &PullRequest) -> io::Result<Page> {
        let since = request.since.as_ref().map_or(Ok(0), |cursor| cursor.as_str().parse());
        let since: u64 = since.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let entries = self.entries(request.entity)?;
        let newer: Vec<_> = entries.range(since + 1..).take(limit).collect();
        let cursor = newer.last().map_or(since, |(change, _)| **change);
        let has_more = entries.range(cursor + 1..).next().is_some();
        let items = newer.into_iter().map(|(_, entry)| match entry.body() {
            Some(body) => PageItem::Record { version: Some(entry.version()), body },
            None => PageItem::Tombstone { id: bytes::Bytes::copy_from_slice(entry.id.get().as_bytes()) },
        });
        Ok(Page {
            items: items.collect(),
            position: Position::Cursor { cursor: Cursor::new(cursor.to_string()), has_more },
        })
    }

    /// Does what takes time on a thread of its own. A folder that is not there is a server that cannot be reached.
    async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce(Self) -> io::Result<R> + Send + 'static,
    ) -> Result<Reply<R>, RemoteError> {
        let (folder, shown) = (self.clone(), self.0.display().to_string());
        let done = tokio::task::spawn_blocking(move || {
            if folder.0.is_dir() { work(folder) } else { Err(io::ErrorKind::NotFound.into()) }
        });
        let away = |source: BoxError| RemoteError::Unreachable {
            url: shown,
            reason: "the folder cannot be used".to_owned(),
            retry_after: None,
            source: Some(source),
        };
        match done.await {
            Ok(Ok(answer)) => Ok(answer.into()),
            Ok(Err(error)) => Err(away(error.into())),
            Err(error) => Err(away(error.into())),
        }
    }
}

fn read(path: &Path) -> io::Result<Entry> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

#[async_trait::async_trait]
impl Remote for Folder {
    async fn send(&self, request: WriteRequest) -> Result<Reply<WriteAnswer>, RemoteError> {
        self.run(move |folder| folder.write(&request)).await
    }

    async fn pull(&self, request: PullRequest) -> Result<Reply<Page>, RemoteError> {
        self.run(move |folder| folder.page(&request)).await
    }

    async fn fetch(
        &self,
        entity: &'static EntityInfo,
        key: &RecordKey,
    ) -> Result<Reply<Fetched>, RemoteError> {
        let key = key.clone();
        self.run(move |folder| {
            let path = folder.file(entity, &key);
            let entry = if path.exists() { Some(read(&path)?) } else { None };
            Ok(entry
                .and_then(|entry| {
                    Some(Fetched::Present { version: Some(entry.version()), body: entry.body()? })
                })
                .unwrap_or(Fetched::Missing))
        })
        .await
    }

    async fn probe(&self) -> Result<(), RemoteError> {
        self.run(|_| Ok(())).await.map(drop)
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Syncable)]
#[sync(endpoint = "/notes", conflict = Merge)]
struct Note {
    id: String,
    title: String,
    body: String,
}

#[derive(Clone, Default, Schema)]
#[sync(entities(Note))]
struct App(Arc<Mutex<BTreeMap<String, Note>>>);

impl App {
    fn notes(&self) -> BTreeMap<String, Note> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl OnPull<Note> for App {
    async fn on_pull(&self, pulled: Pulled<Note>) -> Result<(), BoxError> {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for change in &pulled.changes {
            match change.local() {
                Some(note) => notes.insert(note.id.clone(), note.clone()),
                None => notes.remove(change.id()),
            };
        }
        Ok(())
    }
}

/// A device with a storage of its own.
struct Device {
    app: App,
    engine: Engine<App>,
}

impl Device {
    async fn new(file: PathBuf, folder: &Path) -> Result<Self, BoxError> {
        let app = App::default();
        let remote = Folder(folder.to_owned());
        let engine = Engine::builder(app.clone(), remote, SqliteStorage::open(file)?).build().await?;
        Ok(Self { app, engine })
    }

    async fn write(&self, id: &str, title: &str, body: &str) -> Result<(), BoxError> {
        let note = Note { id: id.into(), title: title.into(), body: body.into() };
        self.engine.push(&note).await?;
        self.app.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.into(), note);
        Ok(())
    }
}

async fn story() -> Result<bool, BoxError> {
    let home = tempfile::tempdir()?;
    let stick = home.path().join("stick");
    let (laptop, phone) = (
        Device::new(home.path().join("laptop.db"), &stick).await?,
        Device::new(home.path().join("phone.db"), &stick).await?,
    );
    laptop.write("shopping", "Shopping", "milk").await?;
    laptop.write("a/b", "An id that is no file name", "").await?;
    let report = laptop.engine.full_sync().await?;
    println!("The stick is not plugged in: {} notes wait. {}", report.remaining, report.errors[0]);

    fs::create_dir(&stick)?;
    println!("Plugged in: the laptop wrote {}.", laptop.engine.full_sync().await?.pushed);
    println!("The phone found {}.", phone.engine.full_sync().await?.pulled);

    laptop.write("shopping", "Shopping for Friday", "milk").await?;
    phone.write("shopping", "Shopping", "milk, bread").await?;
    phone.engine.delete::<Note>(&"a/b".to_owned()).await?;
    phone.app.0.lock().unwrap_or_else(PoisonError::into_inner).remove("a/b");
    laptop.engine.full_sync().await?;
    let report = phone.engine.full_sync().await?;
    println!("Both edited the same note: {} conflict, merged.", report.conflicts);
    laptop.engine.full_sync().await?;

    for note in laptop.app.notes().values() {
        println!("  {}: {}", note.title, note.body);
    }
    let merged = laptop
        .app
        .notes()
        .get("shopping")
        .is_some_and(|note| note.title.ends_with("Friday") && note.body.ends_with("bread"));
    Ok(merged && laptop.app.notes() == phone.app.notes() && laptop.app.notes().len() == 1)
}

#[tokio::main]
async fn main() -> ExitCode {
    match story().await {
        Ok(true) => {
            println!("Both devices hold the same.");
            ExitCode::SUCCESS
        }
        Ok(false) => {
            eprintln!("The devices do not hold the same.");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
