create table sync_schema (
    version integer not null
) strict;
insert into sync_schema (version) values (0);

-- Everything that is known of a record. The lane, the place in the outbox and the due time are computed from the rest,
-- for the indexes.
create table records (
    id integer primary key,
    principal text not null,
    entity text not null,
    key text not null,
    lane text,          -- ready, waiting, blocked or parked; null when nothing waits
    seq integer,        -- the place in the outbox
    revision integer,   -- the number of the newest edit, where it is not seq
    due integer,        -- milliseconds since 1970, when the lane is waiting
    base text,          -- what the server is known to have
    flight text,        -- what was sent, with an unknown outcome
    queued text,        -- what was never sent
    parked text,        -- what waits for the user
    parked_id text,
    blocked_on text,    -- the entity and
    blocked_key text    -- the id of the record that has to get through first
) strict;
create unique index records_by_name on records (principal, entity, key);
create index records_by_lane on records (principal, lane, seq) where lane is not null;
create index records_by_entity on records (principal, entity, lane, seq) where lane is not null;
create index records_by_due on records (principal, due) where lane = 'waiting';
create index records_by_revision on records (revision) where revision is not null;
create index records_by_parked_id on records (principal, parked_id) where parked_id is not null;
create index records_by_blocker on records (principal, blocked_on, blocked_key) where blocked_key is not null;

-- Which records the waiting operations refer to.
create table record_references (
    principal text not null,
    entity text not null,
    key text not null,
    parent_entity text not null,
    parent_key text not null,
    seq integer not null
) strict;
create index references_by_child on record_references (principal, entity, key);
create index references_by_parent on record_references (principal, parent_entity, parent_key, seq);

create table cursors (
    principal text not null,
    entity text not null,
    cursor text not null,
    primary key (principal, entity)
) strict;

-- What the engine has to remember besides, such as how long a server wants to be left alone.
create table notes (
    principal text not null,
    name text not null,
    text text not null,
    primary key (principal, name)
) strict;

-- Pulled items that could not be read.
create table set_aside (
    principal text not null,
    entity text not null,
    identity text not null,
    key text,
    item text not null,
    error text not null,
    since integer not null,
    primary key (principal, entity, identity)
) strict;
