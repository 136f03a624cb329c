//! The two numbers in the file's header by which a storage is known again: `user_version` and `application_id`.
//!
//! SQLite leaves them to whoever writes the file, and helpers for migrations like to take the first one. A file with other numbers
//! cannot be opened any more, with everything that waits in it. So nobody else's are kept.

use rusqlite::{Connection, Transaction, TransactionBehavior};

const VERSION: &str = "user_version";
const APPLICATION: &str = "application_id";

/// What stands in the header. As wide as anything that a pragma answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    version: i64,
    application: i64,
}

impl Header {
    /// The header as the open transaction sees it.
    pub(super) fn read(connection: &Connection) -> rusqlite::Result<Self> {
        let read = |sql| connection.prepare_cached(sql)?.query_row([], |row| row.get(0));
        Ok(Self { version: read("PRAGMA user_version")?, application: read("PRAGMA application_id")? })
    }

    /// The pragma that was set since.
    pub(super) fn set_since(self, connection: &Connection) -> rusqlite::Result<Option<&'static str>> {
        let now = Self::read(connection)?;
        let set =
            [(VERSION, self.version != now.version), (APPLICATION, self.application != now.application)];
        Ok(set.into_iter().find_map(|(pragma, is_set)| is_set.then_some(pragma)))
    }

    /// Puts back what somebody has set and committed. Answers whether that was needed.
    pub(super) fn put_back(self, connection: &Connection) -> rusqlite::Result<bool> {
        if Self::read(connection)? == self {
            return Ok(false);
        }
        let transaction = Transaction::new_unchecked(connection, TransactionBehavior::Immediate)?;
        transaction.pragma_update(None, VERSION, self.version)?;
        transaction.pragma_update(None, APPLICATION, self.application)?;
        transaction.commit()?;
        Ok(true)
    }
}
