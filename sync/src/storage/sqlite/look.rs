//! A look at the header of a file: what it is, before SQLite is asked to use it.
//!
//! SQLite does the reading all the same, and not a `File`: on Unix, all locks that a process has on a file are gone as soon as it closes
//! any handle of it, whoever opened that (<https://www.sqlite.org/howtocorrupt.html>, section 2.2). The application may have the file open
//! by a connection of its own, also one that is not a storage's; without its locks another program takes itself for the last that uses
//! the file, and removes its log, or writes at the same time. SQLite knows which files it has open, and closes none as long as there
//! are locks on it. (To keep every file open for ever that was looked at would do as well, but for a program that looks at many, or
//! wants to unmount a disk.)
//!
//! The file is said to be immutable, which nobody holds SQLite to: it means that SQLite takes no locks, leaves a journal or log beside
//! the file alone, and makes neither. So a file of another program is not recovered, and what is read is what stands in the file.

use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

/// The two numbers of the header by which a storage is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marks {
    pub(super) version: u32,
    pub(super) application: u32,
}

/// Reads the marks of a file, which is not empty.
pub(super) fn look(file: &Path) -> rusqlite::Result<Marks> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(immutable(file), flags)?;
    // Otherwise a file that was cut short, or is just being written, would be refused, whosever it is.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_WRITABLE_SCHEMA, true)?;
    let read = |sql| connection.query_row(sql, [], |row| row.get(0)).map(i32::cast_unsigned);
    Ok(Marks { version: read("PRAGMA user_version")?, application: read("PRAGMA application_id")? })
}

/// The name of a file as SQLite takes it when there are settings behind it (<https://www.sqlite.org/uri.html>, section 3).
fn immutable(file: &Path) -> String {
    let escaped = |byte: &u8| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => char::from(*byte).to_string(),
        other => format!("%{other:02X}"),
    };
    let name: String = file.as_os_str().as_encoded_bytes().iter().map(escaped).collect();
    format!("file:{name}?mode=ro&immutable=1")
}
