//! The tables, and how a file of an older version becomes one of this version.
//!
//! All tables carry the prefix `sync_`, since the user's own tables may live in the same file.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

/// Stands in the file's header (`application_id`, bytes 68 to 71 of the SQLite file format): "SYNC".
pub(super) const APPLICATION_ID: u32 = 0x5359_4E43;

/// Brings a file from one version to the next.
pub(super) type Upgrade = fn(&Connection) -> rusqlite::Result<()>;

/// The upgrade at index `n` leads from version `n` to `n + 1`; version 0 is the empty file.
///
/// A step leaves the columns of a table as they are once the table is in anybody's file: for an `ALTER TABLE` that renames or drops
/// something, SQLite parses every view and trigger of the file, and fails for one of the application's that names a table which is gone.
pub(super) const UPGRADES: &[Upgrade] = &[version_1, version_2, VERSION_3, version_4, version_5, version_6];

/// The version that a list of upgrades leads to.
pub(super) fn newest(upgrades: &[Upgrade]) -> u32 {
    u32::try_from(upgrades.len()).unwrap_or(u32::MAX)
}

/// The version of an open file.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

/// Brings a file to the newest version, all steps in one transaction.
pub(super) fn upgrade(connection: &mut Connection, upgrades: &[Upgrade]) -> rusqlite::Result<()> {
    if version(connection)? == newest(upgrades) {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let from = usize::try_from(version(&transaction)?).unwrap_or(usize::MAX);
    for step in upgrades.iter().skip(from) {
        step(&transaction)?;
    }
    transaction.pragma_update(None, "user_version", newest(upgrades))?;
    transaction.commit()
}

/// Marks a new file as one of this library, and makes its tables.
pub(super) fn create(connection: &mut Connection, upgrades: &[Upgrade]) -> rusqlite::Result<()> {
    // The file gets its name once it is complete, so there is nothing that a journal could save.
    connection.query_row("PRAGMA journal_mode = OFF", [], |_| Ok(())).optional()?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    upgrade(connection, upgrades)
}

fn version_1(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(include_str!("version_1.sql"))
}

fn version_2(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(include_str!("version_2.sql"))
}

/// What this version had added, version 4 does without: files that are older than it go past it.
const VERSION_3: Upgrade = |_| Ok(());

fn version_4(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(include_str!("version_4.sql"))
}

fn version_5(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(include_str!("version_5.sql"))
}

fn version_6(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch(include_str!("version_6.sql"))
}
