//! The SQL of the transaction: constants, so that each prepared statement is found again.

pub(super) const FIND_QUEUE: &str = "SELECT id FROM sync_queues WHERE principal = ?1 AND entity = ?2";

pub(super) const MAKE_QUEUE: &str =
    "INSERT INTO sync_queues (principal, entity) VALUES (?1, ?2) RETURNING id";

/// The queues of an account.
pub(super) const QUEUES: &str = "SELECT id, entity FROM sync_queues WHERE principal = ?1 ORDER BY entity";

pub(super) const BASE: &str = "SELECT version, value FROM sync_bases WHERE queue = ?1 AND key = ?2";

/// Of a record that has none.
pub(super) const ADD_BASE: &str =
    "INSERT OR FAIL INTO sync_bases (queue, key, version, value) VALUES (?1, ?2, ?3, ?4)";

/// Leaves a row alone that is right already, since an edit changes nothing about the base.
pub(super) const PUT_BASE: &str = "
    INSERT INTO sync_bases (queue, key, version, value) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (queue, key) DO UPDATE SET version = excluded.version, value = excluded.value
    WHERE version IS NOT excluded.version OR value IS NOT excluded.value";

pub(super) const FORGET_BASE: &str = "DELETE FROM sync_bases WHERE queue = ?1 AND key = ?2";

/// The pending edit of a record, in the columns of the others. What can be left to a second statement, which is mostly not
/// needed or answered from one index, is: each table and index that a statement may touch costs it something.
pub(super) const AT_PLACE: &str = "
    SELECT NULL, NULL, 0, NULL, NULL, flight, queued, parked, NULL, NULL, blocked_queue, blocked_key
    FROM sync_outbox WHERE id = ?1";

pub(super) const QUEUE_NAME: &str = "SELECT entity FROM sync_queues WHERE id = ?1";

pub(super) const FIND_NAME: &str = "SELECT seq FROM sync_names WHERE queue = ?1 AND key = ?2";

/// The row to which a name leads, by its place in each of the lanes.
pub(super) const FIND_PLACE: &str =
    "SELECT id FROM sync_outbox WHERE id IN (?1, ?2, ?3, ?4) AND queue = ?5 AND key = ?6";

pub(super) const ENTER_NAME: &str = "INSERT OR FAIL INTO sync_names (queue, key, seq) VALUES (?1, ?2, ?3)";

pub(super) const CHANGE_NAME: &str = "UPDATE OR FAIL sync_names SET seq = ?3 WHERE queue = ?1 AND key = ?2";

pub(super) const FORGET_NAME: &str = "DELETE FROM sync_names WHERE queue = ?1 AND key = ?2";

