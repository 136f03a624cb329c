//! From SQLite's result codes to [`StorageError`]. Never from its texts.

use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::{ErrorCode, ffi};

use crate::storage::{Cause, StorageError};

/// What SQLite said.
#[derive(Debug)]
pub(super) struct Failure {
    error: rusqlite::Error,
    /// From which schema version to which one the file was being brought.
    upgrade: Option<(u32, u32)>,
}

impl Failure {
    pub(super) fn new(error: rusqlite::Error) -> Self {
        Self { error, upgrade: None }
    }

    /// What an upgrade failed with. It may be the application's doing, which has tables in the file too, so it is told as what it is.
    pub(super) fn of_upgrade(error: rusqlite::Error, from: u32, to: u32) -> Self {
        Self { upgrade: Some((from, to)), ..Self::new(error) }
    }

    /// The error for the user.
    pub(super) fn into_error(self, path: &Path) -> StorageError {
        let name = path.display().to_string();
        if is_damage(&self.error) {
            return StorageError::Corrupt { name, source: self.into() };
        }
        if is_of_the_application(&self.error) {
            return StorageError::Constraint { name, source: self.into() };
        }
        match self.error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => StorageError::Full { name, source: self.into() },
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                StorageError::ReadOnly { name, source: self.into() }
            }
            // The other constraints are those of this crate's own tables. What it writes keeps to them, so the rows that are there
            // do not.
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase | ErrorCode::ConstraintViolation) => {
                StorageError::Corrupt { name, source: self.into() }
            }
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                StorageError::Busy { name, source: self.into() }
            }
            Some(ErrorCode::CannotOpen) => StorageError::Open {
                path: path.to_owned(),
                reason:
                    "SQLite cannot open it or one of the files beside it (`-wal`, `-shm`); check that the \
                     folder is there and that this user may write to it"
                        .to_owned(),
                source: self.into(),
            },
            Some(ErrorCode::SystemIoFailure) => StorageError::Io { name, source: self.into() },
            _ if self.upgrade.is_some() => StorageError::Open {
                path: path.to_owned(),
                reason: format!("{self}; it was not changed, mend what is in the way and open it again"),
                source: self.into(),
            },
            _ => StorageError::Io { name, source: self.into() },
        }
    }
}

/// Whether a value came back as something that this crate never writes.
fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::Error;
    matches!(
        error,
        Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..)
    )
}

