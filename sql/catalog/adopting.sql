-- Taking over a registry that a client's role owned, as in data directories of earlier versions: whatever else that role
-- has put into it stays behind, with that role. Braces are psycopg.sql's.

-- name: from_a_client
-- What tells our owner from a role of its name is a right that only a superuser can have given it.
SELECT EXISTS (
    SELECT FROM pg_namespace AS n JOIN pg_roles AS o ON o.oid = n.nspowner
    WHERE n.nspname = 'flinkms'
      AND (o.rolname <> 'flinkms_owner' OR NOT pg_has_role(o.oid, 'pg_use_reserved_connections', 'USAGE'))
) AS present

-- name: roles_in_the_way
SELECT rolname AS name FROM pg_roles WHERE rolname IN ('flinkms_owner', 'flinkms_reader', 'flinkms_writer', 'flinkms_deployer')
ORDER BY rolname

-- name: recorded
SELECT name FROM flinkms.migrations

-- name: set_aside
-- Nothing of it is looked at by us: a superuser's query over a client's table may run what the client has written.
DO $$
DECLARE
    found record;
BEGIN
    ALTER SCHEMA flinkms RENAME TO flinkms_former;
    ALTER SCHEMA flinkms_former OWNER TO flinkms;
    CREATE SCHEMA flinkms_former_public AUTHORIZATION flinkms;
    EXECUTE format('ALTER DATABASE %I RESET ALL', current_database());
    EXECUTE format('REVOKE CREATE ON DATABASE %I FROM PUBLIC CASCADE', current_database());
    REVOKE CREATE ON SCHEMA public FROM PUBLIC CASCADE;
    FOR found IN SELECT a.grantee::regrole AS role FROM pg_database AS d, aclexplode(d.datacl) AS a
                 WHERE d.datname = current_database() AND a.grantee NOT IN (0, d.datdba) LOOP
        EXECUTE format('REVOKE ALL ON DATABASE %I FROM %s CASCADE', current_database(), found.role);
    END LOOP;
    FOR found IN SELECT a.grantee::regrole AS role FROM pg_namespace AS n, aclexplode(n.nspacl) AS a
                 WHERE n.nspname = 'public' AND a.grantee NOT IN (0, n.nspowner) LOOP
        EXECUTE format('REVOKE ALL ON SCHEMA public FROM %s CASCADE', found.role);
    END LOOP;
END $$

-- name: become_owner
SELECT set_config('role', 'flinkms_owner', true), set_config('search_path', 'pg_catalog,flinkms,pg_temp', true)

-- name: become_superuser
SELECT set_config('role', 'none', true), set_config('search_path', 'pg_catalog', true)

-- name: tables_to_fill
-- In the order they were made, which is that of their foreign keys.
SELECT c.relname AS name, array_agg(a.attname::text ORDER BY a.attnum) AS columns
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relnamespace = 'flinkms'::regnamespace AND c.relkind = 'r' AND c.relname NOT IN ('migrations', 'generation')
GROUP BY c.oid, c.relname ORDER BY c.oid

-- name: copy_out
COPY (SELECT {columns} FROM flinkms.{table}) TO STDOUT

-- name: copy_in
COPY flinkms.{table} ({columns}) FROM STDIN

-- name: number_jobs_on
SELECT setval(pg_get_serial_sequence('flinkms.jobs', 'id'), max(id)) FROM flinkms.jobs

-- name: set_shadows_aside
-- They are empty, so a view over one shows the same wherever it is.
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN SELECT c.oid::regclass AS name FROM pg_class AS c JOIN flinkms.tables AS t ON t.name = c.relname
                 WHERE c.relnamespace = 'public'::regnamespace AND c.relowner = 'flinkms'::regrole
                   AND c.relkind IN ('r', 'p', 'v', 'm', 'f') LOOP
        EXECUTE format('ALTER TABLE %s SET SCHEMA flinkms_former_public', found.name);
    END LOOP;
    FOR found IN SELECT p.oid::regprocedure AS name FROM pg_proc AS p
                 WHERE p.pronamespace = 'public'::regnamespace AND p.proowner = 'flinkms'::regrole AND p.prokind = 'f'
                   AND p.proname IN ('predict', 'recommend', 'similar')
                   AND obj_description(p.oid, 'pg_proc') = 'flinkms stub' LOOP
        EXECUTE format('ALTER FUNCTION %s SET SCHEMA flinkms_former_public', found.name);
    END LOOP;
END $$
