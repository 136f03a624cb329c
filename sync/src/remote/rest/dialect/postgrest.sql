CREATE SEQUENCE changes;
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    -- One writer after the other: a number that becomes visible after a greater one would never be pulled.
    PERFORM pg_advisory_xact_lock(1);
    NEW.version := nextval('changes');
    RETURN NEW;
END $$;
CREATE FUNCTION revive() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    -- Who makes a record anew that was deleted finds its place free.
    EXECUTE format('DELETE FROM %I WHERE id = $1 AND deleted_at IS NOT NULL', TG_TABLE_NAME) USING NEW.id;
    RETURN NEW;
END $$;
-- And for each table:
-- CREATE INDEX ON notes (version);
-- CREATE TRIGGER a_revive BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION revive();
-- CREATE TRIGGER b_stamp BEFORE INSERT OR UPDATE ON notes FOR EACH ROW EXECUTE FUNCTION stamp();
