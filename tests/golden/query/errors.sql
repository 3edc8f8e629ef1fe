-- An unknown model: the closest name is the hint.
SELECT predict('rce', 1, 2)
---
ERROR 42704: model "rce" does not exist
LINE: SELECT predict('rce', 1, 2)
                     ^
HINT: Perhaps you meant the model "rec".

SELECT predict('rec@', 1, 2)
---
ERROR 22023: "rec@" is not a model address
LINE: SELECT predict('rec@', 1, 2)
                     ^
HINT: Write 'model', 'model@3', 'model@alias' or 'model@2026-11-20 10:00:00+00'.

SELECT predict('rec@0', 1, 2)
---
ERROR 22023: "rec@0" is not a model address
LINE: SELECT predict('rec@0', 1, 2)
                     ^
HINT: Write 'model', 'model@3', 'model@alias' or 'model@2026-11-20 10:00:00+00'.

-- A wrong number or type of arguments shows the signature.
SELECT predict('rec', 1)
---
ERROR 42883: predict of model "rec" takes 2 arguments after the model, not 1
LINE: SELECT predict('rec', 1)
             ^
HINT: Its signature is predict('rec', user_id BIGINT, item_id BIGINT).

SELECT predict('rec')
---
ERROR 42883: predict of model "rec" takes 2 arguments after the model, not 0
LINE: SELECT predict('rec')
             ^
HINT: Its signature is predict('rec', user_id BIGINT, item_id BIGINT).

SELECT predict('rec', 'x', 2)
---
ERROR 22P02: invalid input syntax for type bigint: "x"
LINE: SELECT predict('rec', 'x', 2)
                            ^

SELECT predict('rec', 4.5, 2)
---
ERROR 42883: argument user_id of model "rec" is of type bigint, not numeric
LINE: SELECT predict('rec', 4.5, 2)
                            ^
HINT: Its signature is predict('rec', user_id BIGINT, item_id BIGINT).

SELECT predict('rec', 99999999999999999999, 2)
---
ERROR 22003: value out of range for type bigint
LINE: SELECT predict('rec', 99999999999999999999, 2)
                            ^

SELECT predict('rec', $1::text, 2)
---
ERROR 42883: argument user_id of model "rec" is of type bigint, not text
LINE: SELECT predict('rec', $1::text, 2)
                            ^
HINT: Its signature is predict('rec', user_id BIGINT, item_id BIGINT).

SELECT predict('rec', u, 1) FROM (VALUES (1.5)) v(u)
---
ERROR 42883: argument user_id of model "rec" is of type bigint, not double precision
LINE: SELECT predict('rec', u, 1) FROM (VALUES (1.5)) v(u)
                            ^
HINT: Its signature is predict('rec', user_id BIGINT, item_id BIGINT).

SELECT predict('tumor', ARRAY['a'])
---
Relational: SELECT flinkms_lookup_1.predict FROM (SELECT 1) AS flinkms_one LEFT JOIN LATERAL (SELECT l.flinkms_1, l.flinkms_score FROM unnest(CAST($1 AS text[]), CAST($2 AS double precision[])) AS l(flinkms_1, flinkms_score) WHERE CAST(l.flinkms_1 AS double precision[]) = CAST(ARRAY['a'] AS double precision[])) AS flinkms_lookup_1_row ON true CROSS JOIN LATERAL (SELECT CASE WHEN flinkms_lookup_1_row.flinkms_1 IS NOT NULL OR CAST(ARRAY['a'] AS double precision[]) IS NULL THEN flinkms_lookup_1_row.flinkms_score ELSE CAST(CAST(flinkms.missing_prediction() AS text) AS double precision) END AS predict) AS flinkms_lookup_1
  Lookup into $1, $2
    Predict tumor(features) -> predict DOUBLE
      Collect: SELECT DISTINCT CAST(ARRAY['a'] AS double precision[]) AS "features" WHERE CAST(ARRAY['a'] AS double precision[]) IS NOT NULL
  route: model + relational

SELECT predict($1, $2, $3, $4)
---
ERROR 42883: there is no model whose predict takes 3 arguments (unknown, unknown, unknown)
LINE: SELECT predict($1, $2, $3, $4)
             ^

-- recommend and similar: only of a model over pairs, only in FROM, only of constants.
SELECT * FROM recommend('tumor', 1)
---
ERROR 42883: model "tumor" has no recommend
LINE: SELECT * FROM recommend('tumor', 1)
                    ^
HINT: recommend is for models over pairs, such as als; tumor is logistic.

SELECT recommend('rec', 1)
---
ERROR 0A000: recommend gives a table, not a value
LINE: SELECT recommend('rec', 1)
             ^
HINT: Call it in FROM: SELECT * FROM recommend(…).

SELECT * FROM recommend('rec', 1, 2, 3)
---
ERROR 42883: recommend of model "rec" takes 1 or 2 arguments after the model, not 3
LINE: SELECT * FROM recommend('rec', 1, 2, 3)
                    ^
