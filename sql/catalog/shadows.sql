-- What of Flink's world PostgreSQL shows: an empty table per stream or Flink table, a stub function per signature.
-- Braces are composed with psycopg.sql: identifiers are quoted, types come from flinkms_sql.types.

-- name: create_table
CREATE TABLE public.{table} ({columns})

-- name: comment_table
COMMENT ON TABLE public.{table} IS {comment}

-- name: refuse_writes
CREATE TRIGGER flinkms_refuse_write BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON public.{table}
FOR EACH STATEMENT EXECUTE FUNCTION flinkms.refuse_write()

-- name: let_read
GRANT SELECT ON public.{table} TO flinkms_reader

-- name: let_insert
-- The right to insert into the stream: the frontend asks for it, the trigger refuses what comes here.
GRANT INSERT ON public.{table} TO flinkms_writer

-- name: drop_table
DROP TABLE IF EXISTS public.{table}

-- name: list_stubs
-- Ours are what the registry's owner has: the comment, which anybody may write on a function of his own, only tells them
-- from what the owner has made by hand.
SELECT p.proname AS name, p.proargtypes::oid[]::bigint[] AS arguments
FROM pg_proc AS p JOIN pg_class AS c ON c.oid = 'flinkms.models'::regclass AND c.relowner = p.proowner
WHERE p.pronamespace = 'public'::regnamespace AND p.proname IN ('predict', 'recommend', 'similar')
  AND obj_description(p.oid, 'pg_proc') = 'flinkms stub'

-- name: create_predict
-- VOLATILE, so that the planner never calls a stub to estimate a selectivity.
CREATE FUNCTION public.predict(model text{arguments}) RETURNS {result} LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
        MESSAGE = 'predict() is not answered by PostgreSQL', HINT = 'Connect to the flinkms frontend.';
END $$

-- name: create_recommend
CREATE FUNCTION public.recommend(model text, key {key}, k integer) RETURNS TABLE ({column} {item}, score double precision)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
        MESSAGE = 'recommend() is not answered by PostgreSQL', HINT = 'Connect to the flinkms frontend.';
END $$

-- name: create_similar
CREATE FUNCTION public.similar(model text, key {item}, k integer) RETURNS TABLE ({column} {item}, score double precision)
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
        MESSAGE = 'similar() is not answered by PostgreSQL', HINT = 'Connect to the flinkms frontend.';
END $$

-- name: comment_function
COMMENT ON FUNCTION public.{function}({arguments}) IS 'flinkms stub'

-- name: drop_function
DROP FUNCTION public.{function}({arguments})
