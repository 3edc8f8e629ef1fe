-- The training ratings of the benchmark train.

CREATE TABLE ratings (user_id BIGINT, item_id BIGINT, rating DOUBLE)
  WITH ('connector' = 'filesystem', 'path' = '${RATINGS}', 'format' = 'csv');
