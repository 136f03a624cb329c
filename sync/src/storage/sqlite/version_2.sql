-- The values of the indexed fields of the records of a replica, as they look on this device. A row for each field, so that an entity
-- may index whichever it likes.
CREATE TABLE sync_index (
    queue INTEGER NOT NULL,
    key   TEXT NOT NULL,     -- the record's id
    field TEXT NOT NULL,
    value,                   -- NULL, a number or a text
    PRIMARY KEY (queue, key, field)
) WITHOUT ROWID;

CREATE INDEX sync_index_value ON sync_index (queue, field, value, key);

-- What an operation refers to changes with the operation, and not when the record is released or changes its lane.
DROP TRIGGER sync_outbox_references_on_update;

CREATE TRIGGER sync_outbox_references_on_update AFTER UPDATE OF flight, queued, parked ON sync_outbox WHEN old.has_references
BEGIN
    DELETE FROM sync_references WHERE child_queue = old.queue AND child_key = old.key;
END;