/// `OR FAIL`: what fails is one row and is undone with the rest of the work, so SQLite need not prepare for undoing the
/// statement alone.
pub(super) const ADD_PENDING: &str = "
    INSERT OR FAIL INTO sync_outbox (id, queue, key, revision, due, flight, queued, parked, parked_id,
        blocked_queue, blocked_key, has_references)
    VALUES (?2, ?2 >> 43, ?1, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";

pub(super) const CHANGE_PENDING: &str = "
    UPDATE OR FAIL sync_outbox SET id = ?2, revision = ?3, due = ?4, flight = ?5, queued = ?6, parked = ?7,
        parked_id = ?8, blocked_queue = ?9, blocked_key = ?10, has_references = ?11
    WHERE id = ?1";

/// The same for records that are neither parked nor blocked and refer to none, before and after: most of them.
pub(super) const ADD_PLAIN: &str = "
    INSERT OR FAIL INTO sync_outbox (id, queue, key, revision, due, flight, queued)
    VALUES (?2, ?2 >> 43, ?1, ?3, ?4, ?5, ?6)";

pub(super) const MOVE_PLAIN: &str = "
    UPDATE OR FAIL sync_outbox SET id = ?2, revision = ?3, due = ?4, flight = ?5, queued = ?6
    WHERE id = ?1 AND NOT has_references";

/// And where the record keeps its place as well, which leaves the indexes alone.
pub(super) const CHANGE_PLAIN: &str = "
    UPDATE OR FAIL sync_outbox SET revision = ?3, due = ?4, flight = ?5, queued = ?6
    WHERE id = ?1 AND id = ?2 AND NOT has_references";

pub(super) const REMOVE_PENDING: &str = "DELETE FROM sync_outbox WHERE id = ?1";

pub(super) const REFER: &str = "
    INSERT OR IGNORE INTO sync_references (queue, key, seq, child_queue, child_key)
    VALUES (?1, ?2, ?3, ?4, ?5)";

pub(super) const FORGET_REFERENCES: &str =
    "DELETE FROM sync_references WHERE child_queue = ?1 AND child_key = ?2";

/// The places of a queue whose time lies in between, the earliest first.
pub(super) const DUE_PLACES: &str = "
    SELECT id, key, due FROM sync_outbox
    WHERE queue = ?1 AND lane = 'waiting' AND due > ?2 AND due <= ?3 ORDER BY due, seq LIMIT ?4";

pub(super) const NEXT_DUE: &str =
    "SELECT due FROM sync_outbox WHERE queue = ?1 AND lane = 'waiting' ORDER BY due LIMIT 1";

pub(super) const LANE_PLACES: &str =
    "SELECT id, key, NULL FROM sync_outbox WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3";

/// All of a record, and its name.
pub(super) const PARKED_BY_ID: &str = "
    SELECT queue.entity, pending.key, base.id IS NOT NULL, base.version, base.value, pending.flight, pending.queued,
        pending.parked, (SELECT entity FROM sync_queues WHERE id = pending.blocked_queue), pending.blocked_key
    FROM sync_outbox AS pending CROSS JOIN sync_queues AS queue ON queue.id = pending.queue
        LEFT JOIN sync_bases AS base ON base.queue = pending.queue AND base.key = pending.key
    WHERE pending.parked_id = ?2 AND queue.principal = ?1";

/// `?3` is what one step from lane to lane adds to a key: from blocked it is one down to waiting, and two to ready.
pub(super) const RELEASE: &str = "
    UPDATE sync_outbox SET
        id = CASE WHEN lane <> 'blocked' THEN id WHEN due IS NULL THEN id - 2 * ?3 ELSE id - ?3 END,
        blocked_queue = NULL, blocked_key = NULL
    WHERE blocked_queue = ?1 AND blocked_key = ?2";

pub(super) const EARLIER_CHILD: &str = "
    SELECT queue.entity, child.key, reference.seq
    FROM sync_references AS reference
        CROSS JOIN sync_names AS child ON child.queue = reference.child_queue AND child.key = reference.child_key
        CROSS JOIN sync_queues AS queue ON queue.id = child.queue
    WHERE reference.queue = ?1 AND reference.key = ?2 AND reference.seq >= ?3 AND reference.seq < ?4
    ORDER BY reference.seq LIMIT 1";

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

/// Of the items without an id, those beyond the newest `?3`.
pub(super) const FORGET_OLDEST_ASIDE: &str = "
    DELETE FROM sync_aside WHERE id IN (
        SELECT id FROM sync_aside INDEXED BY sync_aside_keyless
        WHERE principal = ?1 AND entity = ?2 AND key IS NULL ORDER BY id DESC LIMIT -1 OFFSET ?3
    )";

pub(super) const ITEMS_ASIDE: &str = "
    SELECT key, item, error, since FROM sync_aside INDEXED BY sync_aside_order
    WHERE principal = ?1 AND entity = ?2 ORDER BY id LIMIT ?3";

pub(super) const FORGET_ASIDE: &str =
    "DELETE FROM sync_aside WHERE principal = ?1 AND entity = ?2 AND identity = ?3 AND key IS NOT NULL";

pub(super) const BASED: &str = "
    SELECT key FROM sync_bases INDEXED BY sync_bases_name
    WHERE queue = ?1 AND key > coalesce(?2, '') ORDER BY key LIMIT ?3";

pub(super) const KEPT_COUNT: &str =
    "SELECT count(value) FROM sync_bases INDEXED BY sync_bases_name WHERE queue = ?1";

/// Leaves a row alone that is right already.
pub(super) const ENTER_INDEX: &str = "
    INSERT INTO sync_index (queue, key, field, value) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (queue, key, field) DO UPDATE SET value = excluded.value WHERE value IS NOT excluded.value";

pub(super) const LEAVE_INDEX: &str = "DELETE FROM sync_index WHERE queue = ?1 AND key = ?2";

pub(super) const CLEAR_INDEX: &str = "DELETE FROM sync_index WHERE queue = ?1";

/// The records of which anything is known.
pub(super) const KEYS: &str = "
    SELECT key FROM sync_bases INDEXED BY sync_bases_name WHERE queue = ?1 AND key > coalesce(?2, '')
    UNION SELECT key FROM sync_names WHERE queue = ?1 AND key > coalesce(?2, '')
    ORDER BY key LIMIT ?3";

pub(super) const BEGIN: &str = "BEGIN IMMEDIATE";
pub(super) const BEGIN_READING: &str = "BEGIN";
pub(super) const COMMIT: &str = "COMMIT";
pub(super) const ROLLBACK: &str = "ROLLBACK";
pub(super) const SAVEPOINT: &str = "SAVEPOINT sync_work";
pub(super) const RELEASE_SAVEPOINT: &str = "RELEASE sync_work";
pub(super) const ROLLBACK_TO_SAVEPOINT: &str = "ROLLBACK TO sync_work";

/// All but those of the transaction itself. What runs for every push, every operation sent and every record pulled looks at no more
/// rows than it answers; counting and clearing look at those of one queue.
#[cfg(test)]
pub(super) const HOT: &[&str] = &[
    FIND_QUEUE,
    MAKE_QUEUE,
    QUEUES,
    BASE,
    ADD_BASE,
    PUT_BASE,
    FORGET_BASE,
    AT_PLACE,
    QUEUE_NAME,
    FIND_NAME,
    FIND_PLACE,
    ENTER_NAME,
    CHANGE_NAME,
    FORGET_NAME,
    ADD_PENDING,
    CHANGE_PENDING,
    ADD_PLAIN,
    MOVE_PLAIN,
    CHANGE_PLAIN,
    REMOVE_PENDING,
    REFER,
    FORGET_REFERENCES,
    DUE_PLACES,
    NEXT_DUE,
    LANE_PLACES,
    PARKED_BY_ID,
    RELEASE,
    EARLIER_CHILD,
    CURSOR,
    SET_CURSOR,
    FORGET_CURSOR,
    NOTE,
    SET_NOTE,
    FORGET_NOTE,
    SET_ASIDE,
    FORGET_OLDEST_ASIDE,
    ITEMS_ASIDE,
    FORGET_ASIDE,
    BASED,
    KEPT_COUNT,
    ENTER_INDEX,
    LEAVE_INDEX,
    CLEAR_INDEX,
    KEYS,
];
