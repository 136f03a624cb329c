-- What version 3 ran. Files of that version have to be read; nobody makes them any more.

-- A row of a record that the server never had begins without an entry in the index of names, which it gets later, together with
-- others: an entry of its own would cost each push another page.
ALTER TABLE sync_outbox ADD COLUMN fresh INTEGER NOT NULL DEFAULT 0;

DROP INDEX sync_outbox_name;
CREATE UNIQUE INDEX sync_outbox_name ON sync_outbox (queue, key) WHERE fresh = 0;

-- For people: one row for each record that something is known of. A fresh row has no base.
DROP VIEW records;
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
WHERE NOT EXISTS (
    SELECT 1 FROM sync_outbox AS pending
    WHERE pending.queue = base.queue AND pending.key = base.key AND pending.fresh = 0
);