HINT: Its signature is recommend('rec', user_id BIGINT [, k BIGINT = 10]).

SELECT * FROM users u, recommend('rec', u.id) r
---
ERROR 0A000: the arguments of recommend must be constants
LINE: SELECT * FROM users u, recommend('rec', u.id) r
                             ^
HINT: Write literals or parameters.

-- A prediction is a value, of arguments that are values.
SELECT * FROM predict('rec', 1, 2)
---
ERROR 0A000: predict gives a value, not a table
LINE: SELECT * FROM predict('rec', 1, 2)
                    ^
HINT: Call it in the list of a SELECT.

SELECT predict('rec', predict('rec', 1, 2), 2)
---
ERROR 0A000: a model call as argument of another is not supported
LINE: SELECT predict('rec', predict('rec', 1, 2), 2)
                            ^
HINT: Call the inner model in a subquery.

SELECT predict('rec' || 'x', 1, 2)
---
ERROR 0A000: the model of predict must be a constant
LINE: SELECT predict('rec' || 'x', 1, 2)
                     ^
HINT: Write the model's name in quotes, or a parameter.

-- Where no join can stand.
SELECT a.x FROM a JOIN b ON predict('rec', a.u, b.i) > 3
---
ERROR 0A000: predict over columns is not supported in FROM
LINE: SELECT a.x FROM a JOIN b ON predict('rec', a.u, b.i) > 3
                                  ^
HINT: Move the condition from ON to WHERE, or call predict in a subquery.

UPDATE movies SET score = predict('rec', 1, item_id)
---
ERROR 0A000: predict over columns is only supported in a SELECT
LINE: UPDATE movies SET score = predict('rec', 1, item_id)
                                ^
HINT: Select the rows with their predictions first, in a subquery or a temporary table.

WITH d AS (DELETE FROM movies RETURNING item_id) SELECT predict('rec', 1, item_id) FROM d
---
ERROR 0A000: predict over columns is not supported beside a WITH that changes data
LINE: WITH d AS (DELETE FROM movies RETURNING item_id) SELECT predict('rec', 1, item_id) FROM d
                                                              ^
HINT: Make the change in a statement of its own.

SELECT *, predict('rec', 1, i) FROM a NATURAL JOIN b
---
ERROR 0A000: * beside predict over columns is not supported for this FROM clause
LINE: SELECT *, predict('rec', 1, i) FROM a NATURAL JOIN b
             ^
HINT: Write the columns, or give every table an alias and write its alias.*.

-- What would outlive the prediction.
CREATE VIEW v AS SELECT predict('rec', 1, 2)
---
ERROR 0A000: a model call cannot be stored in a view
LINE: CREATE VIEW v AS SELECT predict('rec', 1, 2)
                              ^
HINT: CREATE TABLE … AS stores the predictions themselves.

COPY (SELECT predict('rec', 1, 2)) TO STDOUT
---
ERROR 0A000: a model call in COPY is not supported
LINE: COPY (SELECT predict('rec', 1, 2)) TO STDOUT
                   ^
HINT: Prepare in the protocol, or run the query by itself.

PREPARE p AS SELECT predict('rec', 1, 2)
---
ERROR 0A000: a model call in PREPARE is not supported
LINE: PREPARE p AS SELECT predict('rec', 1, 2)
                          ^
HINT: Prepare in the protocol, or run the query by itself.

-- Flink tables are not read through PostgreSQL, nor changed.
SELECT * FROM movies m JOIN rating_events r ON r.item_id = m.item_id
---
ERROR 0A000: reading stream "rating_events" from SQL runs as a Flink job and is not available through the frontend yet
LINE: SELECT * FROM movies m JOIN rating_events r ON r.item_id = m.item_id
                                  ^
HINT: Queries for Flink are part of CREATE MODEL, INSERT INTO and EVALUATE MODEL.

SELECT 1 WHERE EXISTS (SELECT FROM public.ratings)
---
ERROR 0A000: reading Flink table "ratings" from SQL runs as a Flink job and is not available through the frontend yet
LINE: SELECT 1 WHERE EXISTS (SELECT FROM public.ratings)
                                                ^
HINT: Queries for Flink are part of CREATE MODEL, INSERT INTO and EVALUATE MODEL.

UPDATE ratings SET rating = 1
---
ERROR 0A000: UPDATE of "ratings" is not supported: it is a Flink table
LINE: UPDATE ratings SET rating = 1
             ^
HINT: A stream is only appended to, by INSERT.

DELETE FROM ratings
---
ERROR 0A000: DELETE of "ratings" is not supported: it is a Flink table
LINE: DELETE FROM ratings
                  ^
HINT: A stream is only appended to, by INSERT.

MERGE INTO movies m USING ratings r ON m.item_id = r.item_id WHEN MATCHED THEN DO NOTHING
---
ERROR 0A000: reading Flink table "ratings" from SQL runs as a Flink job and is not available through the frontend yet
LINE: MERGE INTO movies m USING ratings r ON m.item_id = r.item_id WHEN MATCHED THEN DO NOTHING
                                ^
