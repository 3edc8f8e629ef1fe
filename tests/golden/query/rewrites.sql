-- A constant call in an expression PostgreSQL evaluates becomes a parameter.
SELECT round(predict('rec', 42, 7)::numeric, 2)
---
Relational: SELECT round((SELECT CAST($1 AS double precision) AS "predict")::numeric, 2)
  Fold into $1
    Predict rec(42, 7) -> predict DOUBLE
      Single row
  route: model + relational

-- recommend joins the user's tables as arrays.
SELECT m.title, r.score FROM recommend('rec', 42, 10) r JOIN movies m ON m.item_id = r.item_id ORDER BY r.score DESC
---
Relational: SELECT m.title, r.score FROM (SELECT r."item_id", r."score" FROM unnest(CAST($1 AS bigint[]), CAST($2 AS double precision[])) WITH ORDINALITY AS r("item_id", "score", flinkms_row) ORDER BY r.flinkms_row) r JOIN movies m ON m.item_id = r.item_id ORDER BY r.score DESC
  Fold into $1, $2
    Recommend rec: 10 for 42 (item_id BIGINT, score DOUBLE)
  route: model + relational

-- Without an alias a function is known by its name; ordinality is a column.
SELECT * FROM recommend('rec', $1, 3) WITH ORDINALITY, movies
---
Relational: SELECT * FROM (SELECT r."item_id", r."score", r.flinkms_row AS ordinality FROM unnest(CAST($2 AS bigint[]), CAST($3 AS double precision[])) WITH ORDINALITY AS r("item_id", "score", flinkms_row) ORDER BY r.flinkms_row) AS recommend, movies
  Fold into $2, $3
    Recommend rec: 3 for $1 (item_id BIGINT, score DOUBLE)
  route: model + relational
parameters: bigint

-- Calls over columns: collect the distinct arguments, predict them, join. Conditions on predictions are not collected.
SELECT title, predict('rec', $1, item_id) s FROM movies WHERE year > $2 AND predict('rec', $1, item_id) > 3 ORDER BY s DESC LIMIT 10
---
Relational: SELECT title, flinkms_lookup_1.predict s FROM movies LEFT JOIN LATERAL (SELECT l.flinkms_1, l.flinkms_score FROM unnest(CAST($3 AS bigint[]), CAST($4 AS bigint[]), CAST($5 AS double precision[])) AS l(flinkms_1, flinkms_2, flinkms_score) WHERE l.flinkms_1 = CAST($1 AS bigint) AND l.flinkms_2 = CAST(item_id AS bigint)) AS flinkms_lookup_1_row ON true CROSS JOIN LATERAL (SELECT CASE WHEN flinkms_lookup_1_row.flinkms_1 IS NOT NULL OR CAST($1 AS bigint) IS NULL OR CAST(item_id AS bigint) IS NULL THEN flinkms_lookup_1_row.flinkms_score ELSE CAST(CAST(flinkms.missing_prediction() AS text) AS double precision) END AS predict) AS flinkms_lookup_1 WHERE year > $2 AND flinkms_lookup_1.predict > 3 ORDER BY s DESC LIMIT 10
  Lookup into $3, $4, $5
    Predict rec(user_id, item_id) -> predict DOUBLE
      Collect: SELECT DISTINCT CAST($1 AS bigint) AS "user_id", CAST(item_id AS bigint) AS "item_id" FROM movies WHERE (year > $2) AND CAST($1 AS bigint) IS NOT NULL AND CAST(item_id AS bigint) IS NOT NULL
  route: model + relational
parameters: bigint, ?

-- A condition with OR is not split; a star does not show the join.
SELECT * FROM movies m, genres WHERE m.g = genres.g OR predict('rec', 1, item_id) > 3
---
Relational: SELECT m.*, genres.* FROM movies m, genres LEFT JOIN LATERAL (SELECT l.flinkms_1, l.flinkms_score FROM unnest(CAST($1 AS bigint[]), CAST($2 AS bigint[]), CAST($3 AS double precision[])) AS l(flinkms_1, flinkms_2, flinkms_score) WHERE l.flinkms_1 = CAST(1 AS bigint) AND l.flinkms_2 = CAST(item_id AS bigint)) AS flinkms_lookup_1_row ON true CROSS JOIN LATERAL (SELECT CASE WHEN flinkms_lookup_1_row.flinkms_1 IS NOT NULL OR CAST(1 AS bigint) IS NULL OR CAST(item_id AS bigint) IS NULL THEN flinkms_lookup_1_row.flinkms_score ELSE CAST(CAST(flinkms.missing_prediction() AS text) AS double precision) END AS predict) AS flinkms_lookup_1 WHERE m.g = genres.g OR flinkms_lookup_1.predict > 3
  Lookup into $1, $2, $3
    Predict rec(user_id, item_id) -> predict DOUBLE
      Collect: SELECT DISTINCT CAST(1 AS bigint) AS "user_id", CAST(item_id AS bigint) AS "item_id" FROM movies m, genres WHERE CAST(1 AS bigint) IS NOT NULL AND CAST(item_id AS bigint) IS NOT NULL
  route: model + relational

