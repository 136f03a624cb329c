//! A `Remote` over a folder: a file for each record, with its version and its place among all changes. Whoever writes, or reads the
//! list, holds a lock on the folder.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use sync::entity::EntityInfo;
use sync::record::{OperationId, RecordKey, Version, Write};
use sync::remote::{Fetched, Page, PageItem, Position, PullRequest, Reply, WriteAnswer, WriteRequest};
use sync::storage::Cursor;
use sync::{BoxError, Remote, RemoteError};

/// A folder that holds the records of all devices.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

/// One record in the folder, or what is left of it.
#[derive(Serialize, Deserialize)]
struct Entry {
    /// The id, as JSON has it.
    id: Box<RawValue>,
    /// Grows with each change in the folder: the record's version, and its place in the list of changes.
    change: u64,
    /// What has written it: an operation that is sent again is known by this, whatever others have done since. Kept in the file
    /// itself, so that the one is never there without the other.
    operations: Vec<OperationId>,
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
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    fn collection(&self, entity: &EntityInfo) -> PathBuf {
        self.0.join(entity.name)
    }

    /// Named by a hash of the id: there are disks that take names for one which differ in capitals alone, and none takes a long one.
    fn file(&self, entity: &EntityInfo, key: &RecordKey) -> PathBuf {
        let hash = Sha256::digest(key.as_str());
        let name = hash.iter().fold(String::new(), |name, byte| format!("{name}{byte:02x}"));
        self.collection(entity).join(name + ".json")
    }

    /// Nobody else reads a list or writes until the file is closed.
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
        let exists = there.as_ref().filter(|there| there.record.is_some());
        if there.as_ref().is_some_and(|there| there.operations.contains(&request.id)) {
            let (version, body) = (exists.map(Entry::version), exists.and_then(Entry::body));
            return Ok(WriteAnswer::Accepted { version, body });
        }
        let expected = match (&request.write, exists) {
            (Write::Create(_), Some(_)) => false,
            (Write::Update(_), None) => return Ok(WriteAnswer::Missing),
            // A version of nothing matches nothing; the winner over a deletion comes without one.
            (Write::Overwrite(_), None) if request.if_match.is_some() => return Ok(WriteAnswer::Missing),
            (Write::Delete, None) => return Ok(WriteAnswer::Accepted { version: None, body: None }),
            (_, Some(there)) => request.if_match.as_ref().is_none_or(|version| *version == there.version()),
            (Write::Create(_) | Write::Overwrite(_), None) => true,
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
        let record = record.transpose()?;
        let mut operations = there.as_ref().map(|there| there.operations.clone()).unwrap_or_default();
        operations.push(request.id);
        let id = match &record {
            Some(record) => id_in(record, request.entity)?,
            None => there.map(|there| there.id),
        };
        let id = id.map_or_else(|| serde_json::value::to_raw_value(request.key.as_str()), Ok)?;
        let entry = Entry { id, change, operations, record };
        let collection = self.collection(request.entity);
        if !collection.exists() {
            fs::create_dir_all(&collection)?;
            keep_names(&self.0)?;
        }
        // Whoever reads meanwhile sees the one or the other. It is on the disk before it is said to be there: the device forgets it then.
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&serde_json::to_vec(&entry)?)?;
        file.sync_all()?;
        fs::rename(new, path)?;
        keep_names(&collection)?;
        Ok(WriteAnswer::Accepted { version: Some(entry.version()), body: None })
    }

    /// The changes after a cursor; `None` for a cursor of another folder: there is no such change in this one.
    fn page(&self, request: &PullRequest) -> io::Result<Option<Page>> {
        // Whoever reads while others write could see a late change and not the one before it, and the cursor would pass that.
        let _lock = self.lock()?;
        let limit = usize::try_from(request.limit).unwrap_or(usize::MAX);
        let entries = self.entries(request.entity)?;
        let newest = entries.last_key_value().map_or(0, |(newest, _)| *newest);
        let since = request.since.as_ref().map_or(Some(0), |cursor| cursor.as_str().parse().ok());
        let Some(since) = since.filter(|since| *since <= newest) else { return Ok(None) };
        let newer: Vec<_> = entries.range(since + 1..).take(limit).collect();
        let cursor = newer.last().map_or(since, |(change, _)| **change);
        let has_more = entries.range(cursor + 1..).next().is_some();
        let items = newer.into_iter().map(|(_, entry)| match entry.body() {
            Some(body) => PageItem::Record { version: Some(entry.version()), body },
            None => PageItem::Tombstone { id: bytes::Bytes::copy_from_slice(entry.id.get().as_bytes()) },
        });
        Ok(Some(Page {
            items: items.collect(),
            position: Position::Cursor { cursor: Cursor::new(cursor.to_string()), has_more },
        }))
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
            in_doubt: true,
            source: Some(source),
        };
        match done.await {
            Ok(Ok(answer)) => Ok(answer.into()),
            Ok(Err(error)) => Err(away(error.into())),
            Err(error) => Err(away(error.into())),
        }
    }
}

/// The id as the record has it: `"7"` is not `7`.
fn id_in(record: &RawValue, entity: &EntityInfo) -> io::Result<Option<Box<RawValue>>> {
    let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(record.get())?;
    Ok(members.remove(entity.id_member))
}

/// Which names a folder has is on the disk when this returns.
#[cfg(unix)]
fn keep_names(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Elsewhere a folder is no file that could be told to.
#[cfg(not(unix))]
fn keep_names(_: &Path) -> io::Result<()> {
    Ok(())
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
        let reply = self.run(move |folder| folder.page(&request)).await?;
        let gone = || RemoteError::CursorGone { url: self.0.display().to_string(), retry_after: None };
        Ok(reply.answer.ok_or_else(gone)?.into())
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