HINT: Queries for Flink are part of CREATE MODEL, INSERT INTO and EVALUATE MODEL.

INSERT INTO movies TABLE ratings
---
ERROR 0A000: reading Flink table "ratings" from SQL runs as a Flink job and is not available through the frontend yet
LINE: INSERT INTO movies TABLE ratings
                               ^
HINT: Queries for Flink are part of CREATE MODEL, INSERT INTO and EVALUATE MODEL.

WITH x AS (TABLE ratings) SELECT * FROM x
---
ERROR 0A000: reading Flink table "ratings" from SQL runs as a Flink job and is not available through the frontend yet
LINE: WITH x AS (TABLE ratings) SELECT * FROM x
                       ^
HINT: Queries for Flink are part of CREATE MODEL, INSERT INTO and EVALUATE MODEL.

TRUNCATE TABLE rating_events
---
ERROR 0A000: TRUNCATE of "rating_events" is not supported: it is a Flink table
LINE: TRUNCATE TABLE rating_events
                     ^
HINT: A stream is only appended to, by INSERT.

COPY rating_events FROM STDIN
---
ERROR 0A000: COPY of "rating_events" is not supported: it is a Flink table
LINE: COPY rating_events FROM STDIN
           ^
HINT: A stream is only appended to, by INSERT.

-- Texts that do not end.
SELECT 'abc
---
ERROR 42601: unterminated quoted string at or near "'abc"
LINE: SELECT 'abc
             ^

SELECT "abc
---
ERROR 42601: unterminated quoted identifier at or near ""abc"
LINE: SELECT "abc
             ^

-- A call over the columns of a SELECT around its own names that, and not a column that does not exist.
SELECT s FROM movies AS v, LATERAL (SELECT predict('rec', v.a, 1) AS s) AS x
---
ERROR 0A000: the arguments of predict are columns of a SELECT around its own
LINE: SELECT s FROM movies AS v, LATERAL (SELECT predict('rec', v.a, 1) AS s) AS x
                                                 ^
HINT: Call it in the SELECT whose FROM has them.

SELECT (SELECT predict('rec', abs(-1), 1))
---
Relational: SELECT (SELECT flinkms_lookup_1.predict FROM (SELECT 1) AS flinkms_one LEFT JOIN LATERAL (SELECT l.flinkms_1, l.flinkms_score FROM unnest(CAST($1 AS bigint[]), CAST($2 AS bigint[]), CAST($3 AS double precision[])) AS l(flinkms_1, flinkms_2, flinkms_score) WHERE l.flinkms_1 = CAST(abs(-1) AS bigint) AND l.flinkms_2 = CAST(1 AS bigint)) AS flinkms_lookup_1_row ON true CROSS JOIN LATERAL (SELECT CASE WHEN flinkms_lookup_1_row.flinkms_1 IS NOT NULL OR CAST(abs(-1) AS bigint) IS NULL OR CAST(1 AS bigint) IS NULL THEN flinkms_lookup_1_row.flinkms_score ELSE CAST(CAST(flinkms.missing_prediction() AS text) AS double precision) END AS predict) AS flinkms_lookup_1)
  Lookup into $1, $2, $3
    Predict rec(user_id, item_id) -> predict DOUBLE
      Collect: SELECT DISTINCT CAST(abs(-1) AS bigint) AS "user_id", CAST(1 AS bigint) AS "item_id" WHERE CAST(abs(-1) AS bigint) IS NOT NULL AND CAST(1 AS bigint) IS NOT NULL
  route: model + relational

-- WITH before an INSERT into a stream is refused here, and not by PostgreSQL's table of that name.
WITH x AS (SELECT 22 AS a) INSERT INTO rating_events (user_id) SELECT a FROM x
---
ERROR 0A000: a WITH clause before what is written to "rating_events" is not supported
LINE: WITH x AS (SELECT 22 AS a) INSERT INTO rating_events (user_id) SELECT a FROM x
                                             ^
HINT: Into a stream INSERT … VALUES, or SELECT from unnest, generate_series or VALUES; from Flink tables a query that begins with WITH behind the name of the table.

-- A type that is PostgreSQL's alone is its to read, beside a call or as what is inserted.
SELECT now()::time, predict('rec', 1, 1)
---
Relational: SELECT now()::time, (SELECT CAST($1 AS double precision) AS "predict")
  Fold into $1
    Predict rec(1, 1) -> predict DOUBLE
      Single row
  route: model + relational

INSERT INTO rating_events (user_id) SELECT * FROM unnest($1::text[])
---
ERROR 0A000: what is inserted into stream "rating_events" must be constants
LINE: INSERT INTO rating_events (user_id) SELECT * FROM unnest($1::text[])
                                          ^
HINT: Write VALUES of literals and parameters, or SELECT from unnest, generate_series or VALUES.
