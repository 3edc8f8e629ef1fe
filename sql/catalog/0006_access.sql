-- Who may do what: three groups, each with the rights of the one before. The registry is read by all of them and
-- written by its owner alone, whom no client can be. Needs CREATEROLE.
DO $$
DECLARE
    made text;
    stream record;
BEGIN
    FOREACH made IN ARRAY ARRAY['flinkms_reader', 'flinkms_writer', 'flinkms_deployer'] LOOP
        IF to_regrole(made) IS NULL THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', made);
        END IF;
    END LOOP;
    IF NOT pg_has_role('flinkms_writer', 'flinkms_reader', 'USAGE') THEN
        GRANT flinkms_reader TO flinkms_writer;
    END IF;
    IF NOT pg_has_role('flinkms_deployer', 'flinkms_writer', 'USAGE') THEN
        GRANT flinkms_writer TO flinkms_deployer;
    END IF;
    -- The role that the embedded server is made with, for whoever comes from this machine.
    IF to_regrole('flinkms') IS NOT NULL AND current_user <> 'flinkms' THEN
        GRANT flinkms_deployer TO flinkms;
    END IF;

    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO flinkms_reader', current_database());
    EXECUTE format('GRANT CREATE ON DATABASE %I TO flinkms_deployer', current_database());
    -- Not "$user", public: there is a user of the registry's name.
    EXECUTE format('ALTER DATABASE %I SET search_path = public', current_database());
    GRANT USAGE ON SCHEMA public TO flinkms_reader;
    GRANT CREATE ON SCHEMA public TO flinkms_deployer;

    FOR stream IN SELECT name, kind FROM flinkms.tables LOOP
        EXECUTE format('GRANT SELECT ON public.%I TO flinkms_reader', stream.name);
        IF stream.kind = 'stream' THEN
            EXECUTE format('GRANT INSERT ON public.%I TO flinkms_writer', stream.name);
        END IF;
    END LOOP;
END $$;

CREATE TABLE flinkms.exclusive (subject text PRIMARY KEY);
COMMENT ON TABLE flinkms.exclusive IS 'Rows are locked while what they name is done, such as applying a deployment file';

GRANT USAGE ON SCHEMA flinkms TO flinkms_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA flinkms TO flinkms_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA flinkms GRANT SELECT ON TABLES TO flinkms_reader;
-- Triggers of ours are not for tables of others.
REVOKE EXECUTE ON FUNCTION flinkms.notify_changed(), flinkms.raise_generation(), flinkms.refuse_write() FROM PUBLIC;
