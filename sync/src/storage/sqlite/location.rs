//! Where a storage's files are, and what is at a path before SQLite is let near it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::schema::APPLICATION_ID;
use crate::storage::StorageError;

/// The first bytes of every SQLite file (SQLite file format, section 1.3).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// The files of a storage.
#[derive(Debug, Clone)]
pub(super) struct Location {
    /// As the user gave it: for messages.
    pub(super) given: PathBuf,
    /// Absolute and without links, so that two names of one file meet at one lock.
    pub(super) file: PathBuf,
}

/// What is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// No file, or an empty one.
    Nothing,
    /// A storage of this library, with the version that its header tells.
    Storage { version: u32 },
    /// A storage that this process has open.
    OpenHere,
}

impl Location {
    /// Finds out where `path` leads.
    pub(super) fn of(path: &Path) -> Result<Self, StorageError> {
        let refuse = |reason: &str, source: io::ErrorKind| StorageError::Open {
            path: path.to_owned(),
            reason: reason.to_owned(),
            source: io::Error::from(source).into(),
        };
        if path.as_os_str().is_empty() || path == Path::new(":memory:") {
            let reason = "it is not the path of a file; for a storage in memory take `MemoryStorage`";
            return Err(refuse(reason, io::ErrorKind::InvalidInput));
        }
        let file = match fs::canonicalize(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = match path.parent() {
                    Some(folder) if !folder.as_os_str().is_empty() => folder,
                    _ => Path::new("."),
                };
                let Some(name) = path.file_name() else {
                    return Err(refuse("it does not name a file", io::ErrorKind::InvalidInput));
                };
                fs::canonicalize(folder).map_err(|error| io_error(path, error))?.join(name)
            }
            Err(error) => return Err(io_error(path, error)),
        };
        if file.is_dir() {
            return Err(refuse(
                "it is a folder; give the path of a file in it, such as `app.db`",
                io::ErrorKind::IsADirectory,
            ));
        }
        Ok(Self { given: path.to_owned(), file })
    }

    /// The file beside it with this ending.
    pub(super) fn beside(&self, ending: &str) -> PathBuf {
        let mut name = OsString::from(&self.file);
        name.push(ending);
        name.into()
    }

    /// Looks at the header. SQLite is not asked, since it would recover, and so change, a file of another program.
    pub(super) fn examine(&self) -> Result<Found, StorageError> {
        let mut header = Vec::with_capacity(100);
        match File::open(&self.file) {
            Ok(file) => {
                file.take(100).read_to_end(&mut header).map_err(|error| io_error(&self.given, error))?
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(io_error(&self.given, error)),
        };
        if header.is_empty() {
            return Ok(Found::Nothing);
        }
        if !header.starts_with(MAGIC) {
            return Err(self.foreign("it is no SQLite file".to_owned()));
        }
        let (Some(version), Some(application)) = (number_at(&header, 60), number_at(&header, 68)) else {
            let (name, source) = (self.given.display().to_string(), "the file ends within its header".into());
            return Err(StorageError::Corrupt { name, source });
        };
        match application {
            APPLICATION_ID => Ok(Found::Storage { version }),
            0 => Err(self.foreign("a SQLite file of another program".to_owned())),
            other => Err(self.foreign(format!("a SQLite file of another program (application_id {other})"))),
        }
    }

    fn foreign(&self, found: String) -> StorageError {
        StorageError::Foreign { path: self.given.clone(), found }
    }

    /// What to say when there is nothing to read.
    pub(super) fn missing(&self) -> StorageError {
        StorageError::Open {
            path: self.given.clone(),
            reason: "there is no storage at this path, and reading only creates none".to_owned(),
            source: io::Error::from(io::ErrorKind::NotFound).into(),
        }
    }
}

fn number_at(header: &[u8], offset: usize) -> Option<u32> {
    let bytes = header.get(offset..offset + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// An error of the file system, with what to do about it.
pub(super) fn io_error(path: &Path, error: io::Error) -> StorageError {
    let name = || path.display().to_string();
    let reason = match error.kind() {
        io::ErrorKind::NotFound => "its folder does not exist; create the folder first",
        io::ErrorKind::NotADirectory => "a part of its path is a file, not a folder; choose another path",
        io::ErrorKind::IsADirectory => "a folder is where a file belongs; choose another path",
        io::ErrorKind::ReadOnlyFilesystem => {
            return StorageError::ReadOnly { name: name(), source: error.into() };
        }
        io::ErrorKind::PermissionDenied => {
            "this user may not read and write it; check the permissions of the file and of its folder"
        }
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            return StorageError::Full { name: name(), source: error.into() };
        }
        _ => return StorageError::Io { name: name(), source: error.into() },
    };
    StorageError::Open { path: path.to_owned(), reason: reason.to_owned(), source: error.into() }
}
