//! The SQL of the transaction: constants, so that the connection finds each prepared statement again.

macro_rules! select_records {
    ($rest:literal) => {
        concat!(
            "SELECT entity, key, on_server, base_version, base_value, flight, queued, parked, ",
            "blocked_entity, blocked_key FROM records ",
            $rest
        )
    };
}

pub(super) const RECORD: &str = select_records!("WHERE principal = ?1 AND entity = ?2 AND key = ?3");

pub(super) const PUT: &str = "
    INSERT INTO records (principal, entity, key, lane, seq, revision, due, on_server, base_version, base_value,
        flight, queued, parked, parked_id, blocked_entity, blocked_key, has_references)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)
    ON CONFLICT (principal, entity, key) DO UPDATE SET
        lane = excluded.lane, seq = excluded.seq, revision = excluded.revision, due = excluded.due,
        on_server = excluded.on_server, base_version = excluded.base_version, base_value = excluded.base_value,
        flight = excluded.flight, queued = excluded.queued, parked = excluded.parked,
        parked_id = excluded.parked_id, blocked_entity = excluded.blocked_entity,
        blocked_key = excluded.blocked_key, has_references = excluded.has_references";

pub(super) const REMOVE: &str = "DELETE FROM records WHERE principal = ?1 AND entity = ?2 AND key = ?3";

pub(super) const REFER: &str = "
    INSERT OR IGNORE INTO sync_references (principal, entity, key, seq, record)
    SELECT ?1, ?2, ?3, ?4, id FROM records WHERE principal = ?1 AND entity = ?5 AND key = ?6";

pub(super) const DUE: &str = select_records!(
    "WHERE principal = ?1 AND lane = 'waiting' AND due > ?2 AND due <= ?3 ORDER BY due, seq LIMIT ?4"
);

pub(super) const NEXT_DUE: &str =
    "SELECT due FROM records WHERE principal = ?1 AND lane = 'waiting' ORDER BY due LIMIT 1";

pub(super) const QUEUE: &str = select_records!(
    "WHERE principal = ?1 AND entity = ?2 AND lane = ?3 AND seq > ?4 AND seq < ?5 ORDER BY seq LIMIT ?6"
);

/// The same places without the rows; answered from the index alone.
pub(super) const QUEUE_PLACES: &str = "
    SELECT seq, id FROM records
    WHERE principal = ?1 AND entity = ?2 AND lane = ?3 AND seq > ?4 AND seq < ?5 ORDER BY seq LIMIT ?6";

pub(super) const ROW: &str = select_records!("WHERE id = ?1");

/// The entities with a queue.
pub(super) const QUEUES: &str =
    "SELECT entity FROM sync_live_queues WHERE principal = ?1 AND (waiting > 0 OR parked > 0)";

pub(super) const PARKED_BY_ID: &str = select_records!("WHERE principal = ?1 AND parked_id = ?2");

pub(super) const RELEASE: &str = "
    UPDATE records SET
        lane = CASE WHEN lane <> 'blocked' THEN lane WHEN due IS NULL THEN 'ready' ELSE 'waiting' END,
        blocked_entity = NULL, blocked_key = NULL
    WHERE principal = ?1 AND blocked_entity = ?2 AND blocked_key = ?3";

pub(super) const EARLIER_CHILD: &str = "
    SELECT child.entity, child.key FROM sync_references AS reference CROSS JOIN records AS child
        ON child.id = reference.record
    WHERE reference.principal = ?1 AND reference.entity = ?2 AND reference.key = ?3 AND reference.seq < ?4
    ORDER BY reference.seq LIMIT 1";

pub(super) const COUNTS: &str = "SELECT entity, waiting, parked FROM sync_live_queues WHERE principal = ?1 AND (waiting > 0 OR parked > 0)";

/// Looks at one row for each entity of each principal.
pub(super) const LAST_SEQ: &str = "SELECT coalesce(max(last_seq), 0) FROM sync_live_queues";

pub(super) const CURSOR: &str = "SELECT cursor FROM sync_cursors WHERE principal = ?1 AND entity = ?2";

pub(super) const SET_CURSOR: &str = "
    INSERT INTO sync_cursors (principal, entity, cursor) VALUES (?1, ?2, ?3)
    ON CONFLICT (principal, entity) DO UPDATE SET cursor = excluded.cursor";

pub(super) const FORGET_CURSOR: &str = "DELETE FROM sync_cursors WHERE principal = ?1 AND entity = ?2";

pub(super) const NOTE: &str = "SELECT note FROM sync_notes WHERE principal = ?1 AND name = ?2";

pub(super) const SET_NOTE: &str = "
    INSERT INTO sync_notes (principal, name, note) VALUES (?1, ?2, ?3)
    ON CONFLICT (principal, name) DO UPDATE SET note = excluded.note";

pub(super) const FORGET_NOTE: &str = "DELETE FROM sync_notes WHERE principal = ?1 AND name = ?2";

/// Replacing gives the row a new number, so the order of numbers is that of coming.
pub(super) const SET_ASIDE: &str = "
    INSERT OR REPLACE INTO sync_aside (principal, entity, identity, key, item, error, since)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

pub(super) const ITEMS_ASIDE: &str = "
    SELECT key, item, error, since FROM sync_aside INDEXED BY sync_aside_order
    WHERE principal = ?1 AND entity = ?2 ORDER BY id LIMIT ?3";

pub(super) const FORGET_ASIDE: &str =
    "DELETE FROM sync_aside WHERE principal = ?1 AND entity = ?2 AND identity = ?3 AND key IS NOT NULL";

pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";
pub(super) const BEGIN_READING: &str = "BEGIN";
pub(super) const COMMIT: &str = "COMMIT";
pub(super) const ROLLBACK: &str = "ROLLBACK";
pub(super) const SAVEPOINT: &str = "SAVEPOINT sync_work";
pub(super) const RELEASE_SAVEPOINT: &str = "RELEASE sync_work";
pub(super) const ROLLBACK_TO_SAVEPOINT: &str = "ROLLBACK TO sync_work";

/// What runs for every push, every operation sent and every record pulled, with the number of rows that it may look
/// at bound by its answer and not by the table.
#[cfg(test)]
pub(super) const HOT: &[&str] = &[
    RECORD,
    PUT,
    REMOVE,
    REFER,
    DUE,
    NEXT_DUE,
    QUEUE,
    QUEUE_PLACES,
    ROW,
    QUEUES,
    PARKED_BY_ID,
    RELEASE,
    EARLIER_CHILD,
    COUNTS,
    CURSOR,
    SET_CURSOR,
    FORGET_CURSOR,
    NOTE,
    SET_NOTE,
    FORGET_NOTE,
    SET_ASIDE,
    ITEMS_ASIDE,
    FORGET_ASIDE,
];
