//! Opens the file, and finds out whose it is.

use std::path::Path;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::{Access, Durability, SqliteBuilder, schema};
use crate::storage::StorageError;

/// How many prepared statements are kept: all of them.
const STATEMENTS: usize = 64;

/// After this many pages of 4 KiB in the log they are written back into the file (`wal_autocheckpoint`).
const CHECKPOINT: u32 = 2000;

/// Opens the file with everything set, its tables those of this version.
pub(super) fn open(builder: &SqliteBuilder) -> Result<Connection, StorageError> {
    let path = &builder.path;
    let flags = match builder.access {
        Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Access::Own | Access::Shared => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
    };
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(|error| cannot(path, error))?;
    // The application may write to the same file through a connection of its own.
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    let version = identify(&connection, builder)?;
    if builder.access == Access::Read {
        return Ok(connection);
    }
    let set = |name: &str, value: &dyn rusqlite::ToSql| connection.pragma_update(None, name, value);
    if version.is_none() && builder.access == Access::Own {
        set("application_id", &schema::APPLICATION_ID)?;
    }
    let mode: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(StorageError::Open {
            path: path.clone(),
            reason: "its file system does not allow a write-ahead log; put the storage on a local disk"
                .to_owned(),
            source: format!("journal_mode is {mode}").into(),
        });
    }
    let synchronous = match builder.durability {
        Durability::Full => "full",
        Durability::Normal => "normal",
    };
    set("synchronous", &synchronous)?;
    set("wal_autocheckpoint", &CHECKPOINT)?;
    if version != Some(schema::VERSION) {
        schema::upgrade(&mut connection, version.unwrap_or(0))?;
    }
    Ok(connection)
}

/// The version of the tables; `None` when they are still to be made. Nothing is written.
fn identify(connection: &Connection, builder: &SqliteBuilder) -> Result<Option<u32>, StorageError> {
    let path = &builder.path;
    let foreign = |found: String| Err(StorageError::Foreign { path: path.clone(), found });
    let version = match schema::version(connection) {
        Ok(version) => version,
        Err(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
            return foreign("the file is no SQLite database".to_owned());
        }
        Err(error) => return Err(cannot(path, error)),
    };
    if let Some(version) = version {
        if version > schema::VERSION {
            return Err(StorageError::TooNew {
                path: path.clone(),
                found: version,
                supported: schema::VERSION,
            });
        }
        return Ok(Some(version));
    }
    if builder.access == Access::Read {
        return foreign("the database has none of its tables".to_owned());
    }
    if schema::is_empty(connection)? {
        return Ok(None);
    }
    if builder.access == Access::Own {
        return foreign(
            "the database holds another program's tables (if they are this program's own, open it with `SqliteStorage::builder(path).shared()`)".to_owned(),
        );
    }
    match schema::in_the_way(connection)? {
        Some(table) => foreign(format!("the database has a table `{table}` of another kind")),
        None => Ok(None),
    }
}

fn cannot(path: &Path, error: rusqlite::Error) -> StorageError {
    let reason = if path.is_dir() {
        "it is a folder; give the path of a file".to_owned()
    } else if path.parent().is_some_and(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        "its folder does not exist; make it first".to_owned()
    } else if !path.exists() {
        "it does not exist; check the path".to_owned()
    } else {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt) => return StorageError::Corrupt(error.into()),
            Some(ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
                "it may not be written; check the permissions of the file and of its folder".to_owned()
            }
            _ => "check that the path and its permissions are right".to_owned(),
        }
    };
    StorageError::Open { path: path.to_path_buf(), reason, source: error.into() }
}
