-- Everything has a lifetime: what is dropped, failed or retired leaves files behind, and is remembered until they are gone.

-- A model that is created anew under an old name is another one: its directories carry this.
ALTER TABLE flinkms.models ADD COLUMN incarnation text NOT NULL
    DEFAULT substr(replace(gen_random_uuid()::text, '-', ''), 1, 12);

CREATE TABLE flinkms.leftovers (
    path   text PRIMARY KEY,
    kind   text NOT NULL CHECK (kind IN ('version', 'stream')),
    since  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE flinkms.leftovers IS 'Directories that nothing needs any more; upkeep deletes them after a while';

-- Triggers, so that whatever drops something cannot forget what it leaves.
CREATE FUNCTION flinkms.leave_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO flinkms.leftovers (path, kind) VALUES (OLD.path, 'version') ON CONFLICT (path) DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER dropped AFTER DELETE ON flinkms.model_versions
    FOR EACH ROW EXECUTE FUNCTION flinkms.leave_version();
CREATE TRIGGER superfluous AFTER UPDATE OF state ON flinkms.model_versions
    FOR EACH ROW WHEN (NEW.state IN ('failed', 'retired') AND OLD.state <> NEW.state)
    EXECUTE FUNCTION flinkms.leave_version();

-- A stream's directory that the user named is the user's.
CREATE FUNCTION flinkms.leave_stream() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO flinkms.leftovers (path, kind) VALUES (OLD.path, 'stream') ON CONFLICT (path) DO NOTHING;
    RETURN NULL;
END $$;
CREATE TRIGGER dropped AFTER DELETE ON flinkms.tables
    FOR EACH ROW WHEN (OLD.kind = 'stream' AND OLD.path IS NOT NULL AND NOT OLD.options ? 'path')
    EXECUTE FUNCTION flinkms.leave_stream();

INSERT INTO flinkms.leftovers (path, kind)
SELECT path, 'version' FROM flinkms.model_versions WHERE state IN ('failed', 'retired');
