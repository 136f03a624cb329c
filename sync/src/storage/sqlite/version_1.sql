-- The account and the entity that a row belongs to, as a number. Everything else speaks of it by that number: it is compared for
-- every row that is written.
CREATE TABLE sync_queues (
    id        INTEGER PRIMARY KEY,
    principal TEXT NOT NULL,
    entity    TEXT NOT NULL
);

CREATE UNIQUE INDEX sync_queues_name ON sync_queues (principal, entity);

-- What the server is known to have. A pull of records that nobody edits writes here and nowhere else.
CREATE TABLE sync_bases (
    id      INTEGER PRIMARY KEY,
    queue   INTEGER NOT NULL,
    key     TEXT NOT NULL,    -- the record's id
    version TEXT,             -- the server's version
    value   TEXT              -- the server's value, where a merge needs it
);

CREATE UNIQUE INDEX sync_bases_name ON sync_bases (queue, key);

-- The records with a local edit that the server does not have yet. The primary key says where a record stands: in which queue, in
-- which lane of it, and at which place (20, 2 and 41 bits). So the table is in the order in which it is sent, and a push adds a row
-- at the end of a lane: two pages, one here and one of the index of names.
CREATE TABLE sync_outbox (
    id             INTEGER PRIMARY KEY,
    queue          INTEGER NOT NULL CHECK (queue = id >> 43),
    lane           TEXT NOT NULL AS (
        CASE (id >> 41) & 3 WHEN 0 THEN 'ready' WHEN 1 THEN 'waiting' WHEN 2 THEN 'blocked' ELSE 'parked' END
    ),
    seq            INTEGER NOT NULL AS (id & 0x1ffffffffff), -- place in the outbox
    revision       INTEGER NOT NULL,           -- newest local edit
    key            TEXT NOT NULL,              -- the record's id
    due            TEXT,                       -- not sent before; UTC, nine decimals
    flight         TEXT,                       -- JSON: sent, outcome unknown
    queued         TEXT,                       -- JSON: newest edit, never sent
    parked         TEXT,                       -- JSON: refused, or waits for a decision
    parked_id      TEXT,                       -- the parked operation's id
    blocked_queue  INTEGER,                    -- the record that has to get through first
    blocked_key    TEXT,
    has_references INTEGER NOT NULL DEFAULT 0  -- whether sync_references speaks of it
);

CREATE UNIQUE INDEX sync_outbox_name ON sync_outbox (queue, key);
CREATE INDEX sync_outbox_due ON sync_outbox (queue, due, seq) WHERE lane = 'waiting';
CREATE INDEX sync_outbox_parked ON sync_outbox (parked_id) WHERE parked_id IS NOT NULL;
CREATE INDEX sync_outbox_blocked ON sync_outbox (blocked_queue, blocked_key) WHERE blocked_queue IS NOT NULL;
CREATE INDEX sync_outbox_revised ON sync_outbox (revision) WHERE revision > seq;

-- For people: one row for each record that something is known of.
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
WHERE NOT EXISTS (SELECT 1 FROM sync_outbox AS pending WHERE pending.queue = base.queue AND pending.key = base.key);

-- Which records the operations that wait refer to.
CREATE TABLE sync_references (
    queue       INTEGER NOT NULL,  -- the record that is referred to
    key         TEXT NOT NULL,
    seq         INTEGER NOT NULL,  -- place in the outbox of the operation that refers to it
    child_queue INTEGER NOT NULL,  -- the record that refers to it
    child_key   TEXT NOT NULL,
    PRIMARY KEY (queue, key, seq, child_queue, child_key)
) WITHOUT ROWID;

CREATE INDEX sync_references_child ON sync_references (child_queue, child_key);

-- How many records of each queue wait, as of the last time that the file was closed. Empty while it is open; so it is after a
-- crash too, and then the queues are counted when the file is opened.
CREATE TABLE sync_counts (
    queue   INTEGER PRIMARY KEY,
    waiting INTEGER NOT NULL,
    parked  INTEGER NOT NULL
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

-- The rows of an operation that waits no longer; those of the new one are inserted by the program.
CREATE TRIGGER sync_outbox_references_on_update AFTER UPDATE ON sync_outbox WHEN old.has_references
BEGIN
    DELETE FROM sync_references WHERE child_queue = old.queue AND child_key = old.key;
END;

CREATE TRIGGER sync_outbox_references_on_delete AFTER DELETE ON sync_outbox WHEN old.has_references
BEGIN
    DELETE FROM sync_references WHERE child_queue = old.queue AND child_key = old.key;
END;
