//! What can go wrong with a storage.

use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::Arc;

use crate::BoxError;
use crate::record::RecordRef;

/// Why a storage could not do what it was asked. Whatever was durable before still is.
///
/// Clones are for everybody whose work was part of the transaction.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// Another engine has the storage, or the file is open already, in this process or another one.
    #[error(
        "{name} is already open, here or in another program; close it there, or clone the `Engine` or the `SqliteStorage` that you have"
    )]
    Locked {
        /// The storage's name, such as its path.
        name: String,
    },
    /// The file belongs to another program, or is no database at all.
    #[error("{} is not a storage of `sync`: {found}; choose another path, the file was not touched", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What was found in it.
        found: String,
    },
    /// The file was written by a newer version of this library.
    #[error(
        "{} has schema version {found}, and this program reads up to {supported}; update the program, the file was not touched",
        path.display()
    )]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: u32,
        /// The newest version that this program reads.
        supported: u32,
    },
    /// The file is there to be created or opened, and cannot be.
    #[error("{} cannot be opened: {reason}", if path.as_os_str().is_empty() { "the empty path".into() } else { path.to_string_lossy() })]
    Open {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
        /// What the system or SQLite said.
        #[source]
        source: Cause,
    },
    /// The disk is full. Nothing of the transaction stays; make room and call again.
    #[error("the disk of {name} is full; nothing was written, make room and try again")]
    Full {
        /// The storage's name, such as its path.
        name: String,
        /// What the system or SQLite said.
        source: Cause,
    },
    /// The file, its folder or its file system cannot be written.
    #[error("{name} is read-only; nothing was written, check the permissions of the file and of its folder")]
    ReadOnly {
        /// The storage's name, such as its path.
        name: String,
        /// What the system or SQLite said.
        source: Cause,
    },
    /// The file was opened with `read_only(true)`.
    #[error(
        "{name} was opened for reading only; to write, or to build an engine on it, open it without `read_only(true)`"
    )]
    OpenedReadOnly {
        /// The storage's name, such as its path.
        name: String,
    },
    /// The file is damaged.
    ///
    /// A backup that takes its place must not find the log of the damaged file: SQLite would play that into it.
    #[error(
        "{name} is damaged; nothing was written: keep a copy of it, and before a backup takes its place remove the files beside it that end in `-wal` and `-shm`"
    )]
    Corrupt {
        /// The storage's name, such as its path.
        name: String,
        /// What was found in it.
        source: Cause,
    },
    /// A row is none that this library wrote, or stands where it cannot be found by its name. It holds back its record alone.
    ///
    /// To mend it in a SQLite file, close the application and open the file with a `sqlite3` shell. Everything that is known of the record
    /// stands in the view `records`, and the edit that waits in `sync_outbox`, as JSON in the columns `flight`, `queued` and `parked`:
    ///
    /// ```sql
    /// SELECT * FROM records WHERE entity = 'Note' AND key = 'b';
    /// UPDATE sync_outbox SET queued = '…'
    ///     WHERE key = 'b' AND queue IN (SELECT id FROM sync_queues WHERE entity = 'Note');
    /// ```
    ///
    /// To give the edit up instead, delete its row; the next edit of the record is sent as if this one had never been made. Other records
    /// may wait for this one to get through; the second statement frees them:
    ///
    /// ```sql
    /// DELETE FROM sync_outbox
    ///     WHERE key = 'b' AND queue IN (SELECT id FROM sync_queues WHERE entity = 'Note');
    /// UPDATE sync_outbox
    ///     SET id = id - ((1 + (due IS NULL)) << 41), blocked_queue = NULL, blocked_key = NULL
    ///     WHERE lane = 'blocked' AND blocked_key = 'b'
    ///         AND blocked_queue IN (SELECT id FROM sync_queues WHERE entity = 'Note');
    /// ```
    ///
    /// A replica with indexed fields may find the record by what the row had said, whether it was mended or deleted, until its next change
    /// or a [`resync`](crate::Engine::resync).
    ///
    /// What the server is known to have stands in `sync_bases` (`version`, and JSON in `value`), and is mended or deleted in the same way.
    /// Until the server sends the record again, it counts as one that is not known.
    #[error(
        "the row of {record} cannot be read: {reason}; it is kept as it is and holds back this record alone: close the application and mend the row, or put a backup in the file's place (and none of its `-wal` and `-shm` beside it)"
    )]
    Row {
        /// The record.
        record: RecordRef,
        /// What is wrong with it.
        reason: String,
    },
    /// What an earlier version of the program stored of a record cannot be brought up to date: the entity's
    /// [`upgrade`](crate::Syncable::upgrade) failed.
    #[error("{reason}; until then, {record} stays as it is, and holds back nothing but itself")]
    Upgrade {
        /// The record.
        record: RecordRef,
        /// What is wrong, and what to do.
        reason: String,
    },
    /// Reading or writing failed.
    #[error("{name} could not be read or written; what was durable still is, check its disk and try again")]
    Io {
        /// The storage's name, such as its path.
        name: String,
        /// What the system or SQLite said.
        source: Cause,
    },
    /// The file, or the log beside it (`-wal`), was moved, deleted or replaced while it was open, such as by somebody who restored a
    /// backup. Nothing of the transaction stays, and of no later one: it would get into files that nobody finds again. The reason tells
    /// where that is which was written before.
    #[error(
        "{name} was moved, deleted or replaced while it was open, so nothing more is written: {reason}; close it, see that the file that you want is there, and open it again"
    )]
    Moved {
        /// The storage's name, such as its path.
        name: String,
        /// What became of the log, and of what was written last.
        reason: String,
    },
    /// Another program, such as a `sqlite3` shell, kept the file from being written for too long.
    #[error(
        "another program keeps {name} from being written; nothing was written, end its transaction and try again"
    )]
    Busy {
        /// The storage's name, such as its path.
        name: String,
        /// What the system or SQLite said.
        source: Cause,
    },
    /// The work of the transaction panicked, so nothing of it stays.
    #[error(
        "the work of the transaction panicked; nothing of it stays, mend what the panic's message tells of"
    )]
    Panicked,
    /// The work of the transaction ended it by itself, with a `COMMIT` or a `ROLLBACK`. What it did before a `COMMIT` of its
    /// own stays.
    #[error(
        "the work of the transaction ended it by itself; leave BEGIN, COMMIT and ROLLBACK to the storage"
    )]
    Ended,
    /// The work of the transaction set a pragma by which the storage knows its file again: the file could not be opened any more. So
    /// nothing of the transaction stays. Keep the version of your own tables in a table of your own.
    #[error(
        "the work of the transaction set `PRAGMA {pragma}` of {name}, by which the storage knows its file; nothing was written, keep the version of your own tables in a table of your own"
    )]
    Reserved {
        /// The storage's name, such as its path.
        name: String,
        /// The pragma: `user_version` or `application_id`.
        pragma: &'static str,
    },
    /// What the transaction wrote breaks a rule that the application itself has set up in the file, such as a deferred foreign key of
    /// a table of its own, which is looked at when the transaction ends. Nothing of the transaction stays.
    #[error(
        "what the transaction wrote breaks a constraint of your own tables in {name}, such as a foreign key; nothing was written, mend those rows and try again"
    )]
    Constraint {
        /// The storage's name, such as its path.
        name: String,
        /// What the system or SQLite said.
        source: Cause,
    },
    /// The storage was closed, or its thread died.
    #[error("the storage is closed; drop what was built on it, and open it anew")]
    Closed,
    /// The work of the transaction failed, so nothing of it stays.
    #[error(
        "the work of the transaction failed, so it was given up; nothing of it stays, mend that failure and try again"
    )]
    Aborted,
}

