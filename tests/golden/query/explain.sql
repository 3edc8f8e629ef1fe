-- EXPLAIN of what is ours prints the plan.
EXPLAIN SELECT predict('rec', 42, 7)
---
Point rec(user_id = 42, item_id = 7) -> predict DOUBLE
  route: model
columns: QUERY PLAN STRING

EXPLAIN (ANALYZE, COSTS off) SELECT * FROM recommend('rec', 42, 3)
---
Recommend rec: 3 for 42 (item_id BIGINT, score DOUBLE)
  route: model
columns: QUERY PLAN STRING

EXPLAIN ANALYZE VERBOSE INSERT INTO rating_events VALUES (1, 2, 3)
---
Append to rating_events
  Values: 1 row (user_id BIGINT, item_id BIGINT, rating DOUBLE, rated_at TIMESTAMP_LTZ(6))
  route: stream
columns: QUERY PLAN STRING

EXPLAIN CREATE MODEL m INPUT (a BIGINT) OUTPUT (b DOUBLE) WITH ('algorithm' = 'ridge') AS SELECT a, b FROM ratings
---
Deploy: create model m (a BIGINT) -> b DOUBLE with algorithm=ridge, train from ratings: SELECT a, b FROM ratings
  route: deploy
columns: QUERY PLAN STRING

-- Positions are those of the whole text.
EXPLAIN SELECT predict('nobody', 42, 7)
---
ERROR 42704: model "nobody" does not exist
LINE: EXPLAIN SELECT predict('nobody', 42, 7)
                             ^

-- PostgreSQL explains the rest.
EXPLAIN (FORMAT json) SELECT * FROM movies
---
Relay to PostgreSQL
  route: relational
