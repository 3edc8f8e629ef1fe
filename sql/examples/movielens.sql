-- Ratings of films: a recommender trained from files, learning from a stream.
-- ${RATINGS} and ${HELD_OUT} are CSV files: user_id,item_id,rating,rated_at (seconds since 1970-01-01).

CREATE TABLE ratings (user_id BIGINT, item_id BIGINT, rating DOUBLE, rated_at BIGINT)
  WITH ('connector' = 'filesystem', 'path' = '${RATINGS}', 'format' = 'csv');

CREATE TABLE held_out (user_id BIGINT, item_id BIGINT, rating DOUBLE, rated_at BIGINT)
  WITH ('connector' = 'filesystem', 'path' = '${HELD_OUT}', 'format' = 'csv');

CREATE TABLE rating_events (user_id BIGINT, item_id BIGINT, rating DOUBLE, rated_at TIMESTAMP_LTZ(3),
  WATERMARK FOR rated_at AS rated_at - INTERVAL '5' SECOND) WITH ('connector' = 'flinkms');

CREATE MODEL rec INPUT (user_id BIGINT, item_id BIGINT) OUTPUT (rating DOUBLE)
  WITH ('algorithm' = 'als', 'factors' = '32', 'iterations' = '10', 'cold_start' = 'mean')
  AS SELECT user_id, item_id, rating FROM ratings;

INSERT INTO MODEL rec SELECT user_id, item_id, rating FROM rating_events;