/// Whether a rule was broken that only the application can have set up: the tables of this crate have no foreign keys, their triggers
/// raise nothing, and no hook is set. Such a rule may be looked at as late as in a `COMMIT`.
fn is_of_the_application(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(
        code,
        Some(
            ffi::SQLITE_CONSTRAINT_FOREIGNKEY
                | ffi::SQLITE_CONSTRAINT_TRIGGER
                | ffi::SQLITE_CONSTRAINT_COMMITHOOK
        )
    )
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some((from, to)) = self.upgrade {
            write!(f, "its upgrade from schema version {from} to {to} failed: ")?;
        }
        self.error.fmt(f)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// Names the file in errors, and remembers the newest failure: SQLite may have undone the whole transaction then,
/// which concerns everybody who has a share in it.
#[derive(Debug)]
pub(super) struct Failures {
    path: PathBuf,
    /// Whether the file was opened for reading only.
    read_only: bool,
    newest: RefCell<Option<StorageError>>,
}

impl Failures {
    pub(super) fn new(path: PathBuf, read_only: bool) -> Self {
        Self { path, read_only, newest: RefCell::new(None) }
    }

    pub(super) fn note(&self, error: rusqlite::Error) -> StorageError {
        self.remember(match Failure::new(error).into_error(&self.path) {
            // Nobody's permissions are to be looked at.
            StorageError::ReadOnly { name, .. } if self.read_only => StorageError::OpenedReadOnly { name },
            error => error,
        })
    }

    /// The file that is open is no longer the one of that name.
    pub(super) fn note_move(&self, reason: &str) -> StorageError {
        let (name, reason) = (self.path.display().to_string(), reason.to_owned());
        self.remember(StorageError::Moved { name, reason })
    }

    fn remember(&self, error: StorageError) -> StorageError {
        *self.newest.borrow_mut() = Some(error.clone());
        error
    }

    /// Something stands in the file that does not belong there.
    pub(super) fn damaged(&self, what: impl Into<Cause>) -> StorageError {
        StorageError::Corrupt { name: self.path.display().to_string(), source: what.into() }
    }

    /// The user's own statements set a pragma that is not theirs.
    pub(super) fn reserved(&self, pragma: &'static str) -> StorageError {
        StorageError::Reserved { name: self.path.display().to_string(), pragma }
    }

    /// Why a transaction is over that nobody was to end: the newest failure, or else the user's own statements.
    pub(super) fn why_it_ended(&self) -> StorageError {
        self.newest.borrow().clone().unwrap_or(StorageError::Ended)
    }

    /// What comes next has nothing to do with the failures before it.
    pub(super) fn forget(&self) {
        self.newest.take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(code: i32) -> StorageError {
        let error = rusqlite::Error::SqliteFailure(ffi::Error::new(code), None);
        Failure::new(error).into_error(Path::new("app.db"))
    }

    #[test]
    fn each_result_code_has_its_error() {
        assert!(matches!(mapped(ffi::SQLITE_FULL), StorageError::Full { .. }));
        assert!(matches!(mapped(ffi::SQLITE_READONLY), StorageError::ReadOnly { .. }));
        assert!(matches!(mapped(ffi::SQLITE_READONLY_DBMOVED), StorageError::ReadOnly { .. }));
        assert!(matches!(mapped(ffi::SQLITE_PERM), StorageError::ReadOnly { .. }));
        assert!(matches!(mapped(ffi::SQLITE_CORRUPT), StorageError::Corrupt { .. }));
        assert!(matches!(mapped(ffi::SQLITE_CORRUPT_INDEX), StorageError::Corrupt { .. }));
        assert!(matches!(mapped(ffi::SQLITE_NOTADB), StorageError::Corrupt { .. }));
        assert!(matches!(mapped(ffi::SQLITE_CONSTRAINT_UNIQUE), StorageError::Corrupt { .. }));
        assert!(matches!(mapped(ffi::SQLITE_CONSTRAINT_NOTNULL), StorageError::Corrupt { .. }));
        assert!(matches!(mapped(ffi::SQLITE_CONSTRAINT_FOREIGNKEY), StorageError::Constraint { .. }));
        assert!(matches!(mapped(ffi::SQLITE_CONSTRAINT_TRIGGER), StorageError::Constraint { .. }));
        assert!(matches!(mapped(ffi::SQLITE_CONSTRAINT_COMMITHOOK), StorageError::Constraint { .. }));
        assert!(matches!(mapped(ffi::SQLITE_BUSY), StorageError::Busy { .. }));
        assert!(matches!(mapped(ffi::SQLITE_BUSY_SNAPSHOT), StorageError::Busy { .. }));
        assert!(matches!(mapped(ffi::SQLITE_CANTOPEN), StorageError::Open { .. }));
        assert!(matches!(mapped(ffi::SQLITE_IOERR_FSYNC), StorageError::Io { .. }));
        assert!(matches!(mapped(ffi::SQLITE_IOERR_WRITE), StorageError::Io { .. }));
    }

    #[test]
    fn each_error_says_which_file() {
        for code in
            [ffi::SQLITE_FULL, ffi::SQLITE_READONLY, ffi::SQLITE_CORRUPT, ffi::SQLITE_BUSY, ffi::SQLITE_IOERR]
        {
            let told = mapped(code).to_string();
            assert!(told.contains("app.db"), "{told}");
        }
    }

    #[test]
    fn a_failure_keeps_what_sqlite_said() {
        let error = mapped(ffi::SQLITE_FULL);
        let source = std::error::Error::source(&error).expect("the source is kept");
        assert!(source.downcast_ref::<Failure>().is_some());
    }
}
