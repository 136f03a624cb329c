//! A connection that is ready for use.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::failure::Failure;
use super::location::{Found, Location, io_error};
use super::schema::{self, Upgrade};
use super::watch::{Files, Watch};
use super::{Durability, checkpoint};
use crate::storage::StorageError;

/// How long to wait for another program that writes, such as a `sqlite3` shell.
pub(super) const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 5 });

/// How a file is laid out and its log kept, for what is dear with a durability.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// Bytes of a page of a new file. A commit writes whole pages into the log, a push mostly one.
    page: u32,
    /// How many bytes the write-ahead log has before its pages are moved into the file. With a longer log, a page that changes often
    /// is moved less often.
    log: u32,
}

impl Layout {
    pub(super) fn of(durability: Durability, log: Option<u32>) -> Self {
        let usual = match durability {
            // A commit waits for the disk, whatever it writes; and as long as the log grows, it waits twice as long.
            Durability::Full => Self { page: 4096, log: 4 * 1024 * 1024 },
            // Nothing is waited for but what is written, and small pages are less of that.
            Durability::Normal => Self { page: 2048, log: 16 * 1024 * 1024 },
        };
        Self { log: log.unwrap_or(usual.log), ..usual }
    }
}

/// What is left of the log's file after an unusually large transaction, in bytes.
const LOG_BYTES: u32 = 32 * 1024 * 1024;

/// Memory for pages of the file, in KiB (negative: that is how SQLite tells KiB from pages).
const CACHE: i32 = -8 * 1024;

/// Prepared statements that the connection keeps: searches, which are made as they are asked for, and the user's own.
const STATEMENTS: usize = 96;

/// Finds out what is there, without changing anything about it.
pub(super) fn examine(location: &Location, upgrades: &[Upgrade]) -> Result<Found, StorageError> {
    let found = location.examine()?;
    if let Found::Storage { version } = found {
        check(location, version, upgrades)?;
    }
    Ok(found)
}

/// Opens the file for writing. The caller has the lock.
pub(super) fn open(
    location: &Location,
    durability: Durability,
    layout: Layout,
    upgrades: &[Upgrade],
) -> Result<(Connection, Watch), StorageError> {
    if examine(location, upgrades)? == Found::Nothing {
        create(location, layout, upgrades)?;
    }
    let failed = |error| Failure::new(error).into_error(&location.given);
    // Closing a file that turns out to be none of ours must not move its log into it.
    let mut connection = connect(&location.file).map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    // The header that was examined may be older than what the log says.
    let version = schema::version(&connection).map_err(failed)?;
    check(location, version, upgrades)?;
    if connection.is_readonly("main").map_err(failed)? {
        let cause = io::Error::from(io::ErrorKind::PermissionDenied);
        return Err(StorageError::ReadOnly {
            name: location.given.display().to_string(),
            source: cause.into(),
        });
    }
    set_up(&connection, durability).map_err(failed)?;
    schema::upgrade(&mut connection, upgrades).map_err(|error| {
        Failure::of_upgrade(error, version, schema::newest(upgrades)).into_error(&location.given)
    })?;
    let files = Files::of(location);
    keep_log_short(&mut connection, location, &files, durability, layout.log).map_err(failed)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map_err(failed)?;
    Ok((connection, Watch::new(files)))
}

/// Opens the file for reading; another program may be writing it.
pub(super) fn open_reading(location: &Location, upgrades: &[Upgrade]) -> Result<Connection, StorageError> {
    if examine(location, upgrades)? == Found::Nothing {
        return Err(location.missing());
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let failed = |error| Failure::new(error).into_error(&location.given);
    let connection = Connection::open_with_flags(&location.file, flags).map_err(failed)?;
    connection.busy_timeout(PATIENCE).map_err(failed)?;
    keep_statements(&connection).map_err(failed)?;
    let version = schema::version(&connection).map_err(failed)?;
    check(location, version, upgrades)?;
    if version < schema::newest(upgrades) {
        return Err(StorageError::Open {
            path: location.given.clone(),
            reason: format!(
                "it has the older schema version {version}; open it once for writing, which upgrades it"
            ),
            source: io::Error::from(io::ErrorKind::Unsupported).into(),
        });
    }
    Ok(connection)
}

/// A connection for writing to a file that is there, which leaves the log alone when it is closed.
fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    Ok(connection)
}

