//! What SQLite says, as this library's errors. Told apart by code, never by text.

use rusqlite::ErrorCode;

use crate::storage::StorageError;

/// A failure that concerns every transaction of a batch.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    kind: Kind,
    message: String,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Full,
    ReadOnly,
    Corrupt,
    Other,
}

impl Failure {
    fn kind(error: &rusqlite::Error) -> Kind {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Kind::Full,
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Kind::ReadOnly,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Kind::Corrupt,
            _ => Kind::Other,
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self { kind: Self::kind(&error), message: error.to_string() }
    }
}

impl From<Failure> for StorageError {
    fn from(failure: Failure) -> Self {
        let source = failure.message.into();
        match failure.kind {
            Kind::Full => Self::Full(source),
            Kind::ReadOnly => Self::ReadOnly(source),
            Kind::Corrupt => Self::Corrupt(source),
            Kind::Other => Self::Io(source),
        }
    }
}

impl From<rusqlite::Error> for StorageError {
    fn from(error: rusqlite::Error) -> Self {
        match Failure::kind(&error) {
            Kind::Full => Self::Full(error.into()),
            Kind::ReadOnly => Self::ReadOnly(error.into()),
            Kind::Corrupt => Self::Corrupt(error.into()),
            Kind::Other => Self::Io(error.into()),
        }
    }
}
