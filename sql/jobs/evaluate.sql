-- Evaluation: packed blocks of held-out rows -> metrics of the version as it is served, one row of JSON.
SELECT evaluate(block) AS metrics FROM packed
