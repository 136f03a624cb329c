-- The index of names is a table of its own: entering a name leaves its row alone, and a row that changes its lane leaves its name
-- alone.
--
-- Version 3 said by a column `fresh` of sync_outbox which rows have no entry yet. In a file that had it, it stays (see schema.rs), and
-- nobody reads or writes it.
CREATE TABLE sync_names (
    queue INTEGER NOT NULL,
    key   TEXT NOT NULL,     -- the record's id
    seq   INTEGER NOT NULL,  -- its place in the outbox, in whichever lane it stands
    PRIMARY KEY (queue, key)
) WITHOUT ROWID;

INSERT INTO sync_names (queue, key, seq) SELECT queue, key, seq FROM sync_outbox ORDER BY queue, key;

DROP VIEW records;
DROP INDEX sync_outbox_name;

-- For people: one row for each record that something is known of. A row without an entry in the index of names has no base.
CREATE VIEW records AS
SELECT named.principal, named.entity, pending.key, pending.lane, pending.seq, pending.revision, pending.due,
    base.id IS NOT NULL AS on_server, base.version AS base_version, base.value AS base_value,
    pending.flight, pending.queued, pending.parked,
    blocker.entity AS blocked_entity, pending.blocked_key
FROM sync_outbox AS pending
    JOIN sync_queues AS named ON named.id = pending.queue
    LEFT JOIN sync_bases AS base ON base.queue = pending.queue AND base.key = pending.key
    LEFT JOIN sync_queues AS blocker ON blocker.id = pending.blocked_queue
UNION ALL
SELECT named.principal, named.entity, base.key, 'idle', NULL, NULL, NULL,
    1, base.version, base.value,
    NULL, NULL, NULL,
    NULL, NULL
FROM sync_bases AS base
    JOIN sync_queues AS named ON named.id = base.queue
WHERE NOT EXISTS (SELECT 1 FROM sync_names AS pending WHERE pending.queue = base.queue AND pending.key = base.key);
