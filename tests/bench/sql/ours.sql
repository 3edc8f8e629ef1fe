-- What the benchmarks ask a deployment.

-- name: predict_pairs
SELECT predict('rec', u, i) FROM unnest(%(users)s::bigint[], %(items)s::bigint[]) AS t (u, i)

-- name: predict
SELECT predict('rec', %(user)s::bigint, %(item)s::bigint)

-- name: recommend
SELECT item_id, rating FROM recommend('rec', %(user)s::bigint, 10)
