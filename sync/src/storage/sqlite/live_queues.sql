-- How many records of each entity wait: in memory, and still part of every transaction, since SQLite rolls temporary tables
-- back as well. In the file these numbers would make every push write another page.
CREATE TEMP TABLE sync_live_queues (
    principal TEXT NOT NULL,
    entity    TEXT NOT NULL,
    waiting   INTEGER NOT NULL,
    parked    INTEGER NOT NULL,
    last_seq  INTEGER NOT NULL,
    PRIMARY KEY (principal, entity)
) WITHOUT ROWID;

CREATE TEMP TRIGGER sync_live_on_insert AFTER INSERT ON main.records WHEN new.seq IS NOT NULL
BEGIN
    INSERT INTO sync_live_queues (principal, entity, waiting, parked, last_seq)
    VALUES (new.principal, new.entity, new.lane <> 'parked', new.lane = 'parked', new.revision)
    ON CONFLICT (principal, entity) DO UPDATE SET
        waiting = waiting + excluded.waiting,
        parked = parked + excluded.parked,
        last_seq = max(last_seq, excluded.last_seq);
END;

CREATE TEMP TRIGGER sync_live_on_update AFTER UPDATE ON main.records WHEN new.seq IS NOT NULL OR old.seq IS NOT NULL
BEGIN
    INSERT INTO sync_live_queues (principal, entity, waiting, parked, last_seq)
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

CREATE TEMP TRIGGER sync_live_on_delete AFTER DELETE ON main.records WHEN old.seq IS NOT NULL
BEGIN
    UPDATE sync_live_queues SET
        waiting = waiting - (old.lane <> 'parked'),
        parked = parked - (old.lane = 'parked')
    WHERE principal = old.principal AND entity = old.entity;
END;
