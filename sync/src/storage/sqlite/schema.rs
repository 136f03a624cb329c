//! The tables, and how older ones become today's.

use rusqlite::{Connection, OptionalExtension};

/// The version of the tables that this program writes.
pub(super) const VERSION: u32 = 1;

/// "sync" in ASCII: marks files that this library made (`PRAGMA application_id`).
pub(super) const APPLICATION_ID: i32 = 0x7379_6e63;

/// The steps from one version to the next: the first makes version 1 out of nothing.
const UPGRADES: [&str; VERSION as usize] = [include_str!("schema_1.sql")];

/// The version of the tables in a database; `None` when it has none of them.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<Option<u32>> {
    let known: bool = connection.query_row(
        "select exists (select 1 from sqlite_schema where type = 'table' and name = 'sync_schema')",
        [],
        |row| row.get(0),
    )?;
    if !known {
        return Ok(None);
    }
    let version = connection.query_row("select version from sync_schema", [], |row| row.get(0)).optional()?;
    // The table without its row is as good as no table: the first step makes both in one transaction.
    Ok(Some(version.unwrap_or(0)))
}

/// A table that is in the way: it has the name of one of this library's and is not.
pub(super) fn in_the_way(connection: &Connection) -> rusqlite::Result<Option<String>> {
    connection
        .query_row(
            "select name from sqlite_schema where type = 'table'
             and name in ('records', 'record_references', 'cursors', 'notes', 'set_aside') limit 1",
            [],
            |row| row.get(0),
        )
        .optional()
}

/// Whether there is nothing at all in a database.
pub(super) fn is_empty(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("select not exists (select 1 from sqlite_schema)", [], |row| row.get(0))
}

/// Brings the tables from a version to today's, in one transaction.
pub(super) fn upgrade(connection: &mut Connection, from: u32) -> rusqlite::Result<()> {
    upgrade_by(connection, from, &UPGRADES)
}

fn upgrade_by(connection: &mut Connection, from: u32, steps: &[&str]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for (step, to) in steps.iter().zip(1_u32..).skip(from as usize) {
        transaction.execute_batch(step)?;
        transaction.execute("update sync_schema set version = ?1", [to])?;
    }
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_file_is_brought_up_step_by_step() {
        let mut connection = Connection::open_in_memory().unwrap();
        upgrade(&mut connection, 0).unwrap();
        connection.execute("insert into notes (principal, name, text) values ('', 'a', 'b')", []).unwrap();
        let second = "alter table notes add column extra text not null default 'new'";
        upgrade_by(&mut connection, 1, &[UPGRADES[0], second]).unwrap();
        assert_eq!(version(&connection).unwrap(), Some(2));
        let extra: String = connection.query_row("select extra from notes", [], |row| row.get(0)).unwrap();
        assert_eq!(extra, "new");
    }

    #[test]
    fn a_step_that_fails_leaves_the_file_as_it_was() {
        let mut connection = Connection::open_in_memory().unwrap();
        upgrade(&mut connection, 0).unwrap();
        let broken = "create table half (x); select nonsense";
        upgrade_by(&mut connection, 1, &[UPGRADES[0], broken]).unwrap_err();
        assert_eq!(version(&connection).unwrap(), Some(1));
        assert!(connection.execute("select * from half", []).is_err());
    }
}
