-- Run by the superuser of the embedded server at each start: the registry belongs to a role that no client logs in as.
-- In data directories of earlier versions it belongs to flinkms, which is a client's role; what users have made as
-- flinkms stays theirs.
SET search_path = pg_catalog;

DO $$
DECLARE
    found record;
BEGIN
    IF to_regrole('flinkms_owner') IS NULL THEN
        CREATE ROLE flinkms_owner LOGIN CREATEROLE;
    END IF;
    IF to_regrole('flinkms') IS NOT NULL THEN
        ALTER ROLE flinkms NOSUPERUSER NOCREATEDB NOCREATEROLE;
        GRANT flinkms TO flinkms_owner WITH ADMIN TRUE, INHERIT TRUE, SET TRUE;
        EXECUTE format('ALTER ROLE flinkms IN DATABASE %I RESET search_path', current_database());
    END IF;
    EXECUTE format('ALTER DATABASE %I OWNER TO flinkms_owner', current_database());
    IF to_regnamespace('flinkms') IS NULL THEN
        RETURN;
    END IF;
    ALTER SCHEMA flinkms OWNER TO flinkms_owner;
    FOR found IN
        SELECT c.oid::regclass AS name FROM pg_class AS c
        WHERE c.relkind IN ('r', 'p', 'v', 'm') AND c.relowner <> 'flinkms_owner'::regrole
          AND (c.relnamespace = 'flinkms'::regnamespace
               OR EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = c.oid AND t.tgname = 'flinkms_refuse_write'))
    LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO flinkms_owner', found.name);
    END LOOP;
    FOR found IN
        SELECT p.oid::regprocedure AS name FROM pg_proc AS p
        WHERE p.proowner <> 'flinkms_owner'::regrole
          AND (p.pronamespace = 'flinkms'::regnamespace OR obj_description(p.oid, 'pg_proc') = 'flinkms stub')
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO flinkms_owner', found.name);
    END LOOP;
END $$;
