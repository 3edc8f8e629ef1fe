-- The same factors in tables, and the prediction as an SQL function in four forms; the fastest is the peer.

-- name: extension
CREATE EXTENSION vector

-- name: create_users
CREATE TABLE users (user_id bigint PRIMARY KEY, listed real[] NOT NULL, factors vector(:width) NOT NULL)

-- name: create_items
CREATE TABLE items (item_id bigint PRIMARY KEY, listed real[] NOT NULL, factors vector(:width) NOT NULL)

-- name: copy_users
COPY users (user_id, listed, factors) FROM STDIN (FORMAT binary)

-- name: copy_items
COPY items (item_id, listed, factors) FROM STDIN (FORMAT binary)

-- name: functions
CREATE FUNCTION predict_unnest(bigint, bigint) RETURNS double precision LANGUAGE sql STABLE PARALLEL SAFE AS
'SELECT 3.5 + sum(u * i) FROM users, items, unnest(users.listed, items.listed) AS t (u, i) WHERE user_id = $1 AND item_id = $2';

CREATE FUNCTION predict_vector(bigint, bigint) RETURNS double precision LANGUAGE sql STABLE PARALLEL SAFE AS
'SELECT 3.5 - (users.factors <#> items.factors) FROM users, items WHERE user_id = $1 AND item_id = $2';

CREATE FUNCTION predict_plpgsql(bigint, bigint) RETURNS double precision LANGUAGE plpgsql STABLE PARALLEL SAFE AS
'DECLARE score double precision; BEGIN
SELECT 3.5 - (users.factors <#> items.factors) INTO score FROM users, items WHERE user_id = $1 AND item_id = $2;
RETURN score; END';

CREATE FUNCTION predict_inlined(bigint, bigint) RETURNS TABLE (score double precision) LANGUAGE sql STABLE PARALLEL SAFE AS
'SELECT 3.5 - (users.factors <#> items.factors) FROM users, items WHERE user_id = $1 AND item_id = $2';

-- name: vacuum_users
VACUUM (ANALYZE, FREEZE) users

-- name: vacuum_items
VACUUM (ANALYZE, FREEZE) items

-- name: recommend
SELECT item_id, 3.5 - (factors <#> (SELECT factors FROM users WHERE user_id = %(user)s)) AS score
FROM items ORDER BY factors <#> (SELECT factors FROM users WHERE user_id = %(user)s) LIMIT 10

-- name: score_pairs_unnest
SELECT predict_unnest(u, i) FROM unnest(%(users)s::bigint[], %(items)s::bigint[]) AS t (u, i)

-- name: score_pairs_vector
SELECT predict_vector(u, i) FROM unnest(%(users)s::bigint[], %(items)s::bigint[]) AS t (u, i)

-- name: score_pairs_plpgsql
SELECT predict_plpgsql(u, i) FROM unnest(%(users)s::bigint[], %(items)s::bigint[]) AS t (u, i)

-- name: score_pairs_inlined
SELECT score FROM unnest(%(users)s::bigint[], %(items)s::bigint[]) AS t (u, i), predict_inlined(u, i)
