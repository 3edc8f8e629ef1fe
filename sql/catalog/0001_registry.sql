-- The registry: what is declared, which versions exist, which is served, what runs. Read by BI tools as it is.
CREATE SCHEMA flinkms;
COMMENT ON SCHEMA flinkms IS 'flinkms_sql registry: models, versions, aliases, jobs and metrics';

CREATE TABLE flinkms.tables (
    name        text PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('stream', 'flink')),
    columns     jsonb NOT NULL,          -- [{"name", "type"}], types as in flinkms_sql.types.SqlType
    options     jsonb NOT NULL,          -- WITH (...) as declared
    definition  text NOT NULL,           -- the CREATE TABLE statement, Flink SQL
    path        text,                    -- streams: their directory in the warehouse
    created_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN flinkms.tables.kind IS 'stream: connector flinkms, can be inserted into; flink: any other Flink table';

CREATE TABLE flinkms.models (
    name            text PRIMARY KEY,
    algorithm       text NOT NULL,
    inputs          jsonb NOT NULL,      -- [{"name", "type"}]
    outputs         jsonb NOT NULL,      -- [{"name", "type"}]
    options         jsonb NOT NULL,      -- WITH (...) as declared
    training_query  text,                -- Flink SQL after AS, or NULL
    definition      text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE flinkms.model_versions (
    model            text NOT NULL REFERENCES flinkms.models ON DELETE CASCADE,
    version          integer NOT NULL,
    state            text NOT NULL CHECK (state IN ('training', 'ready', 'failed', 'retired')),
    path             text NOT NULL,
    options          jsonb NOT NULL,     -- every hyperparameter, defaults included
    training_rows    bigint,
    failed_rows      bigint,
    failures         jsonb,              -- reason -> count
    duration_ms      bigint,
    code_hash        text,               -- SHA-256 of the kernels' source
    training_metrics jsonb,
    positions        jsonb,              -- log positions a reader must have reached: {"users": {"p0": [1, 0]}}
    error            text,
    created_at       timestamptz NOT NULL DEFAULT now(),
    published_at     timestamptz,
    PRIMARY KEY (model, version)
);

CREATE TABLE flinkms.model_aliases (
    model    text NOT NULL,
    alias    text NOT NULL,
    version  integer NOT NULL,
    PRIMARY KEY (model, alias),
    FOREIGN KEY (model, version) REFERENCES flinkms.model_versions ON DELETE CASCADE
);
COMMENT ON TABLE flinkms.model_aliases IS 'The alias live is what an address without a version means';

CREATE TABLE flinkms.alias_history (
    model       text NOT NULL REFERENCES flinkms.models ON DELETE CASCADE,
    alias       text NOT NULL,
    version     integer NOT NULL,
    valid_from  timestamptz NOT NULL,
    valid_to    timestamptz,
    reason      text NOT NULL
);
CREATE INDEX ON flinkms.alias_history (model, alias, valid_from);

CREATE TABLE flinkms.jobs (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind          text NOT NULL CHECK (kind IN ('train', 'learn', 'evaluate', 'score', 'insert')),
    model         text,
    version       integer,
    statement     text NOT NULL,         -- as the user wrote it
    query         text NOT NULL,         -- its SELECT, Flink SQL
    options       jsonb NOT NULL DEFAULT '{}',
    desired       text NOT NULL DEFAULT 'finished' CHECK (desired IN ('finished', 'running', 'canceled')),
    state         text NOT NULL DEFAULT 'queued'
                  CHECK (state IN ('queued', 'starting', 'running', 'restarting', 'finished', 'failed', 'canceled')),
    flink_job_id  text,
    progress      jsonb,                 -- {"phase", "done", "total", "metrics"}
    result        jsonb,
    error         text,
    sqlstate      text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    started_at    timestamptz,
    ended_at      timestamptz
);
COMMENT ON COLUMN flinkms.jobs.desired IS 'running: a standing job, resubmitted whenever it is not there';

CREATE TABLE flinkms.model_metrics (
    model         text NOT NULL REFERENCES flinkms.models ON DELETE CASCADE,
    version       integer NOT NULL,
    metric        text NOT NULL,
    value         double precision NOT NULL,
    row_count     bigint NOT NULL,
    unknown_rows  bigint NOT NULL,       -- rows with an id the model does not know; they count in value
    failed_rows   bigint NOT NULL,       -- rows without a prediction or a label; they do not
    measured_at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON flinkms.model_metrics (model, metric, measured_at);

CREATE FUNCTION flinkms.notify_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('flinkms_' || TG_ARGV[0], TG_TABLE_NAME);
    RETURN NULL;
END $$;
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON flinkms.tables FOR EACH STATEMENT EXECUTE FUNCTION flinkms.notify_changed('catalog');
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON flinkms.models FOR EACH STATEMENT EXECUTE FUNCTION flinkms.notify_changed('catalog');
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON flinkms.model_versions FOR EACH STATEMENT EXECUTE FUNCTION flinkms.notify_changed('catalog');
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON flinkms.model_aliases FOR EACH STATEMENT EXECUTE FUNCTION flinkms.notify_changed('catalog');
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON flinkms.jobs FOR EACH STATEMENT EXECUTE FUNCTION flinkms.notify_changed('jobs');
