-- What a session's own statements go by, and setting a value by function so that no text is made of values.
-- name: known
SELECT CASE WHEN current_user <> session_user THEN current_user::text ELSE '' END, current_setting('transaction_read_only'),
       extract(epoch FROM current_setting('statement_timeout')::interval)::float8::text,
       current_setting('extra_float_digits'), current_setting('bytea_output')

-- name: set_config
SELECT pg_catalog.set_config($1, $2, $3)

-- name: snapshot
SELECT

-- name: placeholder
-- Takes a name for a statement that is kept by the frontend. Of what fails whenever it is run, this may be parsed in a
-- failed transaction too, as COMMIT and ROLLBACK may that it stands for.
ROLLBACK TO SAVEPOINT "this statement is not PostgreSQL's"
