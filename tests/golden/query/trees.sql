-- Types of unnest's arrays come from the model that uses them.
SELECT predict('rec', u, i) FROM unnest($1, $2) AS t(u, i)
---
Project predict
  Predict rec(u, i) -> predict DOUBLE
    Unnest $1, $2 (u BIGINT, i BIGINT)
  route: model
columns: predict DOUBLE
parameters: bigint[], bigint[]

-- Source columns, the prediction, order and limit.
SELECT u, i, predict('rec', u, i) AS s FROM unnest($1::bigint[], $2::int[]) WITH ORDINALITY AS t(u, i, n) ORDER BY s DESC, n LIMIT $3 OFFSET 1
---
Project u, i, predict as s
  Limit $3 offset 1
    Sort predict desc, n
      Predict rec(u, i) -> predict DOUBLE
        Unnest $1, $2 with ordinality (u BIGINT, i INT, n BIGINT)
  route: model
columns: u BIGINT, i INT, s DOUBLE
parameters: bigint[], integer[], bigint

-- VALUES: columns take the widest type of their rows.
SELECT v.*, predict('rec', u, i) FROM (VALUES (1, 2), (3000000000, NULL)) AS v(u, i)
---
Predict rec(u, i) -> predict DOUBLE
  Values: 2 rows (u BIGINT, i INT)
  route: model
columns: u BIGINT, i INT, predict DOUBLE

-- A function's alias names its only column.
SELECT g, predict('rec', g, 7) s FROM generate_series(1, 10, 2) g WHERE g <> 3 AND predict('rec', g, 7) >= 2.5 ORDER BY 2 DESC NULLS LAST
---
Project g, predict as s
  Sort predict desc nulls last
    Filter predict >= 2.5
      Filter g <> 3
        Predict rec(g, 7) -> predict DOUBLE
          Generate series 1 to 10 step 2 (g INT)
  route: model
columns: g INT, s DOUBLE

-- recommend gives the declared item key and a score, ten rows unless told.
SELECT * FROM recommend('rec', 42)
---
Recommend rec: 10 for 42 (item_id BIGINT, score DOUBLE)
  route: model
columns: item_id BIGINT, score DOUBLE

SELECT r.item_id, score FROM recommend('rec', $1, $2) r WHERE score > 3 LIMIT 5
---
Limit 5
  Filter score > 3.0
    Recommend rec: $2 for $1 (item_id BIGINT, score DOUBLE)
  route: model
columns: item_id BIGINT, score DOUBLE
parameters: bigint, bigint

SELECT s.* FROM similar('rec@3', 7, 5) AS s(item, likeness)
---
Similar rec@3: 5 to 7 (item BIGINT, likeness DOUBLE)
  route: model
columns: item BIGINT, likeness DOUBLE

-- Another column order, and a constant.
SELECT score, item_id, 'for you' AS why FROM recommend('rec', 42, 3)
---
Project score, item_id, 'for you' as why
  Recommend rec: 3 for 42 (item_id BIGINT, score DOUBLE)
  route: model
columns: score DOUBLE, item_id BIGINT, why STRING
