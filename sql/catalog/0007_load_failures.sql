-- Versions that a frontend cannot load, each with its reason: they are ready, but that frontend serves the former one.
-- A frontend replaces its rows whenever it has tried, at least once a minute; rows that are older are of one that is gone.
CREATE TABLE flinkms.load_failures (
    frontend   text NOT NULL,            -- host:port it listens on
    model      text NOT NULL,
    version    integer NOT NULL,
    error      text NOT NULL,
    failed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (frontend, model, version)
);
COMMENT ON TABLE flinkms.load_failures IS 'Versions that a frontend cannot load, and why; it tries again';
