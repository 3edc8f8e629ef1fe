-- The usual way in plain PyFlink: factors in tables, joined in by SQL, both vectors shipped into a pandas function.
-- Variables are paths; a vector is ARRAY<FLOAT> or BYTES, whichever is faster.

-- name: events
CREATE TEMPORARY TABLE events (user_id BIGINT, item_id BIGINT, rating DOUBLE)
  WITH ('connector' = 'filesystem', 'path' = '${PATH}', 'format' = 'csv')

-- name: pairs
CREATE TEMPORARY TABLE pairs (user_id BIGINT, item_id BIGINT)
  WITH ('connector' = 'filesystem', 'path' = '${PATH}', 'format' = 'csv')

-- name: users_array
CREATE TEMPORARY TABLE users (user_id BIGINT, factors ARRAY<FLOAT>)
  WITH ('connector' = 'filesystem', 'path' = '${PATH}', 'format' = 'json')

-- name: items_array
CREATE TEMPORARY TABLE items (item_id BIGINT, factors ARRAY<FLOAT>)
  WITH ('connector' = 'filesystem', 'path' = '${PATH}', 'format' = 'json')

-- name: users_bytes
CREATE TEMPORARY TABLE users (user_id BIGINT, factors BYTES)
  WITH ('connector' = 'filesystem', 'path' = '${PATH}', 'format' = 'json')

-- name: items_bytes
CREATE TEMPORARY TABLE items (item_id BIGINT, factors BYTES)
  WITH ('connector' = 'filesystem', 'path' = '${PATH}', 'format' = 'json')

-- name: deltas_array
CREATE TEMPORARY TABLE deltas (user_id BIGINT, item_id BIGINT, delta ARRAY<FLOAT>) WITH ('connector' = 'blackhole')

-- name: deltas_bytes
CREATE TEMPORARY TABLE deltas (user_id BIGINT, item_id BIGINT, delta BYTES) WITH ('connector' = 'blackhole')

-- name: scores
CREATE TEMPORARY TABLE scores (user_id BIGINT, item_id BIGINT, rating DOUBLE) WITH ('connector' = 'blackhole')

-- name: scores_file
CREATE TEMPORARY TABLE scores (user_id BIGINT, item_id BIGINT, rating DOUBLE)
  WITH ('connector' = 'filesystem', 'path' = '${PATH}', 'format' = 'csv')

-- name: learn
INSERT INTO deltas
SELECT e.user_id, e.item_id, learn(u.factors, i.factors, e.rating)
FROM events AS e JOIN users AS u ON u.user_id = e.user_id JOIN items AS i ON i.item_id = e.item_id

-- name: score
INSERT INTO scores
SELECT p.user_id, p.item_id, score(u.factors, i.factors)
FROM pairs AS p JOIN users AS u ON u.user_id = p.user_id JOIN items AS i ON i.item_id = p.item_id
