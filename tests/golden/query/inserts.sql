-- Values are converted to the stream's columns; those left out are NULL.
INSERT INTO rating_events VALUES (42, '7', 5), ($1, $2, DEFAULT)
---
Append to rating_events
  Values: 2 rows (user_id BIGINT, item_id BIGINT, rating DOUBLE, rated_at TIMESTAMP_LTZ(6))
  route: stream
parameters: bigint, bigint

-- Columns in another order; the time is the statement's.
INSERT INTO public.rating_events (rated_at, user_id) VALUES (now(), 1), ('2026-11-20 10:00:00+02', $1)
---
Append to rating_events
  Values: 2 rows (user_id BIGINT, item_id BIGINT, rating DOUBLE, rated_at TIMESTAMP_LTZ(6))
  route: stream
parameters: bigint

-- A decimal is rounded on assignment, as PostgreSQL does.
INSERT INTO rating_events (item_id) VALUES (6.5)
---
Append to rating_events
  Values: 1 row (user_id BIGINT, item_id BIGINT, rating DOUBLE, rated_at TIMESTAMP_LTZ(6))
  route: stream

-- Arrays of a whole batch, typed by the columns.
INSERT INTO rating_events (user_id, item_id, rating) SELECT * FROM unnest($1, $2, $3)
---
Append to rating_events
  Project unnest as user_id, unnest as item_id, unnest as rating, NULL as rated_at
    Unnest $1, $2, $3 (unnest BIGINT, unnest BIGINT, unnest DOUBLE)
  route: stream
parameters: bigint[], bigint[], double precision[]

INSERT INTO rating_events SELECT 42, g, 3.5 FROM generate_series(1, 3) g
---
Append to rating_events
  Project ?column? as user_id, g as item_id, ?column? as rating, NULL as rated_at
    Project 42 as ?column?, g, 3.5 as ?column?
      Generate series 1 to 3 step 1 (g INT)
  route: stream

-- A query over Flink tables is a job of Flink's, also into a stream.
INSERT INTO rating_events SELECT user_id, item_id, rating, CURRENT_TIMESTAMP FROM ratings
---
Deploy: score into rating_events from ratings: SELECT user_id, item_id, rating, CURRENT_TIMESTAMP FROM ratings
  route: deploy

INSERT INTO ratings (user_id, item_id, rating) SELECT user_id, item_id, predict('rec', user_id, item_id) FROM rating_events
---
Deploy: score into ratings (user_id, item_id, rating) from rating_events, predict rec(user_id, item_id): SELECT user_id, item_id, predict('rec', user_id, item_id) FROM rating_events
  route: deploy

-- Errors name the column and the place.
INSERT INTO rating_events VALUES ('x')
---
ERROR 22P02: invalid input syntax for type bigint: "x"
LINE: INSERT INTO rating_events VALUES ('x')
                                        ^

INSERT INTO rating_events VALUES (1, 2, true)
---
ERROR 42804: column "rating" is of type double precision but expression is of type boolean
LINE: INSERT INTO rating_events VALUES (1, 2, true)
                                              ^

INSERT INTO rating_events (user_id, nobody) VALUES (1, 2)
---
ERROR 42703: column "nobody" of stream "rating_events" does not exist
LINE: INSERT INTO rating_events (user_id, nobody) VALUES (1, 2)
                                          ^

INSERT INTO rating_events (user_id, user_id) VALUES (1, 2)
---
ERROR 42701: column "user_id" specified more than once
LINE: INSERT INTO rating_events (user_id, user_id) VALUES (1, 2)
                                          ^

INSERT INTO rating_events (user_id) VALUES (1, 2)
---
ERROR 42601: INSERT has more expressions than target columns
LINE: INSERT INTO rating_events (user_id) VALUES (1, 2)
                                                     ^

INSERT INTO rating_events VALUES (1) RETURNING user_id
---
ERROR 0A000: RETURNING is not supported for a stream
LINE: INSERT INTO rating_events VALUES (1) RETURNING user_id
                                           ^

INSERT INTO rating_events VALUES (1) ON CONFLICT DO NOTHING
---
ERROR 0A000: ON CONFLICT is not supported for a stream
LINE: INSERT INTO rating_events VALUES (1) ON CONFLICT DO NOTHING
                                              ^

INSERT INTO rating_events SELECT a, b, c FROM mine
---
ERROR 0A000: what is inserted into stream "rating_events" must be constants
LINE: INSERT INTO rating_events SELECT a, b, c FROM mine
                                ^
HINT: Write VALUES of literals and parameters, or SELECT from unnest, generate_series or VALUES.

INSERT INTO rating_events VALUES (1 + 1)
---
ERROR 0A000: what is inserted into stream "rating_events" must be constants
LINE: INSERT INTO rating_events VALUES (1 + 1)
                                              ^
HINT: Write VALUES of literals and parameters, or SELECT from unnest, generate_series or VALUES.
