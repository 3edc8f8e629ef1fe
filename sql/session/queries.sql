-- What a session's own statements go by, and setting a value by function so that no text is made of values.
-- name: known
SELECT CASE WHEN current_user <> session_user THEN current_user::text ELSE '' END, current_setting('transaction_read_only'),
       extract(epoch FROM current_setting('statement_timeout')::interval)::float8::text,
       current_setting('extra_float_digits'), current_setting('bytea_output'), current_setting('idle_session_timeout')

-- name: set_config
SELECT pg_catalog.set_config($1, $2, $3)

-- name: snapshot
SELECT

-- name: placeholder
-- Takes a name for a statement that is kept by the frontend. Of what fails whenever it is run, this may be parsed in a
-- failed transaction too, as COMMIT and ROLLBACK may that it stands for.
ROLLBACK TO SAVEPOINT "this statement is not PostgreSQL's"

-- name: hidden
-- Which names of Flink tables ($1), without a schema, are not their shadows in public; and which names of our functions ($2)
-- others have too where search_path looks: which of them a call is of depends on its arguments.
SELECT 'table', t.name FROM pg_catalog.unnest($1) AS t (name)
WHERE pg_catalog.to_regclass(pg_catalog.quote_ident(t.name)) IS DISTINCT FROM
      (SELECT c.oid FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
       WHERE n.nspname = 'public' AND c.relname = t.name)
UNION ALL
SELECT DISTINCT 'function', p.proname::text FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS s ON s.oid = p.pronamespace AND s.nspname = ANY (pg_catalog.current_schemas(false))
WHERE p.proname = ANY ($2)
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                  WHERE n.nspname = 'flinkms' AND c.relname = 'models' AND c.relowner = p.proowner)