-- Calls in a WITH come before those that read from it.
WITH c AS (SELECT u, predict('rec', u, 1) s FROM people) SELECT avg(predict('rec', c.u, 2)) FROM c
---
Relational: WITH c AS (SELECT u, flinkms_lookup_1.predict s FROM people LEFT JOIN LATERAL (SELECT l.flinkms_1, l.flinkms_score FROM unnest(CAST($1 AS bigint[]), CAST($2 AS bigint[]), CAST($3 AS double precision[])) AS l(flinkms_1, flinkms_2, flinkms_score) WHERE l.flinkms_1 = CAST(u AS bigint) AND l.flinkms_2 = CAST(1 AS bigint)) AS flinkms_lookup_1_row ON true CROSS JOIN LATERAL (SELECT CASE WHEN flinkms_lookup_1_row.flinkms_1 IS NOT NULL OR CAST(u AS bigint) IS NULL OR CAST(1 AS bigint) IS NULL THEN flinkms_lookup_1_row.flinkms_score ELSE CAST(CAST(flinkms.missing_prediction() AS text) AS double precision) END AS predict) AS flinkms_lookup_1) SELECT avg(flinkms_lookup_2.predict) FROM c LEFT JOIN LATERAL (SELECT l.flinkms_1, l.flinkms_score FROM unnest(CAST($4 AS bigint[]), CAST($5 AS bigint[]), CAST($6 AS double precision[])) AS l(flinkms_1, flinkms_2, flinkms_score) WHERE l.flinkms_1 = CAST(c.u AS bigint) AND l.flinkms_2 = CAST(2 AS bigint)) AS flinkms_lookup_2_row ON true CROSS JOIN LATERAL (SELECT CASE WHEN flinkms_lookup_2_row.flinkms_1 IS NOT NULL OR CAST(c.u AS bigint) IS NULL OR CAST(2 AS bigint) IS NULL THEN flinkms_lookup_2_row.flinkms_score ELSE CAST(CAST(flinkms.missing_prediction() AS text) AS double precision) END AS predict) AS flinkms_lookup_2
  Lookup into $1, $2, $3
    Predict rec(user_id, item_id) -> predict DOUBLE
      Collect: SELECT DISTINCT CAST(u AS bigint) AS "user_id", CAST(1 AS bigint) AS "item_id" FROM people WHERE CAST(u AS bigint) IS NOT NULL AND CAST(1 AS bigint) IS NOT NULL
  Lookup into $4, $5, $6
    Predict rec(user_id, item_id) -> predict DOUBLE
      Collect: WITH c AS (SELECT u, flinkms_lookup_1.predict s FROM people LEFT JOIN LATERAL (SELECT l.flinkms_1, l.flinkms_score FROM unnest(CAST($1 AS bigint[]), CAST($2 AS bigint[]), CAST($3 AS double precision[])) AS l(flinkms_1, flinkms_2, flinkms_score) WHERE l.flinkms_1 = CAST(u AS bigint) AND l.flinkms_2 = CAST(1 AS bigint)) AS flinkms_lookup_1_row ON true CROSS JOIN LATERAL (SELECT CASE WHEN flinkms_lookup_1_row.flinkms_1 IS NOT NULL OR CAST(u AS bigint) IS NULL OR CAST(1 AS bigint) IS NULL THEN flinkms_lookup_1_row.flinkms_score ELSE CAST(CAST(flinkms.missing_prediction() AS text) AS double precision) END AS predict) AS flinkms_lookup_1) SELECT DISTINCT CAST(c.u AS bigint) AS "user_id", CAST(2 AS bigint) AS "item_id" FROM c WHERE CAST(c.u AS bigint) IS NOT NULL AND CAST(2 AS bigint) IS NOT NULL
  route: model + relational

