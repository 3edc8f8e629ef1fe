-- Everything else is PostgreSQL's, untouched.
SELECT 1
---
Relay to PostgreSQL
  route: relational

TABLE movies
---
Relay to PostgreSQL
  route: relational

SELECT count(*) FROM movies; -- the end
---
Relay to PostgreSQL
  route: relational

-- Names of ours in texts, comments, other schemas, quoted names and identifiers do not count.
SELECT 'predict(''rec'', 1, 2)', $$predict('rec', 1)$$ FROM movies /* recommend('rec', 1) */ -- similar('rec', 1)
---
Relay to PostgreSQL
  route: relational

SELECT mine.predict('rec', 1), "Predict"('rec', 1), predict, predictor('rec') FROM movies AS similar
---
Relay to PostgreSQL
  route: relational

SELECT title FROM movies WHERE title SIMILAR TO ('a|b')
---
Relay to PostgreSQL
  route: relational

-- A function of the user's own that takes no model name.
SELECT predict(a, 'rec'), recommend() FROM movies
---
Relay to PostgreSQL
  route: relational

CREATE FUNCTION predict(text) RETURNS int LANGUAGE sql AS $$ SELECT 1 $$
---
Relay to PostgreSQL
  route: relational

DROP FUNCTION predict('rec')
---
Relay to PostgreSQL
  route: relational

-- A WITH, an alias or another schema's table of a Flink table's name.
WITH ratings AS (SELECT 1) SELECT * FROM ratings
---
Relay to PostgreSQL
  route: relational

SELECT ratings.x FROM movies AS ratings, mine.ratings r
---
Relay to PostgreSQL
  route: relational

SELECT EXTRACT(year FROM ratings) FROM movies WHERE a IS DISTINCT FROM ratings
---
Relay to PostgreSQL
  route: relational

SELECT 'ratings'::regclass
---
Relay to PostgreSQL
  route: relational

GRANT SELECT ON ratings TO analyst
---
Relay to PostgreSQL
  route: relational

COMMENT ON TABLE ratings IS 'from the file'
---
Relay to PostgreSQL
  route: relational

LISTEN rating_events
---
Relay to PostgreSQL
  route: relational

-- What fails everywhere fails in PostgreSQL's words.
SELEC predict('rec', 1, 2)
---
Relay to PostgreSQL
  route: relational
