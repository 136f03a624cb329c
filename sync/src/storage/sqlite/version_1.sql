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
-- One index for the queues of all entities and for each one's, and for counting them: a second one would make every push
-- write another page.
CREATE INDEX records_queue ON records (principal, entity, lane, seq, revision) WHERE seq IS NOT NULL;
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

-- How many records of each entity wait, as of the last time that the file was closed. Empty while it is open, after a crash,
-- and after an edit by hand; then the queues are counted when the file is opened.
CREATE TABLE sync_queues (
    id        INTEGER PRIMARY KEY,
    principal TEXT NOT NULL,
    entity    TEXT NOT NULL,
    waiting   INTEGER NOT NULL,
    parked    INTEGER NOT NULL,
    last_seq  INTEGER NOT NULL   -- greatest number that an operation had
);

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

CREATE TRIGGER records_count_on_insert AFTER INSERT ON records WHEN new.seq IS NOT NULL
BEGIN
    DELETE FROM sync_queues WHERE id > 0;
END;

CREATE TRIGGER records_count_on_update AFTER UPDATE ON records WHEN new.seq IS NOT NULL OR old.seq IS NOT NULL
BEGIN
    DELETE FROM sync_queues WHERE id > 0;
END;

CREATE TRIGGER records_count_on_delete AFTER DELETE ON records WHEN old.seq IS NOT NULL
BEGIN
    DELETE FROM sync_queues WHERE id > 0;
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
