-- A row takes along what leads to it, whoever deletes it. So one that cannot be read can be deleted with a shell: the saved counts are
-- right afterwards (there are none while a program has the file open, which keeps account itself), and no name leads to where it stood.
CREATE TRIGGER sync_outbox_name_on_delete AFTER DELETE ON sync_outbox
BEGIN
    DELETE FROM sync_names WHERE queue = old.queue AND key = old.key AND seq = old.seq;
    UPDATE OR FAIL sync_counts
        SET waiting = waiting - (old.lane <> 'parked'), parked = parked - (old.lane = 'parked')
        WHERE queue = old.queue;
END;

-- What rows that were deleted before have left behind.
DELETE FROM sync_names WHERE NOT EXISTS (
    SELECT 1 FROM sync_outbox AS pending
    WHERE pending.key = sync_names.key AND pending.id IN (
        (sync_names.queue << 43) + sync_names.seq,
        (sync_names.queue << 43) + (1 << 41) + sync_names.seq,
        (sync_names.queue << 43) + (2 << 41) + sync_names.seq,
        (sync_names.queue << 43) + (3 << 41) + sync_names.seq
    )
);
DELETE FROM sync_counts;

-- The items without an id, of which the newest are kept.
CREATE INDEX sync_aside_keyless ON sync_aside (principal, entity) WHERE key IS NULL;
