//! Where a storage's files are, and what is at a path before SQLite is let near it.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

use super::failure::Failure;
use super::look::{Marks, look};
use super::schema::APPLICATION_ID;
use crate::storage::StorageError;

/// How long the header of a SQLite file is (SQLite file format, section 1.3).
const HEADER: u64 = 100;

/// How many links may lead to one another: as many as Linux follows.
const LINKS: usize = 40;

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
}

impl Location {
    /// Finds out where `path` leads.
    pub(super) fn of(path: &Path) -> Result<Self, StorageError> {
        if let Some(reason) = mistake(path) {
            return Err(refused(path, reason, io::ErrorKind::InvalidInput));
        }
        let file = match fs::canonicalize(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => to_be_made(path)?,
            Err(error) => return Err(io_error(path, error)),
        };
        if file.is_dir() {
            let reason = "it is a folder; give the path of a file in it, such as `app.db`";
            return Err(refused(path, reason, io::ErrorKind::IsADirectory));
        }
        Ok(Self { given: path.to_owned(), file })
    }

    /// The file beside it with this ending.
    pub(super) fn beside(&self, ending: &str) -> PathBuf {
        let mut name = OsString::from(&self.file);
        name.push(ending);
        name.into()
    }

    /// Looks at what is there, and leaves it as it is.
    pub(super) fn examine(&self) -> Result<Found, StorageError> {
        let there = match fs::metadata(&self.file) {
            Ok(there) => there,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(io_error(&self.given, error)),
        };
        if !there.is_file() {
            let reason = "it is no file, but a device or something else of the system's; choose another path";
            return Err(refused(&self.given, reason, io::ErrorKind::InvalidInput));
        }
        if there.len() == 0 {
            return Ok(Found::Nothing);
        }
        let Marks { version, application } = look(&self.file).map_err(|error| {
            if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) {
                self.foreign("it is no SQLite file, or the beginning of one that is damaged".to_owned())
            } else {
                Failure::new(error).into_error(&self.given)
            }
        })?;
        if there.len() < HEADER {
            let (name, source) = (self.given.display().to_string(), "the file ends within its header".into());
            return Err(StorageError::Corrupt { name, source });
        }
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
        let reason = "there is no storage at this path, and reading only creates none";
        refused(&self.given, reason, io::ErrorKind::NotFound)
    }
}

/// Why this is meant for SQLite, and not for the file system, or for nobody.
fn mistake(path: &Path) -> Option<&'static str> {
    match path.as_os_str().as_encoded_bytes() {
        b"" => Some("it names no file; write the path of one, such as `app.db`"),
        b":memory:" => Some("it is not the path of a file; for a storage in memory take `MemoryStorage`"),
        // A file of such a name has another path as well.
        uri if uri.starts_with(b"file:") => {
            Some("it is a URI; write the path of the file alone, such as `app.db`")
        }
        _ => None,
    }
}

/// Where a file is made that is not there. What stands at `path` may be a link to it, which must not be replaced: it may lead to a disk
/// that is not mounted, with everything on it.
fn to_be_made(path: &Path) -> Result<PathBuf, StorageError> {
    let mut target = path.to_owned();
    for _ in 0..LINKS {
        let Ok(next) = fs::read_link(&target) else { break };
        target = folder_of(&target).join(next);
    }
    let Some(name) = target.file_name() else {
        return Err(refused(path, "it does not name a file", io::ErrorKind::InvalidInput));
    };
    match fs::canonicalize(folder_of(&target)) {
        Ok(folder) => Ok(folder.join(name)),
        Err(error) if error.kind() == io::ErrorKind::NotFound && target != path => {
            let reason = format!(
                "it is a link that leads to {}, whose folder is not there; if that is on another disk, see that it is mounted",
                target.display()
            );
            Err(refused(path, &reason, error.kind()))
        }
        Err(error) => Err(io_error(path, error)),
    }
}

/// The folder that a path names a file in.
fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// What to say of a path that no storage can be at.
fn refused(path: &Path, reason: &str, source: io::ErrorKind) -> StorageError {
    let (path, reason) = (path.to_owned(), reason.to_owned());
    StorageError::Open { path, reason, source: io::Error::from(source).into() }
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
