-- Training: packed blocks of the training rows -> fit (one vectorized Python stage) -> the version's base.
-- The view packed(block) is the user's SELECT, cast to the declared types and packed.
INSERT INTO model_base
SELECT b.bundle
FROM (SELECT fit(block) AS bundles FROM packed) AS f
CROSS JOIN UNNEST(f.bundles) AS b (bundle)
