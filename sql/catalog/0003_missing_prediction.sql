-- What a statement with predict over columns meets when a row was not there when its predictions were made: the rows
-- changed in between, or they are chosen at random. An error, for anything else would be a wrong answer.
CREATE FUNCTION flinkms.missing_prediction() RETURNS double precision LANGUAGE plpgsql VOLATILE COST 1000000 AS $$
BEGIN
    RAISE EXCEPTION 'could not predict: the rows changed while their predictions were made'
        USING ERRCODE = '40001',
              HINT = 'Retry, or run it in a REPEATABLE READ transaction. Put rows that are chosen at random into a temporary table first.';
END $$;
