-- Sources and sinks of the benchmark score; the peer has the same.

CREATE TABLE pairs (user_id BIGINT, item_id BIGINT)
  WITH ('connector' = 'filesystem', 'path' = '${PAIRS}', 'format' = 'csv');

CREATE TABLE few_pairs (user_id BIGINT, item_id BIGINT)
  WITH ('connector' = 'filesystem', 'path' = '${FEW_PAIRS}', 'format' = 'csv');

CREATE TABLE checked_pairs (user_id BIGINT, item_id BIGINT)
  WITH ('connector' = 'filesystem', 'path' = '${CHECKED_PAIRS}', 'format' = 'csv');

CREATE TABLE scores (user_id BIGINT, item_id BIGINT, rating DOUBLE) WITH ('connector' = 'blackhole');

CREATE TABLE checked_scores (user_id BIGINT, item_id BIGINT, rating DOUBLE)
  WITH ('connector' = 'filesystem', 'path' = '${CHECKED_SCORES}', 'format' = 'csv');
