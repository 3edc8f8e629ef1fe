-- name: create_titles
CREATE TABLE IF NOT EXISTS movies (item_id bigint PRIMARY KEY, title text NOT NULL)

-- name: copy_titles
COPY movies (item_id, title) FROM STDIN

-- name: top_ten
SELECT m.title, round(r.score::numeric, 3) AS score
FROM recommend('rec', %(user)s, 10) AS r JOIN movies AS m ON m.item_id = r.item_id
ORDER BY r.score DESC, r.item_id

-- name: top_items
SELECT item_id FROM recommend('rec', %(user)s, 10)

-- name: insert_rating
INSERT INTO rating_events (user_id, item_id, rating, rated_at) VALUES (%(user)s, %(item)s, %(rating)s, now())

-- name: predict
SELECT predict('rec', %(user)s, %(item)s)

-- name: evaluate_ratings
EVALUATE MODEL rec USING SELECT user_id, item_id, rating FROM held_out

-- name: evaluate_diagnoses
EVALUATE MODEL cancer USING SELECT features, malignant FROM diagnoses_held_out