-- An array argument travels as text.
SELECT id, predict('tumor', features) FROM cells
---
Relational: SELECT id, flinkms_lookup_1.predict FROM cells LEFT JOIN LATERAL (SELECT l.flinkms_1, l.flinkms_score FROM unnest(CAST($1 AS text[]), CAST($2 AS double precision[])) AS l(flinkms_1, flinkms_score) WHERE CAST(l.flinkms_1 AS double precision[]) = CAST(features AS double precision[])) AS flinkms_lookup_1_row ON true CROSS JOIN LATERAL (SELECT CASE WHEN flinkms_lookup_1_row.flinkms_1 IS NOT NULL OR CAST(features AS double precision[]) IS NULL THEN flinkms_lookup_1_row.flinkms_score ELSE CAST(CAST(flinkms.missing_prediction() AS text) AS double precision) END AS predict) AS flinkms_lookup_1
  Lookup into $1, $2
    Predict tumor(features) -> predict DOUBLE
      Collect: SELECT DISTINCT CAST(features AS double precision[]) AS "features" FROM cells WHERE CAST(features AS double precision[]) IS NOT NULL
  route: model + relational

-- A column that is called predict stays apart.
SELECT predict, predict('rec', predict, 1) FROM movies
---
Relational: SELECT predict, flinkms_lookup_1.flinkms_predict AS predict FROM movies LEFT JOIN LATERAL (SELECT l.flinkms_1, l.flinkms_score FROM unnest(CAST($1 AS bigint[]), CAST($2 AS bigint[]), CAST($3 AS double precision[])) AS l(flinkms_1, flinkms_2, flinkms_score) WHERE l.flinkms_1 = CAST(predict AS bigint) AND l.flinkms_2 = CAST(1 AS bigint)) AS flinkms_lookup_1_row ON true CROSS JOIN LATERAL (SELECT CASE WHEN flinkms_lookup_1_row.flinkms_1 IS NOT NULL OR CAST(predict AS bigint) IS NULL OR CAST(1 AS bigint) IS NULL THEN flinkms_lookup_1_row.flinkms_score ELSE CAST(CAST(flinkms.missing_prediction() AS text) AS double precision) END AS flinkms_predict) AS flinkms_lookup_1
  Lookup into $1, $2, $3
    Predict rec(user_id, item_id) -> predict DOUBLE
      Collect: SELECT DISTINCT CAST(predict AS bigint) AS "user_id", CAST(1 AS bigint) AS "item_id" FROM movies WHERE CAST(predict AS bigint) IS NOT NULL AND CAST(1 AS bigint) IS NOT NULL
  route: model + relational

-- What PostgreSQL writes into its own tables may be predicted.
INSERT INTO mine SELECT item_id, score FROM recommend('rec', 1) ON CONFLICT DO NOTHING
---
Relational: INSERT INTO mine SELECT item_id, score FROM (SELECT r."item_id", r."score" FROM unnest(CAST($1 AS bigint[]), CAST($2 AS double precision[])) WITH ORDINALITY AS r("item_id", "score", flinkms_row) ORDER BY r.flinkms_row) AS recommend ON CONFLICT DO NOTHING
  Fold into $1, $2
    Recommend rec: 10 for 1 (item_id BIGINT, score DOUBLE)
  route: model + relational

-- So may the rows of a cursor.
DECLARE c CURSOR FOR SELECT item_id, predict('rec', 3, item_id) FROM movies
---
Relational: DECLARE c CURSOR FOR SELECT item_id, flinkms_lookup_1.predict FROM movies LEFT JOIN LATERAL (SELECT l.flinkms_1, l.flinkms_score FROM unnest(CAST($1 AS bigint[]), CAST($2 AS bigint[]), CAST($3 AS double precision[])) AS l(flinkms_1, flinkms_2, flinkms_score) WHERE l.flinkms_1 = CAST(3 AS bigint) AND l.flinkms_2 = CAST(item_id AS bigint)) AS flinkms_lookup_1_row ON true CROSS JOIN LATERAL (SELECT CASE WHEN flinkms_lookup_1_row.flinkms_1 IS NOT NULL OR CAST(3 AS bigint) IS NULL OR CAST(item_id AS bigint) IS NULL THEN flinkms_lookup_1_row.flinkms_score ELSE CAST(CAST(flinkms.missing_prediction() AS text) AS double precision) END AS predict) AS flinkms_lookup_1
  Lookup into $1, $2, $3
    Predict rec(user_id, item_id) -> predict DOUBLE
      Collect: SELECT DISTINCT CAST(3 AS bigint) AS "user_id", CAST(item_id AS bigint) AS "item_id" FROM movies WHERE CAST(3 AS bigint) IS NOT NULL AND CAST(item_id AS bigint) IS NOT NULL
  route: model + relational