fn check(location: &Location, found: u32, upgrades: &[Upgrade]) -> Result<(), StorageError> {
    let supported = schema::newest(upgrades);
    if found > supported {
        return Err(StorageError::TooNew { path: location.given.clone(), found, supported });
    }
    Ok(())
}

/// What SQLite keeps beside a file.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Makes the file under another name first: at its own name there is either no storage or a whole one, whatever happens.
fn create(location: &Location, layout: Layout, upgrades: &[Upgrade]) -> Result<(), StorageError> {
    let unfinished = location.beside("-new");
    let io = |error| io_error(&location.given, error);
    remove(&unfinished).map_err(io)?;
    let failed = |error| Failure::new(error).into_error(&location.given);
    let mut connection = Connection::open(&unfinished).map_err(failed)?;
    connection.pragma_update(None, "page_size", layout.page).map_err(failed)?;
    schema::create(&mut connection, upgrades).map_err(failed)?;
    connection.close().map_err(|(_, error)| failed(error))?;
    // Nobody else has it open under this name, so there are no locks that closing it could take away.
    File::options().write(true).open(&unfinished).and_then(|file| file.sync_all()).map_err(io)?;
    let take_the_name = || {
        // Who may read it is up to an empty file that is there already.
        if let Ok(there) = fs::metadata(&location.file) {
            fs::set_permissions(&unfinished, there.permissions())?;
        }
        // The log of a file that is gone: SQLite would play it into this one.
        for ending in BESIDE {
            remove(&location.beside(ending))?;
        }
        sync_folder(&location.file)?;
        fs::rename(&unfinished, &location.file)?;
        sync_folder(&location.file)
    };
    take_the_name().map_err(io)
}

/// Removes a file, if it is there.
fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes the new name survive a power cut.
#[cfg(unix)]
pub(super) fn sync_folder(file: &Path) -> io::Result<()> {
    file.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Elsewhere a folder cannot be opened, and renaming takes care of it.
#[cfg(not(unix))]
pub(super) fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Prepares each statement once. Without the promise that a plan does not depend on what is bound, SQLite plans a statement anew
/// each time that a value could decide whether a partial index fits.
fn keep_statements(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

fn set_up(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    keep_statements(connection)?;
    connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
    set_durability(connection, durability)?;
    connection.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(()))?;
    connection.pragma_update(None, "cache_size", CACHE)
}

fn set_durability(connection: &Connection, durability: Durability) -> rusqlite::Result<()> {
    let synchronous = match durability {
        Durability::Full => "FULL",
        Durability::Normal => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    if durability == Durability::Full {
        // Where a disk has a cache of its own that a plain sync leaves alone (macOS); without effect elsewhere.
        connection.pragma_update(None, "fullfsync", true)?;
        connection.pragma_update(None, "checkpoint_fullfsync", true)?;
    }
    Ok(())
}

fn keep_log_short(
    connection: &mut Connection,
    location: &Location,
    files: &Files,
    durability: Durability,
    bytes: u32,
) -> rusqlite::Result<()> {
    // The file may have been made for another durability.
    let page: u32 = connection.query_row("PRAGMA page_size", [], |row| row.get(0))?;
    let pages = i32::try_from(bytes / page).unwrap_or(i32::MAX);
    let (file, files) = (location.file.clone(), files.clone());
    checkpoint::beside(connection, pages, move || {
        // Another connection takes what has their names for them, and reads the one by what is known of the other.
        let check =
            || if files.are_found() { Ok(()) } else { Err(rusqlite::Error::InvalidPath(file.clone())) };
        check()?;
        let connection = connect(&file)?;
        // Reads the file, and so opens the log: a connection that has not would move nothing.
        set_durability(&connection, durability)?;
        check()?;
        Ok(connection)
    })
}
