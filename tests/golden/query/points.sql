-- A whole statement that predicts from constants is a point: the hot path.
SELECT predict('rec', 42, 7)
---
Point rec(user_id = 42, item_id = 7) -> predict DOUBLE
  route: model
columns: predict DOUBLE

-- Parameters take the types of the model's inputs; the output can be named.
SELECT predict('rec', $1, $2) AS score
---
Point rec(user_id = $1, item_id = $2) -> score DOUBLE
  route: model
columns: score DOUBLE
parameters: bigint, bigint

-- The schema may be written, the name in any case, and a comment anywhere.
select Flinkms.PREDICT /* the model */ ('rec@3', 1, -- user
 2);
---
Point rec@3(user_id = 1, item_id = 2) -> predict DOUBLE
  route: model
columns: predict DOUBLE

-- An address names a version, an alias, or what was live at a moment.
SELECT predict('rec@canary', 1, 2)
---
Point rec@canary(user_id = 1, item_id = 2) -> predict DOUBLE
  route: model
columns: predict DOUBLE

SELECT predict('rec@2026-11-20 10:00:00+00', 1, 2)
---
Point rec@2026-11-20 10:00:00+00(user_id = 1, item_id = 2) -> predict DOUBLE
  route: model
columns: predict DOUBLE

-- A text literal is read as the declared type; NULL is data.
SELECT predict('rec', '42', NULL)
---
Point rec(user_id = 42, item_id = NULL) -> predict DOUBLE
  route: model
columns: predict DOUBLE

-- Casts and signs of constants are constants.
SELECT predict('rec', CAST('42' AS int), -7::bigint)
---
Point rec(user_id = 42, item_id = -7) -> predict DOUBLE
  route: model
columns: predict DOUBLE

-- A model named by a parameter: all models that fit the call have one signature.
SELECT predict($1, $2, $3)
---
Point $1(user_id = $2, item_id = $3) -> predict DOUBLE
  route: model
columns: predict DOUBLE
parameters: text, bigint, bigint

-- An array is one argument.
SELECT predict('tumor', ARRAY[1, 2.5, -3e2])
---
Point tumor(features = {1.0,2.5,-300.0}) -> predict DOUBLE
  route: model
columns: predict DOUBLE

SELECT predict('tumor', '{1,2.5}'::real[])
---
Point tumor(features = {1.0,2.5}) -> predict DOUBLE
  route: model
columns: predict DOUBLE

SELECT predict('tumor', $1)
---
Point tumor(features = $1) -> predict DOUBLE
  route: model
columns: predict DOUBLE
parameters: double precision[]

-- More than a point: the same call twice is one prediction.
SELECT predict('rec', 1, 2), predict('rec', 1, 2) AS again, predict('rec', 1, 3) AS other
---
Project predict, predict as again, predict as other
  Predict rec(1, 3) -> predict DOUBLE
    Predict rec(1, 2) -> predict DOUBLE
      Single row
  route: model
columns: predict DOUBLE, again DOUBLE, other DOUBLE
