-- Run by the superuser of the embedded server at each start: who the registry's owner is, and that no client is.
SET search_path = pg_catalog;

DO $$
BEGIN
    IF to_regrole('flinkms_owner') IS NULL THEN
        CREATE ROLE flinkms_owner LOGIN CREATEROLE;
    END IF;
    -- Clients may take all other connections, not these. Only a superuser can grant it, so it also tells our owner from
    -- a role of that name that somebody else made.
    IF NOT pg_has_role('flinkms_owner', 'pg_use_reserved_connections', 'USAGE') THEN
        GRANT pg_use_reserved_connections TO flinkms_owner;
    END IF;
    IF to_regrole('flinkms') IS NOT NULL THEN
        ALTER ROLE flinkms NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
        GRANT flinkms TO flinkms_owner WITH ADMIN TRUE, INHERIT TRUE, SET TRUE;
        EXECUTE format('ALTER ROLE flinkms IN DATABASE %I RESET search_path', current_database());
    END IF;
    EXECUTE format('ALTER DATABASE %I OWNER TO flinkms_owner', current_database());
END $$;
