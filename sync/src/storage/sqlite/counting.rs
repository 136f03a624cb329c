//! The counts of the queues: in memory while the file is open, saved when it is closed.

use rusqlite::Connection;

/// Makes the live counts, from those that were saved or by counting.
///
/// Counting reads one index, and is needed only after a crash or an edit by hand. A push would be slower by a page if the counts
/// were kept in the file.
pub(super) fn begin(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.execute_batch(include_str!("live_queues.sql"))?;
    connection.execute_batch(if saved(connection)? { RESTORE } else { COUNT })
}

/// Saves the counts, so that opening the file again does not count. When that fails, it will.
pub(super) fn save(connection: &Connection) -> rusqlite::Result<()> {
    if saved(connection)? { Ok(()) } else { connection.execute_batch(SAVE) }
}

fn saved(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("SELECT EXISTS (SELECT 1 FROM sync_queues)", [], |row| row.get(0))
}

const RESTORE: &str = "
    INSERT INTO sync_live_queues (principal, entity, waiting, parked, last_seq)
    SELECT principal, entity, waiting, parked, last_seq FROM sync_queues";

pub(super) const COUNT: &str = "
    INSERT INTO sync_live_queues (principal, entity, waiting, parked, last_seq)
    SELECT principal, entity, sum(lane <> 'parked'), sum(lane = 'parked'), max(revision)
    FROM records INDEXED BY records_queue WHERE seq IS NOT NULL GROUP BY principal, entity";

const SAVE: &str = "
    INSERT INTO sync_queues (principal, entity, waiting, parked, last_seq)
    SELECT principal, entity, waiting, parked, last_seq FROM sync_live_queues";