/// What the system or SQLite said, shared by the clones of a [`StorageError`]. It is made of any error or text, by `.into()`, and is
/// used as the error that it was made of.
#[derive(Clone)]
pub struct Cause(Arc<dyn Error + Send + Sync>);

impl<E: Into<BoxError>> From<E> for Cause {
    fn from(error: E) -> Self {
        Self(error.into().into())
    }
}

impl Deref for Cause {
    type Target = dyn Error + Send + Sync;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl StorageError {
    /// The one record that cannot be read, where it is only that.
    pub(crate) fn damaged(&self) -> Option<&RecordRef> {
        match self {
            Self::Row { record, .. } | Self::Upgrade { record, .. } => Some(record),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{EntityName, RecordKey};

    #[test]
    fn each_of_these_says_what_to_do() {
        let name = || "app.db".to_owned();
        let record = RecordRef::new(EntityName::new("Note"), RecordKey::new("a").expect("it is an id"));
        for (error, advice) in [
            (StorageError::Locked { name: name() }, "close it there, or clone"),
            (StorageError::OpenedReadOnly { name: name() }, "open it without `read_only(true)`"),
            (StorageError::Panicked, "mend what the panic's message tells of"),
            (StorageError::Closed, "open it anew"),
            (
                StorageError::Moved { name: name(), reason: "its log is gone".to_owned() },
                "its log is gone; close it, see that the file that you want is there, and open it again",
            ),
            (StorageError::Aborted, "mend that failure and try again"),
            (
                StorageError::Upgrade { record, reason: "mend `upgrade`".to_owned() },
                "mend `upgrade`; until then",
            ),
        ] {
            assert!(error.to_string().contains(advice), "{error}");
        }
    }
}
