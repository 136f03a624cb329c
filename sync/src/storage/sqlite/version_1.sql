-- One row for each record that something is known of.
CREATE TABLE records (
    id             INTEGER PRIMARY KEY,
    principal      TEXT NOT NULL,               -- the account that the row belongs to
    entity         TEXT NOT NULL,
    key            TEXT NOT NULL,               -- the record's id
    lane           TEXT NOT NULL,               -- idle, ready, waiting, blocked, parked
    seq            INTEGER,                     -- place in the outbox; NULL when idle
    revision       INTEGER,                     -- newest local edit; NULL when idle
    due            TEXT,                        -- not sent before; UTC, nine decimals
    on_server      INTEGER NOT NULL DEFAULT 0,  -- whether the server is known to have it
    base_version   TEXT,                        -- the server's version
    base_value     TEXT,                        -- the server's value, where a merge needs it
    flight         TEXT,                        -- JSON: sent, outcome unknown
    queued         TEXT,                        -- JSON: newest edit, never sent
    parked         TEXT,                        -- JSON: refused, or waits for a decision
    parked_id      TEXT,                        -- the parked operation's id
    blocked_entity TEXT,                        -- the record that has to get through first
    blocked_key    TEXT,
    has_references INTEGER NOT NULL DEFAULT 0   -- whether sync_references speaks of it
);

CREATE UNIQUE INDEX records_name ON records (principal, entity, key);
CREATE INDEX records_lane ON records (principal, lane, seq) WHERE seq IS NOT NULL;
CREATE INDEX records_entity ON records (principal, entity, lane, seq) WHERE seq IS NOT NULL;
CREATE INDEX records_due ON records (principal, due, seq) WHERE lane = 'waiting';
CREATE INDEX records_parked ON records (principal, parked_id) WHERE parked_id IS NOT NULL;
CREATE INDEX records_blocked ON records (principal, blocked_entity, blocked_key) WHERE blocked_entity IS NOT NULL;

-- Which records the operations that wait refer to.
CREATE TABLE sync_references (
    id        INTEGER PRIMARY KEY,
    principal TEXT NOT NULL,
    entity    TEXT NOT NULL,     -- the record that is referred to
    key       TEXT NOT NULL,
    seq       INTEGER NOT NULL,  -- place in the outbox of the operation that refers to it
    record    INTEGER NOT NULL   -- records.id of the record that refers to it
);

CREATE UNIQUE INDEX sync_references_parent ON sync_references (principal, entity, key, seq, record);
CREATE INDEX sync_references_child ON sync_references (record);

-- How many records of each entity wait. Kept by the triggers below, since counting a long queue takes long.
CREATE TABLE sync_queues (
    id        INTEGER PRIMARY KEY,
    principal TEXT NOT NULL,
    entity    TEXT NOT NULL,
    waiting   INTEGER NOT NULL,
    parked    INTEGER NOT NULL,
    last_seq  INTEGER NOT NULL   -- greatest number that an operation ever had
);

CREATE UNIQUE INDEX sync_queues_name ON sync_queues (principal, entity);

CREATE TABLE sync_cursors (
    id        INTEGER PRIMARY KEY,
    principal TEXT NOT NULL,
    entity    TEXT NOT NULL,
    cursor    TEXT NOT NULL
);

CREATE UNIQUE INDEX sync_cursors_name ON sync_cursors (principal, entity);

-- What the engine has to remember besides.
CREATE TABLE sync_notes (
    id        INTEGER PRIMARY KEY,
    principal TEXT NOT NULL,
    name      TEXT NOT NULL,
    note      TEXT NOT NULL
);

CREATE UNIQUE INDEX sync_notes_name ON sync_notes (principal, name);

-- Pulled items that could not be read.
CREATE TABLE sync_aside (
    id        INTEGER PRIMARY KEY,
    principal TEXT NOT NULL,
    entity    TEXT NOT NULL,
    identity  TEXT NOT NULL,     -- the record's id, or the whole item when it has none
    key       TEXT,
    item      TEXT NOT NULL,
    error     TEXT NOT NULL,
    since     TEXT NOT NULL
);

CREATE UNIQUE INDEX sync_aside_identity ON sync_aside (principal, entity, identity);
CREATE INDEX sync_aside_order ON sync_aside (principal, entity);

CREATE TRIGGER records_queue_on_insert AFTER INSERT ON records WHEN new.seq IS NOT NULL
BEGIN
    INSERT INTO sync_queues (principal, entity, waiting, parked, last_seq)
    VALUES (new.principal, new.entity, new.lane <> 'parked', new.lane = 'parked', new.revision)
    ON CONFLICT (principal, entity) DO UPDATE SET
        waiting = waiting + excluded.waiting,
        parked = parked + excluded.parked,
        last_seq = max(last_seq, excluded.last_seq);
END;

CREATE TRIGGER records_queue_on_update AFTER UPDATE ON records
WHEN (new.lane IN ('idle', 'parked')) + 2 * (new.lane = 'parked') <> (old.lane IN ('idle', 'parked')) + 2 * (old.lane = 'parked')
    OR coalesce(new.revision, 0) > coalesce(old.revision, 0)
BEGIN
    INSERT INTO sync_queues (principal, entity, waiting, parked, last_seq)
    VALUES (
        new.principal,
        new.entity,
        (new.lane NOT IN ('idle', 'parked')) - (old.lane NOT IN ('idle', 'parked')),
        (new.lane = 'parked') - (old.lane = 'parked'),
        coalesce(new.revision, 0)
    )
    ON CONFLICT (principal, entity) DO UPDATE SET
        waiting = waiting + excluded.waiting,
        parked = parked + excluded.parked,
        last_seq = max(last_seq, excluded.last_seq);
END;

CREATE TRIGGER records_queue_on_delete AFTER DELETE ON records WHEN old.seq IS NOT NULL
BEGIN
    UPDATE sync_queues SET
        waiting = waiting - (old.lane <> 'parked'),
        parked = parked - (old.lane = 'parked')
    WHERE principal = old.principal AND entity = old.entity;
END;

-- The rows of an operation that waits no longer; those of the new one are inserted by the program.
CREATE TRIGGER records_references_on_update AFTER UPDATE ON records WHEN old.has_references
BEGIN
    DELETE FROM sync_references WHERE record = old.id;
END;

CREATE TRIGGER records_references_on_delete AFTER DELETE ON records WHEN old.has_references
BEGIN
    DELETE FROM sync_references WHERE record = old.id;
END;
