-- What the benchmarks ask a deployment.

-- name: predict_pairs
SELECT predict('rec', u, i) FROM unnest(%(users)s::bigint[], %(items)s::bigint[]) AS t (u, i)

-- name: predict
SELECT predict('rec', %(user)s::bigint, %(item)s::bigint)

-- name: recommend
SELECT item_id, score FROM recommend('rec', %(user)s::bigint, 10)

-- name: create_stream
CREATE TABLE rating_events (user_id BIGINT, item_id BIGINT, rating DOUBLE, rated_at TIMESTAMP_LTZ(3),
  WATERMARK FOR rated_at AS rated_at - INTERVAL '5' SECOND) WITH ('connector' = 'flinkms')

-- name: learn
INSERT INTO MODEL rec SELECT user_id, item_id, rating FROM rating_events

-- name: insert_rating
INSERT INTO rating_events VALUES (%(user)s, %(item)s, %(rating)s, now())

-- name: insert_rating_numbered
INSERT INTO rating_events VALUES ($1, $2, $3, now())

-- name: score
INSERT INTO scores SELECT user_id, item_id, predict('rec', user_id, item_id) FROM pairs

-- name: score_few
INSERT INTO scores SELECT user_id, item_id, predict('rec', user_id, item_id) FROM few_pairs

-- name: score_checked
INSERT INTO checked_scores SELECT user_id, item_id, predict('rec', user_id, item_id) FROM checked_pairs

-- name: create_cold
CREATE MODEL trained_cold INPUT (user_id BIGINT, item_id BIGINT) OUTPUT (rating DOUBLE)
  WITH ('algorithm' = 'als', 'factors' = '16', 'iterations' = '10') AS SELECT user_id, item_id, rating FROM ratings

-- name: create_0
CREATE MODEL trained_0 INPUT (user_id BIGINT, item_id BIGINT) OUTPUT (rating DOUBLE)
  WITH ('algorithm' = 'als', 'factors' = '16', 'iterations' = '10') AS SELECT user_id, item_id, rating FROM ratings

-- name: create_1
CREATE MODEL trained_1 INPUT (user_id BIGINT, item_id BIGINT) OUTPUT (rating DOUBLE)
  WITH ('algorithm' = 'als', 'factors' = '16', 'iterations' = '10') AS SELECT user_id, item_id, rating FROM ratings

-- name: create_2
CREATE MODEL trained_2 INPUT (user_id BIGINT, item_id BIGINT) OUTPUT (rating DOUBLE)
  WITH ('algorithm' = 'als', 'factors' = '16', 'iterations' = '10') AS SELECT user_id, item_id, rating FROM ratings

-- name: predict_trained
SELECT predict('trained_0', u, i) FROM unnest(%(users)s::bigint[], %(items)s::bigint[]) AS t (u, i)
