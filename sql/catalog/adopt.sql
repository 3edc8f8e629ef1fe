-- Run by the superuser of the embedded server at each start: the registry belongs to a role that no client logs in as.
-- In data directories of earlier versions it belongs to flinkms, which is a client's role; what users have made as
-- flinkms stays theirs.
SET search_path = pg_catalog;

DO $$
DECLARE
    found record;
    registered name[];
BEGIN
    IF to_regrole('flinkms_owner') IS NULL THEN
        CREATE ROLE flinkms_owner LOGIN CREATEROLE;
    END IF;
    -- Clients may take all other connections, not these.
    IF NOT pg_has_role('flinkms_owner', 'pg_use_reserved_connections', 'USAGE') THEN
        GRANT pg_use_reserved_connections TO flinkms_owner;
    END IF;
    IF to_regrole('flinkms') IS NOT NULL THEN
        ALTER ROLE flinkms NOSUPERUSER NOCREATEDB NOCREATEROLE;
        GRANT flinkms TO flinkms_owner WITH ADMIN TRUE, INHERIT TRUE, SET TRUE;
        EXECUTE format('ALTER ROLE flinkms IN DATABASE %I RESET search_path', current_database());
    END IF;
    EXECUTE format('ALTER DATABASE %I OWNER TO flinkms_owner', current_database());
    -- Once: only a superuser gives the schema to its owner, so no client can bring this about again. Names, comments and
    -- triggers are anybody's to choose, and decide nothing alone: what is taken over was the former owner's.
    SELECT nspowner::regrole AS owner INTO found FROM pg_namespace WHERE nspname = 'flinkms';
    IF found.owner IS DISTINCT FROM to_regrole('flinkms') OR found.owner IS NULL THEN
        RETURN;
    END IF;
    ALTER SCHEMA flinkms OWNER TO flinkms_owner;
    registered := ARRAY(SELECT t.name FROM flinkms.tables AS t);
    FOR found IN
        SELECT c.oid::regclass AS name FROM pg_class AS c
        WHERE c.relkind IN ('r', 'p') AND c.relowner = 'flinkms'::regrole
          AND (c.relnamespace = 'flinkms'::regnamespace
               OR c.relnamespace = 'public'::regnamespace AND c.relname = ANY (registered))
    LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO flinkms_owner', found.name);
    END LOOP;
    -- Never a function that runs as its owner.
    FOR found IN
        SELECT p.oid::regprocedure AS name FROM pg_proc AS p
        WHERE p.proowner = 'flinkms'::regrole AND NOT p.prosecdef AND p.prokind = 'f'
          AND (p.pronamespace = 'flinkms'::regnamespace
               OR p.pronamespace = 'public'::regnamespace AND p.proname IN ('predict', 'recommend', 'similar')
                  AND obj_description(p.oid, 'pg_proc') = 'flinkms stub')
    LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO flinkms_owner', found.name);
    END LOOP;
END $$;
