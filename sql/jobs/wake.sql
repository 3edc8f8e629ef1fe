-- Waking: one row, whose values are replaced by NULLs of the right types.
SELECT wake FROM (VALUES (0)) AS w (wake)
