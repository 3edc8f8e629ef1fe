-- Applied migrations, the generation of the catalog, and what the shadows need to know.
CREATE TABLE flinkms.migrations (
    name        text PRIMARY KEY,
    sha256      text NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE flinkms.models ADD COLUMN recommends boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN flinkms.models.recommends IS 'recommend() and similar() apply to the model';

-- One row, raised by every statement that changes what a frontend's snapshot holds, in the same transaction:
-- two snapshots with the same generation are the same.
CREATE TABLE flinkms.generation (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    value  bigint NOT NULL
);
INSERT INTO flinkms.generation (value) VALUES (0);

CREATE FUNCTION flinkms.raise_generation() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE flinkms.generation SET value = value + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER generation AFTER INSERT OR UPDATE OR DELETE ON flinkms.tables FOR EACH STATEMENT EXECUTE FUNCTION flinkms.raise_generation();
CREATE TRIGGER generation AFTER INSERT OR UPDATE OR DELETE ON flinkms.models FOR EACH STATEMENT EXECUTE FUNCTION flinkms.raise_generation();
CREATE TRIGGER generation AFTER INSERT OR UPDATE OR DELETE ON flinkms.model_versions FOR EACH STATEMENT EXECUTE FUNCTION flinkms.raise_generation();
CREATE TRIGGER generation AFTER INSERT OR UPDATE OR DELETE ON flinkms.model_aliases FOR EACH STATEMENT EXECUTE FUNCTION flinkms.raise_generation();

-- A shadow is there to be described, not to be written to: rows belong in the stream.
CREATE FUNCTION flinkms.refuse_write() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'feature_not_supported',
        MESSAGE = format('table "%s" lives in Flink, not in PostgreSQL', TG_TABLE_NAME),
        HINT = 'Connect to the flinkms frontend.';
END $$;
